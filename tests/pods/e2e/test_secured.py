"""With users and TLS: apps log in over plain Bolt on localhost, and what leaves their pod is encrypted and checked."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trustme
from plain_client import Object

from e2e.catalogue import published
from e2e.cluster import Cluster, alive, apply, condition
from e2e.database import instances
from e2e.forms import long
from e2e.installation import describe
from e2e.lane import lane
from e2e.scene import Scene
from e2e.waiting import until
from sandbox.demo.checker import check
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1200)
_NAME = "secured"
_TLS = {"existingSecret": "certificate"}
_BELIEVED_S = 180.0
"""The kubelet looks at a Secret once a minute, and then the controller at its file."""
_STARTS_S = 180.0
_CONTROLLER, _APP = ("memgraph-ha", "the controller's own"), ("app", "an app's, with 'quotes' in it")


def _secret(name: str, kind: str, data: dict[str, bytes]) -> Object:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": _NAME}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}


def _certificate(signer: trustme.CA, believed: Sequence[trustme.CA]) -> Object:
    """For every instance, signed by one authority; whoever connects believes these."""
    issued = signer.issue_cert(f"{_NAME}-nodes.{_NAME}.svc")
    return _secret("certificate", "kubernetes.io/tls", {
        "tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes(),
        "ca.crt": b"".join(one.cert_pem.bytes() for one in believed),
    })  # fmt: skip


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The first."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(cluster: Cluster, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release of its own, and apps that know a user and its password."""
    login = dict(zip(("MEMGRAPH_USER", "MEMGRAPH_PASSWORD"), _APP, strict=True))
    users = {name: password.encode() for name, password in (_CONTROLLER, _APP)}
    secrets = [_secret("users", "Opaque", users), _certificate(authority, [authority])]
    more: dict[str, Any] = {"users": {"existingSecret": "users"}, "tls": _TLS, "webhook": {"replicas": 1}}
    folder = tmp_path_factory.mktemp(_NAME)
    with lane(cluster, _NAME, folder, 1, secrets=secrets, environment=login, **more) as it:
        yield it


def _nothing_lost(scene: Scene, scheme: str = "bolt+ssc") -> None:
    """Every write that was ever acknowledged is on the main."""
    document = scene.calm()
    scene.all_write(time.time())
    histories = {book.uid: book.records for book in scene.ledgers.books()}
    with instances(scene.installation.namespace, [document.main_pod], _APP, scheme) as (main,):
        report = check(histories, main.ids(0))
    assert report.acked > 0
    assert not report.lost, report.witnesses
    assert report.forbidden == 0


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
    _nothing_lost(secured)


@long
def test_a_new_authority_takes_over_under_load(secured: Scene, authority: trustme.CA) -> None:
    """As installation.md says: believe both, then the certificates, then believe the new one alone."""
    release, successor = secured.installation, trustme.CA()
    old, new = (one.cert_pem.bytes().decode().strip() for one in (authority, successor))

    def believed(*, also_old: bool) -> None:
        def other() -> str:
            found = release.document().tls_ca
            return "" if new in found and (old in found) is also_old else f"{found.count('BEGIN')} certificates"

        until(other, _BELIEVED_S, "the document has the new authority")

    apply([_certificate(authority, [authority, successor])])
    believed(also_old=True)
    apply([_certificate(successor, [authority, successor])])
    release.roll_out(f"statefulset/{release.name}", 400)
    secured.calm()
    apply([_certificate(successor, [successor])])
    believed(also_old=False)
    began = time.time()
    release.ask("switchover")
    secured.all_write(began)
    _nothing_lost(secured)


@long
def test_tls_is_turned_off_and_on_again_by_a_full_stop(secured: Scene) -> None:
    """Instances with and without it have no controller in common: the way of installation.md."""
    release = secured.installation
    for tls, scheme in (({}, "bolt"), (_TLS, "bolt+ssc")):
        secured.calm()
        release.ask("pause", "--why", "TLS")
        release.upgrade({**secured.values, "tls": tls}, wait=False)
        release.kubectl("delete", "pods", "-l", f"{names.COMPONENT_LABEL}=memgraph")
        until(lambda: _running(release.pods("memgraph")), _STARTS_S, "three instances run")
        release.ask("resume")
        _nothing_lost(secured, scheme)
        assert bool(release.document().tls_ca) is bool(tls)


def _running(pods: Sequence[Object]) -> str:
    """What is still missing."""
    there = [pod for pod in pods if alive(pod) and condition(pod, "ContainersReady") == "True"]
    return "" if len(there) == 3 else describe(pods)
