"""The sidecar's settings: written by the webhook into the container, read by the sidecar. One table for both.

`parse` lists every bad value at once; each sentence names the variable and what to set it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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
ADMIN_PORT: Final = "MEMGRAPH_HA_ADMIN_PORT"
HOLD: Final = "MEMGRAPH_HA_HOLD_S"
COMMIT_GRACE: Final = "MEMGRAPH_HA_COMMIT_GRACE_S"
LOG_LEVEL: Final = "MEMGRAPH_HA_LOG_LEVEL"
API_HOST: Final = "KUBERNETES_SERVICE_HOST"
API_PORT: Final = "KUBERNETES_SERVICE_PORT"


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
    admin_address: str = "0.0.0.0"  # kubelet and Prometheus come in by the pod's address
    admin_port: int = names.ADMIN_PORT
    hold_s: float = 20.0
    commit_grace_s: float = 2.0
    log_level: str = "INFO"


def render(namespace: str, config_map: str) -> dict[str, str]:
    """What the webhook writes into the container; everything else keeps the sidecar's default."""
    return {NAMESPACE: namespace, CONFIG_MAP: config_map, TOKEN_DIR: names.TOKEN_MOUNT_PATH}


def parse(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. Raises BadSettings with every problem."""
    problems: list[str] = []

    def required(name: str, hint: str) -> str:
        value = environ.get(name, "").strip()
        if not value:
            problems.append(f"{name} is not set: {hint}")
        return value

    def port(name: str, default: int) -> int:
        text = environ.get(name, str(default))
        if text.isascii() and text.isdigit() and 0 <= int(text) < 65536:
            return int(text)
        problems.append(f"{name} is {text!r}: set it to a port number (0 to 65535)")
        return default

    def seconds(name: str, default: float, most: float) -> float:
        text = environ.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 <= value <= most:
            return value
        problems.append(f"{name} is {text!r}: set it to seconds between 0 and {most:g}")
        return default

    settings = Settings(
        namespace=required(NAMESPACE, "the namespace of the memgraph-ha release"),
        config_map=required(CONFIG_MAP, "the name of the release's state ConfigMap"),
        api_host=required(API_HOST, "Kubernetes sets it in every pod; outside one, give the API server's host"),
        api_port=port(API_PORT, 443),
        token_dir=environ.get(TOKEN_DIR, names.TOKEN_MOUNT_PATH),
        listen=tuple(a.strip() for a in environ.get(LISTEN, "127.0.0.1,::1").split(",") if a.strip()),
        port=port(PORT, names.READ_WRITE_PORT),
        read_port=port(READ_PORT, names.READ_PORT),
        admin_address=environ.get(ADMIN_ADDRESS, "0.0.0.0"),
        admin_port=port(ADMIN_PORT, names.ADMIN_PORT),
        # Java's driver gives up on an unanswered handshake after 30 s: a hold must end well before.
        hold_s=seconds(HOLD, 20.0, 28.0),
        commit_grace_s=seconds(COMMIT_GRACE, 2.0, 20.0),
        log_level=environ.get(LOG_LEVEL, "INFO").upper(),
    )
    if not settings.listen:
        problems.append(f"{LISTEN} is empty: set it to one or more addresses, such as 127.0.0.1,::1")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        problems.append(f"{LOG_LEVEL} is {settings.log_level!r}: set it to DEBUG, INFO, WARNING or ERROR")
    if problems:
        raise BadSettings(tuple(problems))
    return settings
