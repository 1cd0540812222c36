"""The simulated server as a program: start, stop, refusals, users, bytes on the wire."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import neo4j
import pytest
from memgraph_process import ADDRESS, Memgraph, eventually, memgraphs
from neo4j.exceptions import ClientError, ServiceUnavailable, TransientError
from ports import free_port

from sandbox.memgraph.core import errors


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox.memgraph", *arguments], capture_output=True, text=True, timeout=20, check=False
    )


def test_help_and_version() -> None:
    assert "--init-file" in run("--help").stdout
    assert run("--version").stdout == "3.12.0\n"
    assert run("--version", "--compat=3.6").stdout == "3.6.0\n"


def test_the_environment_may_name_a_flag_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memgraph.conf"
    path.write_text("--compat=3.9\n")
    monkeypatch.setenv("MEMGRAPH_CONFIG", str(path))
    assert run("--version").stdout == "3.9.0\n"
    assert run("--version", "--compat=3.6").stdout == "3.6.0\n"


def test_bad_flags_exit_one_with_one_line() -> None:
    for argument in ("--management-port=10000", "--bolt-port=x", "--bolt-prot=1", "--init-file=/nowhere/init"):
        result = run(argument)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert argument.removeprefix("--").partition("=")[0] in result.stderr


@pytest.mark.parametrize("flag", ["bolt-port", "sim-admin-port"])
def test_taken_port_is_one_clear_error(tmp_path: Path, flag: str) -> None:
    with socket.create_server((ADDRESS, 0)) as other:
        ports = {"bolt-port": free_port(), "sim-admin-port": free_port(), flag: other.getsockname()[1]}
        flags = [f"--{name}={port}" for name, port in ports.items()]
        result = run(f"--bolt-address={ADDRESS}", f"--data-directory={tmp_path}", *flags)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"memgraph: can't listen on {ADDRESS}:{ports[flag]}")
    assert f"--{flag}" in result.stderr


def test_data_directory_in_use(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,):
        result = run(f"--data-directory={instance.directory / 'data'}", f"--bolt-port={free_port()}")
        assert result.returncode == 1
        assert "is in use by another process: stop that one or choose another --data-directory" in result.stderr


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--data-directory=/proc/none/such", "the data directory /proc/none/such can't be used (No such file"),
        ("--bolt-address=256.1.1.1", "--bolt-address 256.1.1.1 is no address of this machine"),
    ],
)
def test_unusable_place_is_named(tmp_path: Path, flag: str, words: str) -> None:
    result = run(f"--data-directory={tmp_path / 'data'}", f"--bolt-port={free_port()}", flag)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"memgraph: {words}")


def test_ready_tells_where_to_connect(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,):
        ready = (instance.directory / "log").read_text().splitlines()[-1]
        assert json.loads(ready)["connect"] == f"bolt://{ADDRESS}:{instance.bolt}"


def test_transaction_timeout_runs_with_the_clock(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, born_replica=False) as (instance,):
        assert instance.driver is not None
        with instance.driver.session() as session:
            transaction = session.begin_transaction(timeout=0.1)

            def query() -> str:
                try:
                    transaction.run("RETURN 1").consume()
                except TransientError as error:
                    return error.message or ""
                return ""

            assert eventually(query) == errors.TIMED_OUT
            transaction.close()
            assert instance.query("RETURN 1") == [[1]]


def test_passwords_never_reach_the_log(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, "--log-level=DEBUG", born_replica=False) as (instance,):
        with pytest.raises(ClientError):
            instance.query("CREATE USER ann IDENTIFIED AS 'topsecret'")
        instance.query("CREATE USER ann IDENTIFIED BY 'topsecret'")
        log = (instance.directory / "log").read_text()
    assert log.count("it may hold a password") == 3
    assert "topsecret" not in log


def test_knobs_from_the_shell(tmp_path: Path) -> None:
    def give(address: str, command: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-m", "sandbox.memgraph.admin", address, command]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)

    with memgraphs(tmp_path, 1) as (instance,):
        address = f"{ADDRESS}:{instance.admin_port}"
        shown = give(address, '{"show": "state"}')
        assert (shown.returncode, json.loads(shown.stdout)["role"]) == (0, "replica")
        assert give(address, '{"show": "more"}').returncode == 1
        assert "usage: " in give(address, "state").stderr
    gone = give(address, '{"show": "state"}')
    assert (gone.returncode, gone.stdout) == (2, "")
    assert f"start the instance with --sim-admin-port={instance.admin_port}" in gone.stderr


def test_a_client_that_is_cut_off_is_heard_late(tmp_path: Path) -> None:
    """Nothing is refused; others are served; what was sent meanwhile is executed when the network is back."""
    with memgraphs(tmp_path, 1, born_replica=False) as (instance,):
        instance.admin(knob="client", name="far-away", state="blackhole")
        uri = f"bolt://{ADDRESS}:{instance.bolt}"
        with (
            neo4j.GraphDatabase.driver(uri, user_agent="far-away/1") as driver,
            driver.session() as session,
            ThreadPoolExecutor() as pool,
        ):
            late = pool.submit(lambda: session.run("CREATE (:T {id: 1})").consume())
            instance.query("CREATE (:T {id: 2})")
            with pytest.raises(TimeoutError):
                late.result(0.3)
            assert instance.ids() == [2]
            instance.admin(knob="client", name="far-away", state="ok")
            late.result(10)
        assert instance.ids() == [1, 2]
        refused = instance.admin(knob="client", name="far-away", state="delay")
        assert refused == {"ok": False, "error": "state is 'delay': use one of ok, blackhole"}


def test_starts_and_stops_quickly(tmp_path: Path) -> None:
    instance = Memgraph(tmp_path / "m", ("--telemetry-enabled=true",))
    begin = time.monotonic()
    instance.start()
    started = time.monotonic() - begin
    instance.query("RETURN 1")
    begin = time.monotonic()
    assert instance.stop(signal.SIGTERM) == 0
    stopped = time.monotonic() - begin
    assert started < 3, "0.2 s on an idle machine"
    assert stopped < 0.5
    assert '"FlagIgnored", "flag": "--telemetry-enabled"' in (instance.directory / "log").read_text()


def test_init_file_users_make_a_password_required(tmp_path: Path) -> None:
    init = tmp_path / "users"
    init.write_text("// comment\nCREATE USER ann IDENTIFIED BY 'secret';\nNONSENSE;\n")
    instance = Memgraph(tmp_path / "m", (f"--init-file={init}",))
    try:
        instance.start(born_replica=False)
        uri = f"bolt://{ADDRESS}:{instance.bolt}"
        with neo4j.GraphDatabase.driver(uri, auth=("ann", "wrong")) as driver, pytest.raises(ClientError) as caught:
            driver.verify_connectivity()
        assert (caught.value.code, caught.value.message) == (errors.UNAUTHENTICATED, errors.AUTHENTICATION_FAILURE)
        with neo4j.GraphDatabase.driver(uri, auth=("ann", "secret")) as driver:
            driver.verify_connectivity()
        log = (instance.directory / "log").read_text()
        assert "InitFileQueryFailed" in log
        assert "secret" not in log
    finally:
        instance.stop()


def test_routing_driver_is_told_that_there_is_no_cluster(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,):
        uri = f"neo4j://{ADDRESS}:{instance.bolt}"
        with (
            neo4j.GraphDatabase.driver(uri) as driver,
            pytest.raises((ServiceUnavailable, TransientError)),
        ):
            driver.verify_connectivity()


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


def test_handshake_byte_by_byte(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,), socket.create_connection((ADDRESS, instance.bolt)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in bytes.fromhex("6060b017" + "000001ff" + "00030305" + "00" * 8):
            client.send(bytes((byte,)))
        assert receive(client, 4) == b"\x00\x00\x02\x05"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
        bytes.fromhex("6060b017" + "00000003" + "00" * 12),
        b"\x60\x60\xb0\x18" + bytes(16),
    ],
)
def test_wrong_handshake_gets_a_failure_and_a_close(tmp_path: Path, data: bytes) -> None:
    with memgraphs(tmp_path, 1) as (instance,), socket.create_connection((ADDRESS, instance.bolt)) as client:
        client.sendall(data)
        answer = receive(client, 10_000)
        assert '"HandshakeFailed"' in (instance.directory / "log").read_text()
        assert b"Memgraph.ExecutionException" in answer


def test_protocol_error_closes_after_a_failure(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,), socket.create_connection((ADDRESS, instance.bolt)) as client:
        client.sendall(bytes.fromhex("6060b017" + "00000205" + "00" * 12) + bytes.fromhex("0002b1540000"))
        assert receive(client, 4) == b"\x00\x00\x02\x05"
        assert b"Memgraph.ExecutionException" in receive(client, 10_000)


def test_malformed_replication_traffic_harms_nobody(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1) as (instance,):
        for data in (b"\xff" * 8, b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x01[", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection((ADDRESS, instance.replication)) as client:
                client.sendall(data)
                if data[0] != ord("G"):
                    try:
                        assert receive(client, 1) == b""
                    except ConnectionResetError:
                        continue
        assert eventually(lambda: instance.query("RETURN 1") == [[1]])


def test_what_was_acknowledged_survives_a_kill_right_after_it(tmp_path: Path) -> None:
    """Only the data directory has it. Ten times, for the kill meets the writing of it only now and then."""
    with memgraphs(tmp_path, 1, born_replica=False) as (instance,):
        for number in range(10):
            if number % 2:
                instance.query("SET REPLICATION ROLE TO MAIN")
            else:
                instance.query("CREATE (:T {id: $id})", id=number)
                instance.stop()
                instance.start(born_replica=False)
                assert instance.ids() == list(range(0, number + 1, 2))
                instance.query(f"SET REPLICATION ROLE TO REPLICA WITH PORT {instance.replication}")
            instance.stop()
            instance.start(born_replica=False)
            assert instance.query("SHOW REPLICATION ROLE") == [["main" if number % 2 else "replica"]]
