"""Helm 3 and Helm 4 as a person runs them: install, upgrade, rollback, uninstall; and a tool that applies again.

There is no kubelet, so no pod becomes ready and nothing here says `--wait`: tests/pods does, on real pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from envtest.control_plane import ControlPlane
from helm import Tool, objects_in, templated, tool, values_file
from managed import becomes, cluster_wide, components, everything, pods
from plain_client import Object, PlainClient
from real import admin_of
from real_release import Release
from release import CHART, RESTRICTED
from webhook_process import CONFIGURATIONS, running

from memgraph_ha.core.checks.facts import Stateful
from memgraph_ha.core.checks.stateful import shortcomings

pytestmark = pytest.mark.timeout(240)
TRIED: Object = {
    "memgraph": {"replicas": 2}, "webhook": {"replicas": 1}, "cluster": {"default": False},
    "extraLabels": {"team": "a"},
}  # fmt: skip
WANTED: Object = {
    **TRIED, "memgraph": {"replicas": 3, "podAnnotations": {"note": "new"}},
    "webhook": {"replicas": 2, "annotations": {"note": "new"}},
}  # fmt: skip
AT_FIRST, AFTERWARDS = (
    {"controller": 2, "webhook": 1, "memgraph": 2},
    {"controller": 2, "webhook": 2, "memgraph": 3},
)
PAGE = Path(__file__).parents[3] / "docs" / "installation.md"
BEFORE = {"serviceaccounts/default", "configmaps/kube-root-ca.crt"}


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace for one release of the same name, under the restricted standard."""

    cluster: ControlPlane
    admin: PlainClient
    name: str

    @property
    def configuration(self) -> str:
        return f"{CONFIGURATIONS}/{self.name}"

    def bundles(self) -> list[str | None]:
        hooks = self.admin.get(self.configuration).body["webhooks"]
        return [hook["clientConfig"].get("caBundle") for hook in hooks]

    def version(self) -> str:
        """Of now, for `states_since`."""
        return self.admin.get(CONFIGURATIONS).version

    def states_since(self, version: str) -> list[list[str | None]]:
        """The caBundles of every state that the configuration has had since: etcd keeps them all for some minutes."""
        query = {"resourceVersion": version, "fieldSelector": f"metadata.name={self.name}", "timeoutSeconds": "1"}
        with self.admin.watch(CONFIGURATIONS, **query) as watch:
            found = [event["object"]["webhooks"] for event in watch.rest()]
        return [[hook["clientConfig"].get("caBundle") for hook in hooks] for hooks in found]

    @contextmanager
    def webhook(self) -> Iterator[str]:
        """The release's own program with its own account: it puts the caBundle in place, which is given."""
        with running(Release(self.cluster, self.admin, self.name, self.name, [])):
            bundle, same = self.bundles()
            assert bundle is not None
            assert bundle == same
            yield bundle


