"""The sidecar's settings: written by the webhook into the container, read by the sidecar. One table for both.

`parse` lists every bad value at once; each sentence names the variable and what to set it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from sidecar.contract import names

NAMESPACE: Final = "MEMGRAPH_HA_NAMESPACE"
"""Where the document's ConfigMap is."""
CONFIG_MAP: Final = "MEMGRAPH_HA_CONFIG_MAP"
TOKEN_DIR: Final = "MEMGRAPH_HA_TOKEN_DIR"
"""Folder with `token` and `ca.crt`."""
LISTEN: Final = "MEMGRAPH_HA_LISTEN"
PORT: Final = "MEMGRAPH_HA_PORT"
READ_PORT: Final = "MEMGRAPH_HA_READ_PORT"
ADMIN_ADDRESS: Final = "MEMGRAPH_HA_ADMIN_ADDRESS"
"""One or more, like LISTEN."""
ADMIN_PORT: Final = "MEMGRAPH_HA_ADMIN_PORT"
HOLD: Final = "MEMGRAPH_HA_HOLD_S"
COMMIT_GRACE: Final = "MEMGRAPH_HA_COMMIT_GRACE_S"
CONFIRM_AFTER: Final = "MEMGRAPH_HA_CONFIRM_AFTER_S"
CUT_MODE: Final = "MEMGRAPH_HA_CUT_MODE"
ON_STALE: Final = "MEMGRAPH_HA_ON_STALE"
STALE: Final = "MEMGRAPH_HA_STALE_S"
READ_FALLBACK: Final = "MEMGRAPH_HA_READ_FALLBACK"
REWRITE: Final = "MEMGRAPH_HA_REWRITE_ERROR_CODES"
MAX_CONNECTIONS: Final = "MEMGRAPH_HA_MAX_CONNECTIONS"
LOG_LEVEL: Final = "MEMGRAPH_HA_LOG_LEVEL"
API_HOST: Final = "KUBERNETES_SERVICE_HOST"
API_PORT: Final = "KUBERNETES_SERVICE_PORT"

VARIABLES: Final[Mapping[str, str]] = {
    NAMESPACE: "namespace of the release (required; the webhook sets it)",
    CONFIG_MAP: "name of its state ConfigMap (required; the webhook sets it)",
    TOKEN_DIR: "folder with token and ca.crt (default /var/run/secrets/memgraph-ha.io)",
    API_HOST: "the API server (required; Kubernetes sets it)",
    API_PORT: "its port (default 443; Kubernetes sets it)",
    LISTEN: "addresses for clients (default 127.0.0.1,::1)",
    PORT: "port that leads to the main (default 7687)",
    READ_PORT: "port that leads to a replica (default 7688)",
    ADMIN_ADDRESS: "addresses of health and metrics (default 0.0.0.0,::)",
    ADMIN_PORT: "port of health and metrics (default 17687)",
    HOLD: "seconds, 0 to 28, that a new connection waits for an upstream (default 20)",
    COMMIT_GRACE: "seconds, 0 to 20, in which a COMMIT in flight may be answered after a planned cut (default 2)",
    CONFIRM_AFTER: "seconds, 0.1 to 3600, from which on a commit's answer waits for the API server's word (default 1)",
    CUT_MODE: "graceful, or immediate: a change ends every connection without a word (default graceful)",
    ON_STALE: "keep, or cut: what happens when the API server was not heard of for long (default keep)",
    STALE: "seconds, 5 to 3600, after which that is long (default 60)",
    READ_FALLBACK: "none, or main: where the read port leads without a replica (default none)",
    REWRITE: "failover, all or off: which of Memgraph's errors get another code (default failover)",
    MAX_CONNECTIONS: "client connections of both ports, 1 to 100000 (default 1000)",
    LOG_LEVEL: "DEBUG, INFO, WARNING or ERROR (default INFO)",
}
"""Every variable, and what it is for."""

_E = TypeVar("_E", bound=StrEnum)


class CutMode(StrEnum):
    """How a change of the main ends connections."""

    GRACEFUL = "graceful"
    """As told in core/session.py: a COMMIT in flight may be answered, an open transaction is told to retry."""
    IMMEDIATE = "immediate"
    """All of them at once, without a word."""


class OnStale(StrEnum):
    """What happens when nothing was heard of the API server for long."""

    KEEP = "keep"
    """The last known main is used on: an outage of the API server is none of the database."""
    CUT = "cut"
    """Every connection ends, and new ones wait: nobody talks to a main of which nobody can say that it still is one."""


class ReadFallback(StrEnum):
    """Where the read port leads when no replica can be reached."""

    NONE = "none"
    MAIN = "main"


class Rewrite(StrEnum):
    """Which of Memgraph's FAILUREs get another code."""

    FAILOVER = "failover"
    """Those that prove that nothing was committed and that another try will do: a code that drivers retry."""
    ALL = "all"
    """These, and of every other `Memgraph.` becomes `Neo.`: the .NET driver knows only such codes."""
    OFF = "off"


