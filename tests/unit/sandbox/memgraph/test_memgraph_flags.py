"""The command line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sandbox.memgraph.core.compat import LEVELS
from sandbox.memgraph.flags import DEFAULTS, MODELLED, OWN, BadFlag, Flags, config, parse
from sandbox.memgraph.flagtable import COORDINATION, REAL
from sandbox.memgraph.usage import OTHERS, usage


def test_both_styles() -> None:
    flags = parse(["--bolt-port=7700", "--data-directory", "/d", "-bolt_address=127.0.0.2", "--init-file", "/i"])
    assert (flags.bolt_port, flags.data_directory, flags.bolt_address) == (7700, Path("/d"), "127.0.0.2")
    assert flags.init_file == Path("/i")


@pytest.mark.parametrize(
    ("arguments", "restored"),
    [
        ([], True),
        (["--replication-restore-state-on-startup=false"], False),
        (["--replication_restore_state_on_startup=N"], False),
        (["--noreplication-restore-state-on-startup"], False),
        (["--noreplication-restore-state-on-startup=true"], False),
        (["--replication-restore-state-on-startup", "--bolt-port=1"], True),
        (["--noreplication-restore-state-on-startup", "--replication-restore-state-on-startup=yes"], True),
    ],
)
def test_booleans(arguments: list[str], restored: bool) -> None:
    assert parse(arguments).replication_restore_state_on_startup is restored


def test_a_boolean_takes_no_separate_value() -> None:
    """gflags sets the flag to true and leaves `false` over; 3.12 then refuses to start."""
    with pytest.raises(BadFlag, match="needs '='"):
        parse(["--storage-wal-enabled", "false"])


def test_a_value_may_begin_with_a_dash() -> None:
    assert parse(["--bolt-server-name-for-init", "-x"]).bolt_server_name_for_init == "-x"


def test_other_real_flags_are_reported_but_accepted() -> None:
    arguments = ["--telemetry-enabled=false", "--also-log-to-stderr", "--query-modules-directory", "/x", "--noh"]
    arguments += ["--bolt-session-inactivity-timeout=5", "--log-file=", "--telemetry-enabled"]
    assert parse(arguments).ignored == (
        "--telemetry-enabled",
        "--also-log-to-stderr",
        "--query-modules-directory",
        "--bolt-session-inactivity-timeout",
        "--log-file",
    )


def test_a_commit_log_needs_snapshots() -> None:
    """memgraph.cpp: fatal at start."""
    with pytest.raises(BadFlag, match="no commit log without periodic snapshots"):
        parse(["--storage-snapshot-interval-sec=0"])
    assert parse(["--storage-snapshot-interval-sec=0", "--nostorage-wal-enabled"]).storage_snapshot_interval_sec == 0
    assert parse(["--storage-snapshot-interval-sec=0", "--storage-snapshot-interval=300"]).storage_wal_enabled


def test_the_packaged_servers_defaults() -> None:
    """config/flags.yaml of the packages: a bare binary has neither WAL nor a snapshot on exit."""
    flags = parse([])
    assert (flags.storage_wal_enabled, flags.storage_snapshot_on_exit, flags.data_recovery_on_startup) == (True,) * 3
    assert (flags.storage_snapshot_interval_sec, flags.storage_snapshot_retention_count) == (300, 3)
    assert (flags.storage_wal_file_size_kib, flags.storage_wal_file_flush_every_n_tx) == (20480, 100_000)
    assert (flags.bolt_cert_file, flags.bolt_key_file, flags.compat) == (None, None, "3.12")


def test_every_modelled_flag_is_real_and_has_a_field() -> None:
    assert set(MODELLED) <= set(REAL)
    assert set(MODELLED) | set(OWN) | {"ignored"} == {field.name for field in fields(Flags)}
    for name in MODELLED:
        assert REAL[name] == ("bool" if isinstance(getattr(DEFAULTS, name), bool) else "value"), name


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--bolt-port=70000"], "--bolt-port is '70000': set it to a number from 0 to 65535"),
        (["--bolt-port=x"], "number"),
        (["--storage-snapshot-retention-count=0"], "from 1 to 1000000"),
        (["--log-level=LOUD"], "--log-level"),
        (["--compat=3.7"], "3.6, 3.9, 3.12, master"),
        (["--replication-restore-state-on-startup=maybe"], "true or false"),
        (["--telemetry-enabled=maybe"], "true or false"),
        (["--data-directory="], "path"),
        (["--bolt-port"], "missing its value"),
        (["stray"], "unexpected argument 'stray': flags are"),
        (["--"], "unexpected"),
        (["--bolt-prot=1"], "unknown command line flag 'bolt-prot': .* did you mean --bolt-port?"),
        (["--nobolt-port"], "unknown command line flag"),
        (["--storage-wal-enable=1"], "--storage-wal-enabled"),
        (["--sim-compat=3.6"], "did you mean --compat"),
        (["--flagfile=x"], "did you mean --flag-file"),
        (["--qqq"], "see --help"),
        (["--flag-file=/nowhere"], "/nowhere can't be read: No such file"),
    ],
)
def test_bad_flags_are_named(arguments: list[str], word: str) -> None:
    with pytest.raises(BadFlag, match=word):
        parse(arguments)


@pytest.mark.parametrize("name", sorted(COORDINATION))
def test_coordination_is_enterprises(name: str) -> None:
    with pytest.raises(BadFlag, match="Enterprise"):
        parse([f"--{name.replace('_', '-')}=1"])


def test_flag_file_stands_where_it_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.conf"
    other.write_text("--compat=3.6\n")
    path = tmp_path / "memgraph.conf"
    path.write_text(f"# Memgraph Configuration\n\n--bolt-port=1\n  --nostorage-wal-enabled\n--flag-file={other}\n")
    assert parse([f"--flag-file={path}"]).storage_wal_enabled is False
    assert parse([f"--flag-file={path}", "--bolt-port=2"]).bolt_port == 2
    assert parse(["--bolt-port=2", "--flag-file", str(path)]).bolt_port == 1
    assert parse([f"--flag-file={path}"]).compat == "3.6"


def test_flag_files_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(f"--flag-file={path}\n")
    with pytest.raises(BadFlag, match="circle"):
        parse([f"--flag-file={path}"])


def test_show_config_has_the_binarys_defaults_and_our_values() -> None:
    rows = {row[0]: row[1:3] for row in config(parse(["--bolt-port=1", "--storage-wal-enabled"]))}
    assert list(rows) == sorted(MODELLED)
    assert rows["bolt_port"] == ("7687", "1")
    assert rows["storage_wal_enabled"] == ("false", "true")
    assert rows["bolt_cert_file"] == ("", "")
    assert rows["replication_replica_check_frequency_sec"] == ("1", "1")


def test_help() -> None:
    text = usage()
    assert text.startswith("usage: memgraph-ha sandbox memgraph ")
    assert all(f"  --{name.replace('_', '-')}" in text for name in (*MODELLED, *OWN))
    assert all(level in text for level in LEVELS)
    assert f"{OTHERS} other flags" in text
    assert OTHERS > 90
    assert "bolt://localhost:7687" in text
    assert '"knob": "link"' in text
    assert max(map(len, text.splitlines())) <= 100
