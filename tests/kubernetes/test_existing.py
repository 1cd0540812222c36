"""Reading somebody's kubeconfig, and leaving nothing in somebody's cluster."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import existing
import kubeconfig
import pytest
import trustme
import yaml
from api_server import api_server
from plain_client import PlainClient
from real import AnyCluster, admin_of, new_namespace, started
from release import APPLY

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def data(content: bytes) -> str:
    return base64.b64encode(content).decode()


def written(folder: Path, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    """A kubeconfig of two contexts, the second one of which is current."""
    given = {"server": "https://10.0.0.1:6443", "certificate-authority-data": data(b"authority"), **(cluster or {})}
    config = {
        "current-context": "two",
        "contexts": [{"name": "one", "context": {"cluster": "a", "user": "a"}},
                     {"name": "two", "context": {"cluster": "b", "user": "b", "namespace": "x"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://wrong"}}, {"name": "b", "cluster": given}],
        "users": [{"name": "a", "user": {"token": "wrong"}},
                  {"name": "b", "user": {"token": "secret"} if user is None else user}],
    }  # fmt: skip
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_current_context_is_meant(tmp_path: Path) -> None:
    assert kubeconfig.read(written(tmp_path)) == kubeconfig.Access("10.0.0.1", 6443, b"authority", "secret", b"")


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(name)
    user = {"client-certificate": "cert", "client-key": str(tmp_path / "key")}
    cluster = {"certificate-authority-data": "", "certificate-authority": "ca", "server": "https://[::1]/"}
    found = kubeconfig.read(written(tmp_path, cluster, user))
    assert found == kubeconfig.Access("::1", 443, b"ca", "", b"cert\nkey")


def test_a_token_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert kubeconfig.read(written(tmp_path, user={"tokenFile": "token"})).token == "from-file"


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [({}, {"exec": {"command": "aws"}}, "the user's `exec` is not supported by these tests; next: make a service"),
     ({}, {"token": "t", "as": "somebody"}, "the user's `as` is not supported"),
     ({}, {"username": "u", "password": "p"}, "the user's `username` is not supported"),
     ({"insecure-skip-tls-verify": True}, None, "the cluster's `insecure-skip-tls-verify` is not supported"),
     ({"certificate-authority-data": ""}, None, "no certificate-authority; next: add"),
     ({"certificate-authority-data": "!"}, None, "certificate-authority-data is no base64"),
     ({"server": "https://rancher/k8s/clusters/c"}, None, "next: give one of the form https://HOST:PORT"),
     ({"server": "http://10.0.0.1"}, None, "next: give one of the form https://HOST:PORT"),
     ({}, {}, "neither a token nor a client certificate"),
     ({}, {"client-certificate-data": data(b"c")}, "neither a token nor a client certificate"),
     ({}, {"tokenFile": "missing"}, "can't be read .*next: correct its path")],
)  # fmt: skip
def test_what_is_not_supported_is_said(tmp_path: Path, cluster: dict[str, Any], user: Any, message: str) -> None:
    """Never overlooked: the tests would run as somebody else, or elsewhere."""
    with pytest.raises(kubeconfig.Unusable, match=message):
        kubeconfig.read(written(tmp_path, cluster, user))


@pytest.mark.parametrize("content", ["", "- a", "a: [", "{current-context: x}", "{contexts: []}"])
def test_no_kubeconfig(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    with pytest.raises(kubeconfig.Unusable, match="; next: "):
        kubeconfig.read(tmp_path / "config")


def test_a_kubeconfig_alone_is_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most people have one set: for the cluster they work with."""
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    monkeypatch.delenv("USE_EXISTING_CLUSTER", raising=False)
    assert not existing.wanted()
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "yes")
    assert not existing.wanted()
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    assert existing.wanted()


@pytest.mark.parametrize("value", ["", "/a:/b"])
def test_which_cluster_must_be_clear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    monkeypatch.setenv("KUBECONFIG", value)
    with pytest.raises(kubeconfig.Unusable, match="is not one file; next:"), existing.existing(tmp_path):
        pass


