"""A person's token with the chart's Roles for people: the command works, and no right is left over."""

from __future__ import annotations

import anyio
import pytest
from real import account_token, make_default_account, needs_own
from real_release import Release
from release import rights, used

from controller.core.actions import AnswerRequest
from controller.core.requests import RequestAnswer
from controller.kube.client import connect
from controller.kube.requests import RequestStore
from memgraph_ha.cli import main
from sidecar.contract import names

pytestmark = pytest.mark.anyio
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


async def type_resume(release: Release) -> int:
    """As the service account `default`: somebody whom the chart knows nothing of."""
    token = account_token(release.admin, release.namespace, "default")
    path = release.cluster.kubeconfig_for(token, f"{release.namespace}-person", "")
    words = ["resume", "--kubeconfig", str(path), "-n", release.namespace, "--release", release.name, "--timeout", "20"]
    return await anyio.to_thread.run_sync(main, words)


@needs_own("the API server's audit log")
async def test_a_person_with_the_role_can_ask_and_one_without_is_told(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made, then written again: every right of the Role is used, and a 403 names its verb."""
    make_default_account(release.admin, release.namespace)
    name = names.requests_config_map(release.name)
    release.admin.delete(release.path("configmaps", name), {})
    assert await type_resume(release) == 2
    assert f"you may not get ConfigMap {name}" in capsys.readouterr().err
    body = {
        "metadata": {"name": "person"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{release.name}-operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": release.namespace}],
    }
    release.admin.made(f"{RBAC}/{release.namespace}/rolebindings", body)
    async with connect(str(release.kubeconfig("controller"))) as api:
        store = RequestStore(api, release.namespace, name)
        for _ in range(2):
            async with anyio.create_task_group() as group:
                group.start_soon(answer, store)
                assert await type_resume(release) == 0
    granted = rights(release.objects, ("Role", f"{release.name}-operator"))
    person = f"system:serviceaccount:{release.namespace}:default"
    assert used(release.cluster.audited(person), granted) == granted


@needs_own("the API server's audit log")
async def test_a_person_with_the_viewer_s_role_sees_how_it_does(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    """No kubelet runs here: the leader's own API is asked for, and allowed, and not reached."""
    admin, namespace, account = release.admin, release.namespace, "onlooker"
    admin.made(release.path("serviceaccounts"), {"metadata": {"name": account}})
    body = {
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{release.name}-viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    admin.made(f"{RBAC}/{namespace}/rolebindings", body)
    renewed = "2999-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "c-0_1", "leaseDurationSeconds": 4, "renewTime": renewed}
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    admin.delete(f"{lease}/{names.lease(release.name)}", {})
    admin.made(lease, {"metadata": {"name": names.lease(release.name)}, "spec": spec})
    path = release.cluster.kubeconfig_for(account_token(admin, namespace, account), f"{namespace}-{account}", "")
    words = ["status", "--kubeconfig", str(path), "-n", namespace, "--release", release.name]
    assert await anyio.to_thread.run_sync(main, words) == 1
    said = capsys.readouterr().out
    assert "leader c-0" in said
    assert "the leader was not asked for more: " in said
    granted = rights(release.objects, ("Role", f"{release.name}-viewer"))
    asked = release.cluster.audited(f"system:serviceaccount:{namespace}:{account}")
    assert used(asked, granted) == granted
    assert 403 not in {event.code for event in asked}


async def answer(store: RequestStore) -> None:
    """What the controller would."""
    with anyio.fail_after(20):
        while True:
            request = (await store.read()).request
            if request is not None:
                break
            await anyio.sleep(0.02)
    at = f"at {anyio.current_time()}"
    said = RequestAnswer(request.key, request.value, True, "RequestAnswered", "m", at, "c-0")
    await store.answer(AnswerRequest(said))
