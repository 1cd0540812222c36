"""Writes tests/golden/bolt anew: real drivers speak to the simulated Memgraph through a relay that notes each read.

`PYTHONPATH=.:tests/support python tests/support/record_conversations.py [PYTHON_WITH_PYMGCLIENT]`; without that
argument pymgclient's conversation stays as it is. The simulated Memgraph knows neither a manifest handshake nor
WebSocket: the relay makes the first itself, and the second is written by hand.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import neo4j
import trustme
from conversations import Piece, write
from memgraph_process import ADDRESS, Memgraph
from neo4j.exceptions import Neo4jError
from ports import free_port

MAGIC: Final = b"\x60\x60\xb0\x17"
V52: Final = bytes.fromhex("00000205")
V44: Final = bytes.fromhex("00020404")
MANIFEST: Final = bytes.fromhex("000001ff")
AGENT: Final = "recorded/1"
PYMGCLIENT: Final = """
import mgclient, sys
connection = mgclient.connect(host="127.0.0.1", port=int(sys.argv[1]), client_name="recorded/1")
cursor = connection.cursor()
cursor.execute("CREATE (:Recorded {id: 1})")
connection.commit()
cursor.execute("MATCH (n:Recorded) RETURN n.id")
cursor.fetchall()
connection.rollback()
connection.close()
"""
Handshake = Callable[[socket.socket, socket.socket, list[Piece]], None]
Work = Callable[[neo4j.Session], object]


class Relay:
    """Passes one connection at a time on to `port`, and notes what it saw of the last one that said anything."""

    def __init__(self, port: int, handshake: Handshake | None = None) -> None:
        self.pieces: list[Piece] = []
        self._upstream = port
        self._handshake = handshake
        self._listener = socket.create_server((ADDRESS, free_port()))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection((ADDRESS, self._upstream)) as server:
            if self._handshake:
                self._handshake(client, server, self.pieces)
            back = threading.Thread(target=self._pass, args=(server, client, False))
            back.start()
            self._pass(client, server, True)
            back.join()

    def _pass(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                self.pieces.append(Piece(from_client, data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the other side has closed already

    def close(self) -> None:
        """Wait for the connection's end."""
        self._thread.join(10)
        self._listener.close()


@contextmanager
def _driver(relay: Relay, scheme: str = "bolt") -> Iterator[neo4j.Session]:
    url = f"{scheme}://{ADDRESS}:{relay.port}"
    driver = neo4j.GraphDatabase.driver(url, user_agent=AGENT, max_transaction_retry_time=0)
    with driver, driver.session(fetch_size=4) as session:
        yield session
    relay.close()


def _auto_commit(session: neo4j.Session) -> None:
    session.run("CREATE (:Recorded {id: $id})", id=1).consume()
    session.run("MATCH (n:Recorded) RETURN n.id").single()


def _managed(session: neo4j.Session) -> None:
    def work(tx: neo4j.ManagedTransaction) -> None:
        tx.run("CREATE (:Recorded {id: 2})").consume()
        tx.run("MATCH (n:Recorded) RETURN n.id AS id").value()

    session.execute_write(work)


def _rolled_back(session: neo4j.Session) -> None:
    with session.begin_transaction() as tx:
        tx.run("CREATE (:Recorded {id: 3})").consume()
        tx.rollback()


def _stream(session: neo4j.Session) -> None:
    """Two batches taken, the rest discarded."""
    result = session.run("UNWIND range(1, 12) AS x RETURN x, 'record ' + toString(x) AS text")
    for _ in range(6):
        next(result)
    result.consume()


def _failing(session: neo4j.Session) -> None:
    for query in ("RETURN nonsense", "CREATE (n"):
        with suppress(Neo4jError):
            session.run(query).consume()
    with suppress(Neo4jError):
        session.execute_read(lambda tx: tx.run("RETURN nonsense").consume())


def _forbidden(session: neo4j.Session) -> None:
    with suppress(Neo4jError):
        session.run("CREATE (:Recorded)").consume()


