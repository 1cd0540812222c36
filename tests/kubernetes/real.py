"""What the tests against the real API server share."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NoReturn

import existing
import pytest
from envtest import binaries, versions
from envtest.control_plane import ControlPlane, control_plane
from envtest.failure import Unavailable
from existing import Existing
from plain_client import PlainClient

AnyCluster = ControlPlane | Existing
_numbers = count(1)
_run = secrets.token_hex(4)
"""Names are of one run: a cluster that exists may see several, from several machines."""


def unavailable(reason: Unavailable) -> NoReturn:
    """Skip; in CI, where nothing may be skipped unnoticed, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(reason))
    pytest.skip(str(reason))


def client_program(name: str) -> Path:
    """helm, helm3 or kubectl, or the test is skipped."""
    try:
        return binaries.find(name, versions.wanted())
    except Unavailable as reason:
        unavailable(reason)


@contextmanager
def started(folder: Path, *flags: str, controller_manager: bool = False) -> Iterator[ControlPlane]:
    """A control plane of the test's own, or the test is skipped."""
    if existing.wanted():
        existing.skip_without_own("a control plane of its own")
    try:
        with control_plane(folder, flags=flags, controller_manager=controller_manager) as cluster:
            yield cluster
    except Unavailable as reason:
        unavailable(reason)


@contextmanager
def shared(folder: Path) -> Iterator[AnyCluster]:
    """The cluster that exists, if the tests may use it; else a control plane of their own."""
    with existing.existing(folder) if existing.wanted() else started(folder) as cluster:
        yield cluster


def needs_own(what: str) -> pytest.MarkDecorator:
    """A test that would be wrong before it came to ask an existing cluster for `what`: it is not begun there."""
    return pytest.mark.needs_own(what)


def admin_of(cluster: AnyCluster) -> PlainClient:
    """The administrator's client."""
    if isinstance(cluster, Existing):
        return cluster.admin
    return PlainClient(cluster.url, cluster.ca, cluster.token)


def new_namespace(admin: PlainClient, **labels: str) -> str:
    """A namespace with the `default` service account that a controller-manager would make; its name."""
    name = f"test-{_run}-{next(_numbers)}"
    admin.made("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    make_default_account(admin, name)
    if isinstance(admin, existing.TrackingClient):
        existing.wait_until_furnished(admin, name)
    return name


def make_default_account(admin: PlainClient, namespace: str) -> None:
    """As a controller-manager does, if there is one."""
    answer = admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    assert answer.code in (201, 409), answer.body


def account_token(admin: PlainClient, namespace: str, account: str, seconds: int = 3600) -> str:
    """A token of this service account, as the kubelet would ask for it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = admin.made(path, {"spec": {"expirationSeconds": seconds}})
    return str(body["status"]["token"])