@pytest.fixture
def place(managed: ControlPlane, request: pytest.FixtureRequest) -> Place:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")[-40:].lstrip("-0123456789")
    admin = admin_of(managed)
    admin.made("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    becomes(BEFORE, 30, lambda: everything(admin, name))
    return Place(managed, admin, name)


@pytest.fixture
def kubectl(managed: ControlPlane, tmp_path: Path) -> Tool:
    return tool("kubectl", tmp_path, managed.kubeconfig)


@pytest.mark.parametrize(("first", "then"), [("helm3", "helm3"), ("helm", "helm"), ("helm3", "helm")])
def test_installed_upgraded_rolled_back_and_removed(
    place: Place, kubectl: Tool, tmp_path: Path, first: str, then: str
) -> None:
    """Also what Helm 3 installed and Helm 4 goes on with. The caBundle and the document live through all of it."""
    install, helm = (tool(name, tmp_path, place.cluster.kubeconfig) for name in (first, then))
    admin, name = place.admin, place.name
    said = install("install", name, CHART, "-n", name, "-f", values_file(tmp_path, TRIED))
    assert next_commands(said) == ["kubectl", "kubectl", "memgraph-ha"]
    becomes(AT_FIRST, 60, lambda: components(admin, name))
    core = f"/api/v1/namespaces/{name}"
    state = admin.made(f"{core}/configmaps", {"metadata": {"name": f"{name}-state"}, "data": {"epoch": "1"}})
    with place.webhook() as bundle:
        version = place.version()
        helm("upgrade", name, CHART, "-n", name, "-f", values_file(tmp_path, WANTED))
        becomes(AFTERWARDS, 60, lambda: components(admin, name))
        assert place.bundles() == [bundle, bundle]
        helm("rollback", name, "1", "-n", name)
        becomes(AT_FIRST, 60, lambda: components(admin, name))
        becomes([None], 60, lambda: [pod["metadata"].get("annotations") for pod in memgraphs(admin, name)[:1]])
        states = place.states_since(version)
        assert len(states) >= 2, "an annotation of the configuration came and went"
        assert states == [[bundle, bundle]] * len(states)
    assert admin.get(f"{core}/configmaps/{name}-state").body == state, "the document is no part of a release"
    assert helm("history", name, "-n", name).count("deployed") == 1
    helm("uninstall", name, "-n", name)
    assert cluster_wide(admin, name) == set()
    claims = {f"persistentvolumeclaims/data-{name}-{ordinal}" for ordinal in range(3)}
    # What the controller would have made, too, were there a kubelet to run it.
    for what in ("requests", "reseed"):
        admin.made(f"{core}/configmaps", {"metadata": {"name": f"{name}-{what}"}})
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases"
    admin.made(leases, {"metadata": {"name": f"{name}-controller"}})
    left = {f"configmaps/{name}-{what}" for what in ("state", "requests", "reseed")}
    left |= {f"secrets/{name}-webhook-ca", f"leases/{name}-controller"}
    becomes(claims | left, 30, lambda: everything(admin, name) - BEFORE)
    for command in purge_commands(name):
        kubectl(*command)
    becomes(set(), 30, lambda: everything(admin, name) - BEFORE)


def test_a_second_release_of_the_same_name_is_refused(place: Place, tmp_path: Path) -> None:
    """The names of what is cluster-wide are the release's: neither program overwrites another release's."""
    admin, other = place.admin, f"{place.name}-2"
    admin.made("/api/v1/namespaces", {"metadata": {"name": other}})
    for program in ("helm", "helm3"):
        helm = tool(program, tmp_path, place.cluster.kubeconfig)
        if program == "helm":
            helm("install", place.name, CHART, "-n", place.name)
        ended = helm.run("install", place.name, CHART, "-n", other)
        assert ended.returncode != 0
        assert "cannot be imported into the current release" in ended.stderr
        assert place.name in ended.stderr


@pytest.mark.parametrize("began", ["helm", "argocd"])
def test_a_tool_that_applies_again_and_again_leaves_the_ca_bundle(
    place: Place, kubectl: Tool, tmp_path: Path, began: str
) -> None:
    """As Argo CD does it with server-side apply, for a release of its own and for one that Helm began."""
    helm = tool("helm", tmp_path, place.cluster.kubeconfig)
    manifests = tmp_path / "rendered.yaml"
    manifests.write_text(templated(helm, place.name, place.name, {}))
    apply = ("apply", "--server-side", "--field-manager=argocd-controller", "--force-conflicts", "-f", manifests)
    if began == "helm":
        helm("install", place.name, CHART, "-n", place.name)
    else:
        kubectl(*apply)
    with place.webhook() as bundle:
        version = place.version()
        for _ in range(2):
            kubectl(*apply)
        assert place.bundles() == [bundle, bundle]
        states = place.states_since(version)
        # The first application to what Helm made is a change: of who owns the fields.
        assert states == [[bundle, bundle]] * (1 if began == "helm" else 0)
        kubectl("replace", "-f", values_file(tmp_path, configuration_in(manifests.read_text())))
        assert place.bundles() == [None, None], "who replaces instead of applying does take it away"
        becomes([bundle, bundle], 10, place.bundles)
    diff = kubectl.run(
        "diff", "--server-side", "--field-manager=argocd-controller", "--force-conflicts", "-f", manifests
    )
    assert (diff.returncode, diff.stdout) == (0, ""), "a third time would change nothing"


def configuration_in(rendered: str) -> Object:
    """The webhook configuration, which the chart never gives a caBundle."""
    (found,) = (each for each in objects_in(rendered) if each["kind"] == "MutatingWebhookConfiguration")
    assert all("caBundle" not in hook["clientConfig"] for hook in found["webhooks"])
    return found


def test_an_existing_stateful_set_is_adopted_and_made_anew(place: Place, kubectl: Tool, tmp_path: Path) -> None:
    """docs/installation.md's way: podManagementPolicy can't be changed in place, so the StatefulSet is made anew."""
    admin, name = place.admin, place.name
    text = (CHART / "examples" / "existing-statefulset.yaml").read_text().replace("memgraph-ha", name)
    wanted = tmp_path / "wanted.yaml"
    wanted.write_text(text.replace(f"{name}.io", "memgraph-ha.io"))
    service, whole = objects_in(wanted.read_text())
    bare = tmp_path / "bare.yaml"
    bare.write_text(yaml.safe_dump_all([service, stripped(whole)]))
    kubectl("apply", "-f", bare)
    values = {"memgraph": {"existing": {"statefulSet": "memgraph", "service": "memgraph-nodes"}}}
    helm = tool("helm", tmp_path, place.cluster.kubeconfig)
    said = helm("install", name, CHART, "-n", name, "-f", values_file(tmp_path, values))
    assert "your StatefulSet memgraph" in said
    path = f"/apis/apps/v1/namespaces/{name}/statefulsets"
    assert [item["metadata"]["name"] for item in admin.get(path).body["items"]] == ["memgraph"]
    assert len(lacks(admin, path)) > 5
    kubectl("-n", name, "delete", "statefulset", "memgraph", "--cascade=orphan")
    kubectl("apply", "-f", wanted)
    assert lacks(admin, path) == []


def stripped(whole: Object) -> Object:
    """As somebody has it who knew nothing of failover."""
    spec = whole["spec"]["template"]["spec"]
    container = {key: spec["containers"][0][key] for key in ("name", "image", "volumeMounts")}
    container["volumeMounts"] = container["volumeMounts"][:1]
    bare = {"containers": [container], "securityContext": spec["securityContext"]}
    template = {"metadata": {"labels": {"app": "memgraph"}}, "spec": bare}
    return {**whole, "spec": {**whole["spec"], "podManagementPolicy": "OrderedReady", "template": template}}


def lacks(admin: PlainClient, path: str) -> list[str]:
    """What doctor says of it as the API server has it."""
    found = admin.get(f"{path}/memgraph").body
    service = admin.get(f"/api/v1/namespaces/{found['metadata']['namespace']}/services/memgraph-nodes").body
    known = Stateful("memgraph", "memgraph-nodes", found, service, "reseed", "1")
    return [message for _, message in shortcomings(known)]


def next_commands(said: str) -> list[str]:
    """The programs of the commands after each number of the notes' last part."""
    lines = said.partition("\nNext:\n")[2].splitlines()
    numbered = [index for index, line in enumerate(lines) if re.match(r"\d\. ", line)]
    return [lines[index + 1].split()[0] for index in numbered]


def memgraphs(admin: PlainClient, namespace: str) -> list[Object]:
    """Memgraph's pods, the highest ordinal first: the first that a roll-out replaces."""
    found = pods(admin, namespace)
    return [found[name] for name in sorted(found, reverse=True) if re.fullmatch(rf"{namespace}-\d+", name)]


def purge_commands(release: str) -> list[list[str]]:
    """Those of docs/installation.md, for this release."""
    text = PAGE.read_text().partition("<!-- purge:begin -->")[2].partition("<!-- purge:end -->")[0]
    lines = text.replace("\\\n", " ").splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("    kubectl ")]
    assert commands
    return [[re.sub(r"memgraph-ha(?!\.io)", release, word) for word in one] for one in commands]
