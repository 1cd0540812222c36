"""Drivers of the wild, each in an environment of its own under `.venv/clients`.

`python client_environments.py` makes those that tests/clients runs, `--all` those of `make drivers`, too. A further
client is one more entry, its programs in tests/clients/programs and its pins beside those of the others. An
environment is made anew when its pins change, never updated.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from client_kinds import ENVIRONMENTS, ROOT, Installable, NodeClient, PythonClient, RoutedClient
from compiled_clients import GoClient, JavaClient, RustClient

Client = PythonClient | NodeClient
Driver = Client | RoutedClient | JavaClient | GoClient | RustClient
PYMGCLIENT: Final = PythonClient("pymgclient", "client_pymgclient.py")
GQLALCHEMY: Final = PythonClient("gqlalchemy", "client_gqlalchemy.py")
CLIENTS: Final[tuple[Client, ...]] = (
    PythonClient("neo4j-5", "neo4j_python.py"),
    PythonClient("neo4j-6", "neo4j_python.py"),
    PYMGCLIENT,
    GQLALCHEMY,
    NodeClient("neo4j_javascript"),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    *CLIENTS,
    RoutedClient(PYMGCLIENT, "routed_pymgclient.py"),
    RoutedClient(GQLALCHEMY, "routed_gqlalchemy.py"),
    JavaClient("neo4j_java"),
    GoClient("neo4j_go"),
    RustClient("neo4rs"),
)


def installed(client: Installable) -> bool:
    """Whether it is there, with the same pins."""
    stamp = client.directory / ".pins"
    return stamp.exists() and stamp.read_text() == _key(client)


def ensure(client: Installable) -> None:
    """Install a client, unless it is there with the same pins."""
    with _lock(client):
        if installed(client):
            return
        shutil.rmtree(client.directory, ignore_errors=True)
        print(f"Installing {client.name} into {client.directory.relative_to(ROOT)}", file=sys.stderr)
        client.install()
        (client.directory / ".pins").write_text(_key(client))


def _key(client: Installable) -> str:
    return hashlib.sha256(sys.version.encode() + b"".join(pin.read_bytes() for pin in client.pins)).hexdigest()


@contextmanager
def _lock(client: Installable) -> Iterator[None]:
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with client.directory.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Install all that this machine can have."""
    for client in DRIVERS if "--all" in arguments else CLIENTS:
        obstacle = client.obstacle()
        if obstacle is None:
            ensure(client)
        else:
            print(f"Without the client {client.name}: {obstacle}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
