"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.memgraph.flags import HELP, BadFlag, advice, parse, usage


def test_both_styles() -> None:
    flags = parse(["--bolt-port=7700", "--data-directory", "/d", "--bolt_address=127.0.0.2", "--init-file", "/i"])
    assert (flags.bolt_port, flags.data_directory, flags.bolt_address) == (7700, Path("/d"), "127.0.0.2")
    assert flags.init_file == Path("/i")


@pytest.mark.parametrize(
    ("arguments", "restored"),
    [
        ([], True),
        (["--replication-restore-state-on-startup=false"], False),
        (["--replication-restore-state-on-startup", "false"], False),
        (["--noreplication-restore-state-on-startup"], False),
        (["--replication-restore-state-on-startup", "--bolt-port=1"], True),
    ],
)
def test_booleans(arguments: list[str], restored: bool) -> None:
    assert parse(arguments).replication_restore_state_on_startup is restored


def test_unknown_flags_are_reported_but_accepted() -> None:
    flags = parse(["--storage-snapshot-on-exit=false", "--also-log-to-stderr", "--query-modules-directory", "/x"])
    assert flags.ignored == (
        "--storage-snapshot-on-exit",
        "--also-log-to-stderr",
        "--query-modules-directory",
    )


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("--management-port=1", "Enterprise"),
        ("--bolt-port=70000", "--bolt-port"),
        ("--bolt-port=x", "number"),
        ("--log-level=LOUD", "--log-level"),
        ("--replication-restore-state-on-startup=maybe", "true or false"),
        ("--data-directory=", "path"),
        ("stray", "unexpected"),
    ],
)
def test_bad_flags_are_named(argument: str, word: str) -> None:
    with pytest.raises(BadFlag, match=word):
        parse([argument])


def test_help_names_every_flag() -> None:
    assert all(f"--{name.replace('_', '-')}" in usage() for name in HELP)


def test_misspelt_flag_gets_a_suggestion() -> None:
    assert advice("--data-dir") == "accepted, but without effect here; did you mean --data-directory?"
    assert advice("--memory-limit") == "accepted, but without effect here"
