"""The command line: the real server's flags, gflags style, and a few of the simulator's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from sandbox.memgraph.core.instance import SERVER_NAME


class BadFlag(ValueError):
    """One sentence: which flag, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Parsed flags. `ignored`: real or unknown flags this server has no use for."""

    bolt_address: str = "0.0.0.0"
    bolt_cert_file: Path | None = None
    bolt_key_file: Path | None = None
    bolt_port: int = 7687
    bolt_server_name_for_init: str = SERVER_NAME
    data_directory: Path = Path("mg_data")
    init_file: Path | None = None
    log_level: str = "INFO"
    replication_replica_check_frequency_sec: float = 1.0
    replication_restore_state_on_startup: bool = True
    storage_wal_file_flush_every_n_tx: int = 100_000
    sim_admin_port: int = 0
    sim_stale_history: bool = True
    help: bool = False
    version: bool = False
    ignored: tuple[str, ...] = ()


HELP: Final = {
    "bolt_address": "Address of the Bolt, replication and admin listeners.",
    "bolt_cert_file": "Certificate chain (PEM); with --bolt-key-file, Bolt is spoken over TLS only.",
    "bolt_key_file": "Private key (PEM) of the certificate.",
    "bolt_port": "Port of the Bolt listener.",
    "bolt_server_name_for_init": "Server name given to drivers; empty for none.",
    "data_directory": "Where commits, users and (if restored) the role are kept.",
    "init_file": "Queries executed at every start before Bolt opens, one a line; failures are only logged.",
    "log_level": "TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL. Log lines are JSON, on stderr.",
    "replication_replica_check_frequency_sec": "Seconds between two pings of a replica; 0: no checks, no recovery.",
    "replication_restore_state_on_startup": "Come back in the same role with the same registrations.",
    "storage_wal_file_flush_every_n_tx": "Commits between two fsyncs of the commit log.",
    "sim_admin_port": "Simulator: port for fault knobs (see sandbox.memgraph.admin); 0: none.",
    "sim_stale_history": "Simulator: a restart lists the running epoch as ended, as Memgraph 3.5 to 3.12 does.",
    "help": "Print this and exit.",
    "version": "Print the Memgraph version that is simulated and exit.",
}
_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_DEFAULTS: Final = Flags()


def usage() -> str:
    """The text of --help."""
    lines = [
        "usage: memgraph-ha sandbox memgraph [--flag=value | --flag value | --noflag] ...",
        "",
        "A simulated Memgraph Community instance: Bolt, replication and durability of version 3.12, nodes only.",
        "Runs until Ctrl-C or SIGTERM. Other flags of the real server are accepted with a warning, without effect.",
        "",
    ]
    for name, text in HELP.items():
        default = getattr(_DEFAULTS, name)
        if name in ("help", "version"):
            lines.append(f"  --{name.replace('_', '-')}")
        else:
            shown = str(default).lower() if isinstance(default, bool) else ("" if default is None else str(default))
            lines.append(f"  --{name.replace('_', '-')} (default: {shown or 'none'})")
        lines.append(f"      {text}")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> Flags:
    """Parse the command line. Raises BadFlag."""
    values: dict[str, Any] = {}
    ignored: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            raise BadFlag(f"unexpected argument {argument!r}: flags are --name=value; see --help")
        written, equals, value = argument.lstrip("-").partition("=")
        name = written.replace("-", "_")
        if name == "management_port":
            raise BadFlag("--management-port belongs to Memgraph Enterprise's coordinators: leave it out")
        negated = name.startswith("no") and name[2:] in HELP and isinstance(getattr(_DEFAULTS, name[2:]), bool)
        if negated and not equals:
            values[name[2:]] = False
            continue
        boolean = name in HELP and isinstance(getattr(_DEFAULTS, name), bool)
        if not equals and rest and not rest[0].startswith("-") and (not boolean or rest[0].lower() in _BOOLEANS):
            value, equals = rest.pop(0), "="
        if name not in HELP:
            ignored.append(f"--{written}")
        elif boolean and not equals:
            values[name] = True
        else:
            values[name] = _value(name, value)
    return replace(_DEFAULTS, **values, ignored=tuple(ignored))


def advice(ignored: str) -> str:
    """What to say about a flag that has no effect: it may be a misspelt one."""
    near = get_close_matches(ignored.lstrip("-").replace("-", "_"), HELP, n=1, cutoff=0.7)
    known = f"; did you mean --{near[0].replace('_', '-')}?" if near else ""
    return f"accepted, but without effect here{known}"


_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _value(name: str, text: str) -> Any:
    default, flag = getattr(_DEFAULTS, name), f"--{name.replace('_', '-')}"
    if isinstance(default, bool):
        if text.lower() not in _BOOLEANS:
            raise BadFlag(f"{flag} is {text!r}: set it to true or false")
        return _BOOLEANS[text.lower()]
    if isinstance(default, int | float):
        try:
            number = type(default)(text)
        except ValueError:
            number = -1
        if number < 0 or (name.endswith("port") and number > 65535):
            raise BadFlag(f"{flag} is {text!r}: set it to a number{' up to 65535' if name.endswith('port') else ''}")
        return number
    if name == "log_level":
        if text.upper() not in _LEVELS:
            raise BadFlag(f"{flag} is {text!r}: set it to one of {', '.join(_LEVELS)}")
        return text.upper()
    if name in ("bolt_cert_file", "bolt_key_file", "data_directory", "init_file"):
        if not text:
            raise BadFlag(f"{flag} is empty: set it to a path")
        return Path(text)
    return text
