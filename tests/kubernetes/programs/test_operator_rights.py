"""A person's token with the chart's Role for operators: the command works, and no right is left over."""

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
