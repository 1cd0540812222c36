"""What the tests against the real API server share."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest
from envtest.control_plane import ControlPlane, control_plane
from envtest.failure import Unavailable
from plain_client import PlainClient

_numbers = count(1)


def unavailable(reason: Unavailable) -> NoReturn:
    """Skip; in CI, where nothing may be skipped unnoticed, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(reason))
    pytest.skip(str(reason))


@contextmanager
def started(folder: Path, *flags: str, controller_manager: bool = False) -> Iterator[ControlPlane]:
    """A control plane, or the test is skipped."""
    try:
        with control_plane(folder, flags=flags, controller_manager=controller_manager) as cluster:
            yield cluster
    except Unavailable as reason:
        unavailable(reason)


def admin_of(cluster: ControlPlane) -> PlainClient:
    """The administrator's client."""
    return PlainClient(cluster.url, cluster.ca, cluster.token)


def new_namespace(admin: PlainClient, **labels: str) -> str:
    """A namespace with the `default` service account that a controller-manager would make; its name."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    admin.made("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    answer = admin.create(accounts, {"metadata": {"name": "default"}})
    assert answer.code in (201, 409), answer.body
    return name


def account_token(admin: PlainClient, namespace: str, account: str, seconds: int = 3600) -> str:
    """A token of this service account, as the kubelet would ask for it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = admin.made(path, {"spec": {"expirationSeconds": seconds}})
    return str(body["status"]["token"])


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
