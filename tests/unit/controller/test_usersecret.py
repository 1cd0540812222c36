"""The followed Secret: what changed, which logins are tried, and what happens when it cannot be read."""

from __future__ import annotations

from pathlib import Path

from secret_folder import write_secret

from controller.core.logins import Login
from controller.usersecret import UserSecret


def passwords(secret: UserSecret) -> list[str]:
    """What is tried, in order."""
    return [login.password for login in secret.logins()]


def test_the_new_password_is_tried_first_then_the_former_ones(tmp_path: Path) -> None:
    """In the Secret, then of this process, then of the environment."""
    write_secret(tmp_path, {"ops": "1", "app": "x"})
    secret = UserSecret(tmp_path, "ops", Login("root", "0"))
    assert secret.look()
    assert passwords(secret) == ["1", "0"]
    write_secret(tmp_path, {"ops": "2", "app": "x"})
    assert secret.look()
    write_secret(tmp_path, {"ops": "3", "ops.previous": "2b", "app": "x"})
    assert secret.look()
    assert passwords(secret) == ["3", "2b", "2", "1", "0"]


def test_the_version_changes_with_a_password_and_only_then(tmp_path: Path) -> None:
    """A former password is nothing the instances have to know."""
    write_secret(tmp_path, {"ops": "1"})
    secret = UserSecret(tmp_path, "ops", None)
    secret.look()
    first = secret.wanted
    assert not secret.look()
    write_secret(tmp_path, {"ops": "1", "ops.previous": "0"})
    assert secret.look()
    assert secret.wanted == first
    write_secret(tmp_path, {"ops": "2"})
    assert secret.look()
    assert first is not None
    assert secret.wanted is not None
    assert secret.wanted.version != first.version
    assert secret.login(first.version, "ops") is None
    assert secret.login(secret.wanted.version, "ops") == Login("ops", "2")


def test_versions_of_two_processes_say_nothing_about_the_password(tmp_path: Path) -> None:
    """They are in the log: equal ones would be worth comparing with guesses."""
    write_secret(tmp_path, {"ops": "1"})
    both = [UserSecret(tmp_path, "ops", None) for _ in range(2)]
    assert all(secret.look() for secret in both)
    assert both[0].wanted != both[1].wanted


def test_what_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    """A Secret that is deleted stays what it was."""
    folder = tmp_path / "secret"
    write_secret(folder, {"ops": "1"})
    secret = UserSecret(folder, "ops", None)
    secret.look()
    folder.rename(tmp_path / "gone")
    assert not secret.look()
    assert passwords(secret) == ["1"]


def test_without_a_folder_the_environment_s_login_is_all() -> None:
    """Users are nobody's business then."""
    secret = UserSecret(None, "ops", Login("root", "0"))
    assert not secret.look()
    assert (secret.wanted, passwords(secret)) == (None, ["0"])
