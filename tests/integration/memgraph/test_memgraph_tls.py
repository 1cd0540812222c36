"""Bolt over TLS (M-4.3): a certificate and a key make the port speak nothing else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from memgraph_process import ADDRESS, Memgraph, memgraphs
from ports import free_port

from sandbox.memgraph.flags import BadFlag
from sandbox.memgraph.tls import bolt_context

ASK = """
import sys, neo4j
with neo4j.GraphDatabase.driver(sys.argv[1]) as driver, driver.session() as session:
    print(session.run("RETURN 42 AS x").single()["x"])
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cert.pem, key.pem, and the ca.pem that signed it."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert(ADDRESS)
    certificate.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    return directory


@pytest.fixture
def instance(files: Path, tmp_path: Path) -> Iterator[Memgraph]:
    flags = (f"--bolt-cert-file={files / 'cert.pem'}", f"--bolt-key-file={files / 'key.pem'}")
    with memgraphs(tmp_path, 1, *flags, born_replica=False) as (running,):
        yield running


def ask(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One query in a process of its own: the system's certificates are chosen by its environment."""
    return subprocess.run(
        [sys.executable, "-c", ASK, url],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_certificate_is_used_and_may_be_checked(files: Path, instance: Memgraph) -> None:
    self_signed, checked = (f"{scheme}://{ADDRESS}:{instance.bolt}" for scheme in ("bolt+ssc", "bolt+s"))
    assert ask(self_signed).stdout == "42\n"
    assert ask(checked, SSL_CERT_FILE=str(files / "ca.pem")).stdout == "42\n"
    refused = ask(checked)
    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr


def test_plain_tcp_is_refused_and_the_server_goes_on(instance: Memgraph) -> None:
    with (
        neo4j.GraphDatabase.driver(f"bolt://{ADDRESS}:{instance.bolt}") as plain,
        pytest.raises(neo4j.exceptions.ServiceUnavailable),
    ):
        plain.verify_connectivity()
    with socket.create_connection((ADDRESS, instance.bolt)) as client:
        client.sendall(bytes.fromhex("6060b01700000404") + bytes(12))
        assert client.recv(100) == b"", "no handshake, no failure in plain text"
    assert ask(f"bolt+ssc://{ADDRESS}:{instance.bolt}").stdout == "42\n"
    assert instance.stop(signal.SIGTERM) == 0
    log = (instance.directory / "log").read_text()
    assert '"by": "goodbye"' in log
    assert '"level": "error"' not in log
    assert '"level": "warning"' not in log


def test_connection_that_ends_without_goodbye_is_no_warning(instance: Memgraph) -> None:
    driver = neo4j.GraphDatabase.driver(f"bolt+ssc://{ADDRESS}:{instance.bolt}")
    driver.verify_connectivity()
    assert instance.stop(signal.SIGTERM) == 0
    driver.close()
    assert '"level": "warning"' not in (instance.directory / "log").read_text()


def test_what_is_wrong_with_the_files_is_said(files: Path, tmp_path: Path) -> None:
    certificate, key = files / "cert.pem", files / "key.pem"
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert(ADDRESS).private_key_pem.write_to_path(str(other))
    (tmp_path / "text").write_text("no certificate")
    locked = tmp_path / "locked.pem"
    secret = serialization.BestAvailableEncryption(b"secret")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(private.private_bytes(*pem, secret))
    for pair, words in (
        ((certificate, None), "add --bolt-key-file"),
        ((None, key), "add --bolt-cert-file"),
        ((tmp_path / "absent", key), "--bolt-cert-file .*absent can't be read: No such file"),
        ((certificate, tmp_path), "--bolt-key-file .* can't be read: Is a directory"),
        ((certificate, locked), "its own unencrypted PEM key"),
        ((certificate, other), "don't work together"),
        ((tmp_path / "text", key), "don't work together"),
    ):
        with pytest.raises(BadFlag, match=words):
            bolt_context(*pair)
    assert bolt_context(None, None) is None


def test_process_refuses_half_a_pair(files: Path, tmp_path: Path) -> None:
    flags = (f"--bolt-cert-file={files / 'cert.pem'}", f"--bolt-port={free_port()}", f"--data-directory={tmp_path}")
    result = subprocess.run(
        [sys.executable, "-m", "sandbox.memgraph", *flags],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert "add --bolt-key-file" in result.stderr
