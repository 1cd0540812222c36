"""The init-file of an instance with users: never without its role lines, never without a user, never half of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from secret_folder import write_secret

from controller.initfile import compose

ROLE = "SET REPLICATION ROLE TO REPLICA WITH PORT 10000;\n" * 2


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Secret, role lines, output."""
    role = tmp_path / "init.cypherl"
    role.write_text(ROLE)
    return tmp_path / "secret", role, tmp_path / "run.cypherl"


def test_users_come_first_then_the_role(places: tuple[Path, Path, Path]) -> None:
    """P-N1; a key that cannot be used is left out."""
    write_secret(places[0], {"ops": "it's", "BAD": "x"})
    compose(*places)
    assert places[2].read_text() == (
        "CREATE USER IF NOT EXISTS `ops` IDENTIFIED BY 'it\\'s';\nSET PASSWORD FOR `ops` TO 'it\\'s';\n" + ROLE
    )
    assert places[2].stat().st_mode & 0o077 == 0


def test_without_a_usable_user_there_is_no_file(places: tuple[Path, Path, Path]) -> None:
    """An instance without users lets everybody in."""
    write_secret(places[0], {"ops": ""})
    with pytest.raises(ValueError, match="no usable user"):
        compose(*places)
    assert not places[2].exists()


@pytest.mark.parametrize("missing", [0, 1])
def test_without_the_secret_or_the_role_lines_there_is_no_file(places: tuple[Path, Path, Path], missing: int) -> None:
    """Memgraph does not start then."""
    if missing:
        write_secret(places[0], {"ops": "x"})
        places[1].unlink()
    with pytest.raises(OSError, match="No such file"):
        compose(*places)
    assert not places[2].exists()