def _only_44(client: socket.socket, server: socket.socket, pieces: list[Piece]) -> None:
    """The driver's proposals, less those above 4.4."""
    client.recv(20, socket.MSG_WAITALL)
    start = MAGIC + V44 + b"\0" * 12
    pieces.append(Piece(True, start))
    server.sendall(start)


def _manifest(client: socket.socket, server: socket.socket, pieces: list[Piece]) -> None:
    """A server that offers 5.2 in a manifest: the mark, one version, no capabilities; the client chooses."""
    pieces.append(Piece(True, client.recv(20, socket.MSG_WAITALL)))
    assert MANIFEST in pieces[-1].data
    pieces.append(Piece(False, MANIFEST + b"\x01" + V52 + b"\0"))
    client.sendall(pieces[-1].data)
    pieces.append(Piece(True, client.recv(5, socket.MSG_WAITALL)))
    assert pieces[-1].data == V52 + b"\0"
    server.sendall(MAGIC + V52 + b"\0" * 12)
    assert server.recv(4, socket.MSG_WAITALL) == V52


CONVERSATIONS: Final[tuple[tuple[str, str, Work, Handshake | None], ...]] = (
    ("5.2-auto-commit", "neo4j for Python, Bolt 5.2: a write and a read, each on its own", _auto_commit, None),
    ("5.2-transaction", "neo4j for Python, Bolt 5.2: a managed transaction", _managed, None),
    ("5.2-rollback", "neo4j for Python, Bolt 5.2: a transaction rolled back", _rolled_back, None),
    ("5.2-stream", "neo4j for Python, Bolt 5.2: records in batches of four, the rest discarded", _stream, None),
    ("5.2-failure", "neo4j for Python, Bolt 5.2: FAILURE, IGNORED and RESET", _failing, None),
    ("4.4-transaction", "neo4j for Python, told to offer only Bolt 4.4: a managed transaction", _managed, _only_44),
    ("manifest", "neo4j for Python, a manifest handshake (made by the relay), then Bolt 5.2", _auto_commit, _manifest),
)


@contextmanager
def _server(directory: Path, *flags: str, replica: bool = False) -> Iterator[Memgraph]:
    server = Memgraph(directory, flags)
    try:
        server.start(born_replica=replica)
        yield server
    finally:
        server.stop()


def _through(server: Memgraph, handshake: Handshake | None, work: Work, scheme: str = "bolt") -> list[Piece]:
    relay = Relay(server.bolt, handshake)
    with _driver(relay, scheme) as session:
        work(session)
    return relay.pieces


def _tls(directory: Path) -> list[Piece]:
    certificate = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(ADDRESS, key_type=trustme.KeyType.ECDSA)
    certificate.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    flags = (f"--bolt-cert-file={directory / 'cert.pem'}", f"--bolt-key-file={directory / 'key.pem'}")
    with _server(directory / "tls", *flags) as server:
        return _through(server, None, lambda session: session.run("RETURN 1").consume(), "bolt+ssc")


def _pymgclient(directory: Path, python: str) -> list[Piece]:
    with _server(directory / "pymgclient") as server:
        relay = Relay(server.bolt)
        subprocess.run([python, "-c", PYMGCLIENT, str(relay.port)], check=True)
        relay.close()
        return relay.pieces


def main(arguments: list[str]) -> None:
    """Record all of them."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for name, about, work, handshake in CONVERSATIONS:
            with _server(directory / name) as server:
                write(name, about, _through(server, handshake, work))
        with _server(directory / "replica", replica=True) as server:
            about = "neo4j for Python, Bolt 5.2: a write on a replica"
            write("5.2-not-the-main", about, _through(server, None, _forbidden))
        write("tls", "neo4j for Python over TLS: ClientHello and what follows", _tls(directory))
        if arguments:
            about = "pymgclient: transactions as queries (BEGIN, COMMIT in a RUN)"
            write("pymgclient", about, _pymgclient(directory, arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