def test_a_namespace_that_was_made_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the stand-in, which needs no controller-manager to empty one."""
    with api_server(tmp_path) as path:
        monkeypatch.setenv("KUBECONFIG", str(path))
        (tmp_path / "mine").mkdir()
        with existing.existing(tmp_path / "mine") as cluster:
            mine = new_namespace(cluster.admin)
            theirs = PlainClient(cluster.url, cluster.ca, cluster.admin.token)
            theirs.made("/api/v1/namespaces", {"metadata": {"name": "theirs"}})
            assert cluster.admin.patch("/api/v1/namespaces/theirs", {"metadata": {"labels": {"a": "b"}}}).code == 200
        assert theirs.get("/api/v1/namespaces/theirs").code == 200
        assert theirs.get(f"/api/v1/namespaces/{mine}").code == 404


def test_what_was_made_outside_of_namespaces_is_gone(
    cluster: AnyCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether by creation or by apply; what was there before stays, though we wrote to it."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    roles, theirs = f"{RBAC}/clusterroles", admin_of(cluster)
    theirs.made(roles, {"metadata": {"name": "theirs"}, "rules": []})
    with existing.existing(tmp_path) as own:
        own.admin.made(roles, {"metadata": {"name": "made"}, "rules": []})
        own.admin.made(roles, {"metadata": {"name": "tried"}, "rules": []}, dryRun="All")
        for name, code in (("applied", 201), ("theirs", 200)):
            body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
            answer = own.admin.patch(f"{roles}/{name}", body, APPLY, fieldManager="test")
            assert answer.code == code, answer.body
        assert own.admin.made_paths == [f"{roles}/made", f"{roles}/applied"]
        with pytest.raises(pytest.skip.Exception, match="clusterroles/theirs, which is in use"):
            own.needs_free([f"{roles}/nobody", f"{roles}/theirs"])
    assert [theirs.get(f"{roles}/{name}").code for name in ("made", "applied", "theirs")] == [404, 404, 200]
    theirs.delete(f"{roles}/theirs")


def test_what_only_a_control_plane_of_our_own_can_do_skips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also in CI: who asks for an existing cluster has chosen it."""
    monkeypatch.setenv("CI", "true")
    cluster = existing.Existing(tmp_path, kubeconfig.Access("::1", 443, b"", "token", b""))
    assert cluster.url == "https://[::1]:443"
    acts: list[Callable[[], object]] = [
        cluster.compact, cluster.audited, cluster.stop_api_server, cluster.start_api_server,
        lambda: cluster.process("kube-apiserver"), lambda: cluster.port,
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(pytest.skip.Exception, match="which an existing cluster does not give; next:"):
            act()
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    with pytest.raises(pytest.skip.Exception, match="a control plane of its own"), started(tmp_path):
        pass


def test_a_client_certificate_opens(tmp_path: Path) -> None:
    """As kind and kubeadm write them into their kubeconfigs; on disk it is its owner's only."""
    authority = trustme.CA()
    one = authority.issue_cert("somebody.example", common_name="somebody", organization_name="system:masters")
    authority.cert_pem.write_to_path(tmp_path / "clients.crt")
    user = {"client-certificate-data": data(one.cert_chain_pems[0].bytes()),
            "client-key-data": data(one.private_key_pem.bytes())}  # fmt: skip
    for name in ("control-plane", "existing"):
        (tmp_path / name).mkdir()
    with started(tmp_path / "control-plane", f"--client-ca-file={tmp_path / 'clients.crt'}") as cluster:
        place = {"server": cluster.url, "certificate-authority-data": data(cluster.ca.read_bytes())}
        found = existing.Existing(tmp_path / "existing", kubeconfig.read(written(tmp_path, place, user)))
        review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
        me = found.admin.made("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        assert me["status"]["userInfo"]["username"] == "somebody"
        assert found.version == cluster.version
    assert found.admin.certificate is not None
    assert found.admin.certificate.stat().st_mode & 0o777 == 0o600