class BadSettings(ValueError):
    """One or more variables are missing or wrong. `problems` has one sentence each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """What one sidecar needs to know. Times in seconds."""

    namespace: str
    config_map: str
    api_host: str
    api_port: int
    token_dir: str = names.TOKEN_MOUNT_PATH
    listen: tuple[str, ...] = ("127.0.0.1", "::1")
    port: int = names.READ_WRITE_PORT
    read_port: int = names.READ_PORT
    admin_address: tuple[str, ...] = ("0.0.0.0", "::")  # kubelet and Prometheus come in by the pod's address
    admin_port: int = names.ADMIN_PORT
    hold_s: float = 20.0
    commit_grace_s: float = 2.0
    confirm_after_s: float = 1.0
    cut_mode: CutMode = CutMode.GRACEFUL
    on_stale: OnStale = OnStale.KEEP
    stale_s: float = 60.0
    read_fallback: ReadFallback = ReadFallback.NONE
    rewrite: Rewrite = Rewrite.FAILOVER
    max_connections: int = 1000
    log_level: str = "INFO"


def render(namespace: str, config_map: str) -> dict[str, str]:
    """What the webhook writes into the container; everything else keeps the sidecar's default."""
    return {NAMESPACE: namespace, CONFIG_MAP: config_map, TOKEN_DIR: names.TOKEN_MOUNT_PATH}


def parse(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. Raises BadSettings with every problem."""
    read = _Reader(environ)
    settings = Settings(
        namespace=read.required(NAMESPACE, "the namespace of the memgraph-ha release"),
        config_map=read.required(CONFIG_MAP, "the name of the release's state ConfigMap"),
        api_host=read.required(API_HOST, "Kubernetes sets it in every pod; outside one, give the API server's host"),
        api_port=read.port(API_PORT, 443),
        token_dir=environ.get(TOKEN_DIR, names.TOKEN_MOUNT_PATH),
        listen=read.addresses(LISTEN, "127.0.0.1,::1"),
        port=read.port(PORT, names.READ_WRITE_PORT),
        read_port=read.port(READ_PORT, names.READ_PORT),
        admin_address=read.addresses(ADMIN_ADDRESS, "0.0.0.0,::"),
        admin_port=read.port(ADMIN_PORT, names.ADMIN_PORT),
        # Java's driver gives up on an unanswered handshake after 30 s: a hold must end well before.
        hold_s=read.number(HOLD, 20.0, 0.0, 28.0),
        commit_grace_s=read.number(COMMIT_GRACE, 2.0, 0.0, 20.0),
        # A silent main is given up after 1.5 s at the earliest (P-F1): what took longer may come from one. Below the
        # least, ordinary commits would each cost a question to the API server.
        confirm_after_s=read.number(CONFIRM_AFTER, 1.0, 0.1, 3600.0),
        cut_mode=read.choice(CUT_MODE, CutMode.GRACEFUL),
        on_stale=read.choice(ON_STALE, OnStale.KEEP),
        # Below, every hiccup of the API server would cut; the fresh look that goes before comes after half of it.
        stale_s=read.number(STALE, 60.0, 5.0, 3600.0),
        read_fallback=read.choice(READ_FALLBACK, ReadFallback.NONE),
        rewrite=read.choice(REWRITE, Rewrite.FAILOVER),
        # Each takes two file descriptors and its buffers: ten pools of a hundred are what one pod's app may need.
        max_connections=int(read.number(MAX_CONNECTIONS, 1000, 1, 100_000)),
        log_level=environ.get(LOG_LEVEL, "INFO").upper(),
    )
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        read.problems.append(f"{LOG_LEVEL} is {settings.log_level!r}: set it to DEBUG, INFO, WARNING or ERROR")
    if read.problems:
        raise BadSettings(tuple(read.problems))
    return settings


class _Reader:
    """Takes values out of an environment and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def required(self, name: str, hint: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            self.problems.append(f"{name} is not set: {hint}")
        return value

    def addresses(self, name: str, default: str) -> tuple[str, ...]:
        found = tuple(a.strip() for a in self._environ.get(name, default).split(",") if a.strip())
        if not found:
            self.problems.append(f"{name} is empty: set it to one or more addresses, such as {default}")
        return found

    def port(self, name: str, default: int) -> int:
        text = self._environ.get(name, str(default))
        if text.isascii() and text.isdigit() and 0 <= int(text) < 65536:
            return int(text)
        self.problems.append(f"{name} is {text!r}: set it to a port number (0 to 65535)")
        return default

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self._environ.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = least - 1
        if least <= value <= most:
            return value
        self.problems.append(f"{name} is {text!r}: set it to a number between {least:g} and {most:g}")
        return default

    def choice(self, name: str, default: _E) -> _E:
        text = self._environ.get(name, default.value).strip().lower()
        kind = type(default)
        if text in list(kind):
            return kind(text)
        self.problems.append(f"{name} is {text!r}: set it to {' or '.join(kind)}")
        return default
