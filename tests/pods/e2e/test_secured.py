"""With users and TLS: apps log in over plain Bolt on localhost, and what leaves their pod is encrypted and checked."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
import trustme
from plain_client import Object

from e2e.catalogue import published
from e2e.cluster import Cluster
from e2e.database import instances
from e2e.forms import long
from e2e.lane import lane
from e2e.scene import Scene
from sandbox.demo.checker import check

pytestmark = pytest.mark.timeout(1200)
_NAME = "secured"
_CONTROLLER, _APP = ("memgraph-ha", "the controller's own"), ("app", "an app's, with 'quotes' in it")


def _secret(name: str, kind: str, data: dict[str, bytes]) -> Object:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": _NAME}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}


def _secrets() -> list[Object]:
    authority = trustme.CA()
    issued = authority.issue_cert(f"{_NAME}-nodes.{_NAME}.svc")
    users = dict([_CONTROLLER, _APP])
    return [
        _secret("users", "Opaque", {name: password.encode() for name, password in users.items()}),
        _secret("certificate", "kubernetes.io/tls", {
            "tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes(),
            "ca.crt": authority.cert_pem.bytes(),
        }),
    ]  # fmt: skip


@pytest.fixture
def secured(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release of its own, and apps that know a user and its password."""
    login = dict(zip(("MEMGRAPH_USER", "MEMGRAPH_PASSWORD"), _APP, strict=True))
    more = {"users": {"existingSecret": "users"}, "tls": {"existingSecret": "certificate"}}
    folder = tmp_path_factory.mktemp(_NAME)
    with lane(cluster, _NAME, folder, 1, secrets=_secrets(), environment=login, webhook={"replicas": 1}, **more) as it:
        yield it


@long
def test_with_users_and_tls_a_main_is_replaced_and_no_write_is_lost(secured: Scene) -> None:
    """Twice: by a planned switchover, and without a warning."""
    release, first = secured.installation, secured.calm()
    assert "BEGIN CERTIFICATE" in first.tls_ca
    assert first.tls_server_name == f"{_NAME}-nodes.{_NAME}.svc"
    before = first
    for options in ({}, {"gracePeriodSeconds": 0}):
        began = time.time()
        secured.cluster.delete(release.path("pods", before.main_pod), options)
        published(secured, before.epoch)
        before = secured.calm()
        secured.all_write(began)

    histories = {book.uid: book.records for book in secured.ledgers.books()}
    names = [str(pod["metadata"]["name"]) for pod in release.pods("memgraph")]
    with instances(release.namespace, names, _APP, "bolt+ssc") as every:
        main = next(one for one in every if one.pod == before.main_pod)
        report = check(histories, main.ids(0))
    assert report.acked > 0
    assert not report.lost, report.witnesses
    assert report.forbidden == 0
