"""Certificates on a real API server: a rotation under load, and who owns what of the webhook configuration."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from plain_client import STRATEGIC, Object
from real import AnyCluster
from real_release import Release, installed
from release import APPLY
from webhook_pods import create, injected, sidecars
from webhook_process import CONFIGURATIONS, age_authority, serving

from webhook import certs, trust
from webhook.keeper import HOOKS, SETTLE
from webhook.kube import FIELD_MANAGER


def bundles(release: Release) -> list[bytes]:
    """What the live configuration trusts, by webhook."""
    live = release.admin.get(f"{CONFIGURATIONS}/{release.name}").body
    return [base64.b64decode(entry["clientConfig"].get("caBundle", "")) for entry in live["webhooks"]]


@pytest.mark.timeout(150)
def test_a_rotation_fails_no_admission(release: Release, apps: str) -> None:
    """The authority is found old: a new one is made, believed, waited for and served, with a pod every 100 ms."""
    pause, deadline = threading.Event(), time.monotonic() + SETTLE.seconds + 30
    with serving(release) as webhook:
        injected(release.admin, apps)
        (first,) = {len(trust.read(bundle)) for bundle in bundles(release)}
        before = ssl.get_server_certificate(("127.0.0.1", webhook.port))
        age_authority(release)
        admitted = 0
        while (served := ssl.get_server_certificate(("127.0.0.1", webhook.port))) == before:
            assert time.monotonic() < deadline, "the new authority was never served"
            answer = create(release.admin, apps, dryRun="All")
            assert (answer.code, len(sidecars(answer.body))) == (201, 1)
            admitted += 1
            pause.wait(0.1)
        assert sidecars(create(release.admin, apps, dryRun="All").body)
    assert admitted > 100
    for bundle in bundles(release):
        assert len(trust.read(bundle)) == first + 1, "old and new"
        assert trust.is_trusted(served.encode(), bundle)
        assert trust.is_trusted(before.encode(), bundle)


def test_we_own_the_bundles_and_nothing_else(release: Release, apps: str) -> None:
    with serving(release):
        injected(release.admin, apps)
    fields: list[Object] = release.admin.get(f"{CONFIGURATIONS}/{release.name}").body["metadata"]["managedFields"]
    (ours,) = (entry for entry in fields if entry["manager"] == FIELD_MANAGER)
    assert ours["operation"] == "Apply"
    owned: dict[str, Any] = ours["fieldsV1"]["f:webhooks"]
    assert ours["fieldsV1"].keys() == {"f:webhooks"}
    assert owned.keys() == {f'k:{{"name":"{name}"}}' for name in HOOKS}
    for entry in owned.values():
        assert entry == {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}}


@pytest.mark.parametrize(
    ("content_type", "query"),
    [(APPLY, {"fieldManager": "helm", "force": "true"}), (STRATEGIC, {"fieldManager": "argocd"})],
    ids=["Helm 4 and Argo, server-side", "Helm 3 and Argo, client-side"],
)
def test_a_chart_that_is_applied_again_leaves_the_bundles(
    cluster: AnyCluster, content_type: str, query: dict[str, str]
) -> None:
    """Whoever deploys the chart says nothing of caBundle, so it stays (O-S22)."""
    name = "helm" if content_type == APPLY else "argo"
    release = installed(cluster, name, name)
    (configuration,) = (one for one in release.objects if one["kind"] == "MutatingWebhookConfiguration")
    authority = certs.new_authority(name, datetime.now(UTC)).certificate
    bundle = base64.b64encode(authority).decode()
    entries = [{"name": hook, "clientConfig": {"caBundle": bundle}} for hook in HOOKS]
    ours = {**configuration, "metadata": {"name": name}, "webhooks": entries}
    path = f"{CONFIGURATIONS}/{name}"
    assert release.admin.patch(path, ours, APPLY, fieldManager=FIELD_MANAGER, force="true").code == 200
    for selectors in ({}, {"memgraph-ha.io/team": "a"}):
        changed = {**configuration, "metadata": {**configuration["metadata"], "annotations": selectors}}
        answer = release.admin.patch(path, changed, content_type, **query)
        assert answer.code == 200, answer.body
        assert bundles(release) == [authority, authority]
    assert release.admin.delete(path).code == 200
