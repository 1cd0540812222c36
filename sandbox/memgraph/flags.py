"""The command line: the real server's flags, parsed as gflags does, and a few of the simulator's own."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from sandbox.memgraph.core.compat import DEFAULT, LEVELS
from sandbox.memgraph.core.instance import SERVER_NAME
from sandbox.memgraph.flagtable import COORDINATION, REAL


class BadFlag(ValueError):
    """One sentence: which flag, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Parsed flags. `ignored`: real flags this server has no use for.

    Defaults are the packaged server's (config/flags.yaml), but for `data_directory` and `log_level`.
    """

    bolt_address: str = "0.0.0.0"
    bolt_port: int = 7687
    bolt_cert_file: Path | None = None
    bolt_key_file: Path | None = None
    bolt_server_name_for_init: str = SERVER_NAME
    data_directory: Path = Path("mg_data")
    data_recovery_on_startup: bool = True
    init_file: Path | None = None
    log_level: str = "INFO"
    replication_replica_check_frequency_sec: float = 1.0
    replication_restore_state_on_startup: bool = True
    storage_automatic_edge_type_index_creation_enabled: bool = False
    storage_automatic_label_index_creation_enabled: bool = False
    storage_snapshot_interval_sec: int = 300
    storage_snapshot_on_exit: bool = True
    storage_snapshot_retention_count: int = 3
    storage_wal_enabled: bool = True
    storage_wal_file_flush_every_n_tx: int = 100_000
    storage_wal_file_size_kib: int = 20_480
    compat: str = DEFAULT.level
    sim_admin_port: int = 0
    sim_stale_history: bool = True
    help: bool = False
    version: bool = False
    ignored: tuple[str, ...] = ()


MODELLED: Final = {
    "bolt_address": "Address of the Bolt, replication and admin listeners.",
    "bolt_port": "Port of the Bolt listener.",
    "bolt_cert_file": "Certificate of the Bolt listener (PEM); with --bolt-key-file, plain TCP is refused.",
    "bolt_key_file": "Its private key (PEM).",
    "bolt_server_name_for_init": "Server name given to drivers; empty for none.",
    "data_directory": "Where commits, users and (if restored) the role are kept.",
    "data_recovery_on_startup": "Come back with the data of the last run.",
    "init_file": "Queries executed at every start before Bolt opens, one a line; failures are only logged.",
    "log_level": "TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL. Log lines are JSON, on stderr.",
    "replication_replica_check_frequency_sec": "Seconds between two pings of a replica; 0: none.",
    "replication_restore_state_on_startup": "Come back in the same role with the same registrations.",
    "storage_automatic_edge_type_index_creation_enabled": "Make an index for each new type of relationship.",
    "storage_automatic_label_index_creation_enabled": "Make an index for each new label.",
    "storage_snapshot_interval_sec": "Seconds between two snapshots; 0: none but on exit.",
    "storage_snapshot_on_exit": "Take a snapshot at a clean stop.",
    "storage_snapshot_retention_count": "Snapshots that are kept.",
    "storage_wal_enabled": "Keep a commit log. Without one nothing is replicated.",
    "storage_wal_file_flush_every_n_tx": "Commits between two fsyncs of the commit log.",
    "storage_wal_file_size_kib": "Size at which a new file of the commit log begins.",
}
"""Real flags that have an effect here. SHOW CONFIG lists them."""
OWN: Final = {
    "compat": f"The release to imitate in texts, columns and protocol: {', '.join(LEVELS)}.",
    "sim_admin_port": "Port for fault knobs (see below); 0: none.",
    "sim_stale_history": "A restart lists the running epoch as ended, as Memgraph 3.5 to 3.12 does.",
    "help": "Print this and exit.",
    "version": "Print the Memgraph version that is simulated and exit.",
}
_COMPILED: Final = {"data_directory": "mg_data", "log_level": "WARNING"} | dict.fromkeys(
    ("storage_snapshot_on_exit", "storage_wal_enabled"), "false"
)
"""Defaults of the bare binary where `Flags` has others: SHOW CONFIG's default_value is the binary's."""
_RANGES: Final[dict[str, tuple[int, int]]] = {
    "bolt_port": (0, 65535),
    "sim_admin_port": (0, 65535),
    "replication_replica_check_frequency_sec": (0, 2**63),
    "storage_snapshot_interval_sec": (0, 7 * 24 * 3600),
    "storage_snapshot_retention_count": (1, 1_000_000),
    "storage_wal_file_flush_every_n_tx": (1, 1_000_000),
    "storage_wal_file_size_kib": (1, 1_024_000),
}
_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_TRUE: Final = ("1", "t", "true", "y", "yes")
_FALSE: Final = ("0", "f", "false", "n", "no")
_PATHS: Final = frozenset({"bolt_cert_file", "bolt_key_file", "data_directory", "init_file"})
_CRON: Final = "--storage-snapshot-interval"
"""The other way to have periodic snapshots."""
_DEPTH: Final = 8
"""Flag files that name flag files: a chain this long is a circle."""
DEFAULTS: Final = Flags()
_KINDS: Final = REAL | {
    field.name: "bool" if isinstance(getattr(DEFAULTS, field.name), bool) else "value"
    for field in fields(Flags)
    if field.name in OWN
}


def parse(arguments: Sequence[str]) -> Flags:
    """Parse the command line. Raises BadFlag."""
    values: dict[str, Any] = {}
    ignored: list[str] = []
    for written, name, text in _split(list(arguments), 0):
        if name in COORDINATION:
            raise BadFlag(
                f"--{written} makes a server of Memgraph Enterprise's clusters, which this is not: leave it out"
            )
        if name == "h":
            values["help"] = True
        elif name in MODELLED or name in OWN:
            values[name] = _value(name, text)
        else:
            if REAL[name] == "bool":
                _boolean(f"--{written}", text)
            ignored.append(f"--{written}")
    flags = replace(DEFAULTS, **values, ignored=tuple(dict.fromkeys(ignored)))
    if flags.storage_wal_enabled and flags.storage_snapshot_interval_sec == 0 and _CRON not in flags.ignored:
        raise BadFlag(
            "--storage-snapshot-interval-sec is 0, and Memgraph keeps no commit log without periodic snapshots: "
            "set it to a number above 0, or --storage-wal-enabled=false"
        )
    return flags


def _split(arguments: list[str], depth: int) -> list[tuple[str, str, str]]:
    """(as written, name, value) of each flag, in order; those of a --flag-file in its place."""
    found: list[tuple[str, str, str]] = []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--" or not argument.startswith("-") or argument == "-":
            raise BadFlag(_stray(argument))
        written, equals, value = argument.removeprefix("-").removeprefix("-").partition("=")
        name = written.replace("-", "_")
        if name not in _KINDS and name.startswith("no") and _KINDS.get(name[2:]) == "bool":
            name, value = name[2:], "false"
        elif name not in _KINDS:
            raise BadFlag(_unknown(written, name))
        elif not equals and _KINDS[name] == "bool":
            value = "true"
        elif not equals:
            if not arguments:
                raise BadFlag(f"--{written} is missing its value: write --{written}=VALUE")
            value = arguments.pop(0)
        if name == "flag_file":
            for path in value.split(","):
                found += _split(_read_flag_file(path, depth), depth + 1)
        else:
            found.append((written, name, value))
    return found


def _stray(argument: str) -> str:
    if argument.lower() in _TRUE + _FALSE:
        return f"unexpected argument {argument!r}: a boolean flag's value needs '=', as in --storage-wal-enabled=false"
    return f"unexpected argument {argument!r}: flags are --name=value; see --help"


def _unknown(written: str, name: str) -> str:
    close = difflib.get_close_matches(name.removeprefix("no_"), _KINDS, n=1)
    hint = f"did you mean --{close[0].replace('_', '-')}?" if close else "see --help"
    return f"unknown command line flag '{written}': no Memgraph has it; {hint}"


def _read_flag_file(path: str, depth: int) -> list[str]:
    if depth >= _DEPTH:
        raise BadFlag(f"--flag-file {path}: more than {_DEPTH} files that name one another; look for a circle")
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFlag(f"--flag-file {path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    return [line.strip() for line in lines if line.strip().startswith("-")]


def _value(name: str, text: str) -> Any:
    default, flag = getattr(DEFAULTS, name), f"--{name.replace('_', '-')}"
    if isinstance(default, bool):
        return _boolean(flag, text)
    if name in _RANGES:
        return _number(flag, text, type(default), *_RANGES[name])
    if name == "log_level" and text.upper() not in _LEVELS:
        raise BadFlag(f"{flag} is {text!r}: set it to one of {', '.join(_LEVELS)}")
    if name == "compat" and text not in LEVELS:
        raise BadFlag(f"{flag} is {text!r}: set it to one of {', '.join(LEVELS)}")
    if name in _PATHS:
        if not text and default is not None:
            raise BadFlag(f"{flag} is empty: set it to a path")
        return Path(text) if text else None
    return text.upper() if name == "log_level" else text


def _boolean(flag: str, text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise BadFlag(f"{flag} is {text!r}: set it to true or false")
    return text.lower() in _TRUE


def _number(flag: str, text: str, kind: type[int] | type[float], low: int, high: int) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise BadFlag(f"{flag} is {text!r}: set it to a number from {low} to {high}")
    return number


def config(flags: Flags) -> tuple[tuple[str, str, str, str], ...]:
    """SHOW CONFIG's rows: name, default_value, current_value, description, by name."""
    return tuple(
        (name, _COMPILED.get(name, shown(getattr(DEFAULTS, name))), shown(getattr(flags, name)), text)
        for name, text in sorted(MODELLED.items())
    )


def shown(value: object) -> str:
    """A flag's value as gflags prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
