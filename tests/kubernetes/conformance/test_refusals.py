"""Who may do what: tokens, roles, and the words of refusals."""

from __future__ import annotations

from typing import Any

from conformance_server import Server
from plain_client import Object, PlainClient
from real import account_token, new_namespace

MAPS = "/api/v1/namespaces/{}/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def forbidden(who: str, verb: str, resource: str, ns: str, name: str = "") -> str:
    """The sentence for a resource of the core group."""
    subject = f'{resource} "{name}"' if name else resource
    return f'{subject} is forbidden: User "{who}" cannot {verb} resource "{resource}" in API group "" ' + (
        f'in the namespace "{ns}"'
    )


def grant(api: PlainClient, ns: str, subject: Object, *rules: Object, name: str = "r") -> None:
    """A Role and its binding."""
    api.made(f"{RBAC}/namespaces/{ns}/roles", {"metadata": {"name": name}, "rules": list(rules)})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    api.made(f"{RBAC}/namespaces/{ns}/rolebindings", binding)


def until_allowed(client: PlainClient, path: str, **query: Any) -> None:
    """The authorizer follows roles by a watch of its own."""
    for _ in range(500):
        if client.get(path, **query).code != 403:
            return
    raise AssertionError("still forbidden")


def test_no_token(server: Server, api: PlainClient, ns: str) -> None:
    """Is anonymous, and may do nothing but ask for health and version."""
    nobody = server.client("")
    refused = nobody.get(MAPS.format(ns) + "/x")
    assert refused.refusal == (403, "Forbidden", forbidden("system:anonymous", "get", "configmaps", ns, "x"))
    assert [nobody.get(path).code for path in ("/livez", "/readyz", "/version")] == [200, 200, 200]


def test_a_token_that_nobody_gave(server: Server, ns: str) -> None:
    refused = server.client("x").get(MAPS.format(ns) + "/x")
    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized",
                "reason": "Unauthorized", "code": 401}  # fmt: skip
    assert (refused.code, refused.body) == (401, expected)
    with server.client("x").watch(MAPS.format(ns)) as watch:
        assert watch.code == 401


def test_a_token_of_a_service_account(api: PlainClient, ns: str) -> None:
    """At least ten minutes; for the API server if nothing else is said."""
    path = f"/api/v1/namespaces/{ns}/serviceaccounts/default/token"
    made = api.made(path, {"spec": {"expirationSeconds": 600}})
    assert (made["kind"], made["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert (made["spec"]["expirationSeconds"], made["spec"]["audiences"]) == (600, ["https://kubernetes.default.svc"])
    assert made["status"]["expirationTimestamp"].endswith("Z")
    code, reason, message = api.create(path, {"spec": {"expirationSeconds": 60}}).refusal
    assert (code, reason) == (422, "Invalid")
    assert message.endswith(
        "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes"
    )
    missing = api.create(path.replace("default", "nobody"), {"spec": {}})
    assert missing.refusal == (404, "NotFound", 'serviceaccounts "nobody" not found')


def test_nothing_is_allowed_that_no_role_allows(server: Server, api: PlainClient, ns: str) -> None:
    """Each verb in its own words; a refusal does not say whether the object is there."""
    client = server.client(account_token(api, ns, "default"))
    who = f"system:serviceaccount:{ns}:default"
    path = MAPS.format(ns)
    answers = {
        ("get", "x"): client.get(path + "/x"),
        ("list", ""): client.get(path),
        ("create", ""): client.create(path, {"metadata": {"name": "x"}}),
        ("update", "x"): client.replace(path + "/x", {"metadata": {"name": "x"}}),
        ("patch", "x"): client.patch(path + "/x", {}),
        ("delete", "x"): client.delete(path + "/x"),
    }
    for (verb, name), answer in answers.items():
        assert answer.refusal == (403, "Forbidden", forbidden(who, verb, "configmaps", ns, name))
        assert answer.body["details"] == ({"name": name} if name else {}) | {"kind": "configmaps"}
    leases = client.get(f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases").body
    assert leases["message"] == (
        f'leases.coordination.k8s.io is forbidden: User "{who}" cannot list resource "leases" in API group '
        f'"coordination.k8s.io" in the namespace "{ns}"'
    )
    everywhere = client.get("/api/v1/secrets").body["message"]
    assert everywhere == (
        f'secrets is forbidden: User "{who}" cannot list resource "secrets" in API group "" at the cluster scope'
    )
    with client.watch(path) as watch:
        assert watch.code == 403


def test_a_role_for_one_object(server: Server, api: PlainClient, ns: str) -> None:
    """The sidecar's: get by name; list and watch only by the selector for that very name."""
    client = server.client(account_token(api, ns, "default"))
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"], "verbs": ["get", "list", "watch"]}
    grant(api, ns, {"kind": "ServiceAccount", "name": "default", "namespace": ns}, rule)
    api.made(MAPS.format(ns), {"metadata": {"name": "x"}})
    path, who = MAPS.format(ns), f"system:serviceaccount:{ns}:default"
    until_allowed(client, path + "/x")
    assert client.get(path + "/x").code == 200
    assert client.get(path, fieldSelector="metadata.name=x").code == 200
    with client.watch(path, fieldSelector="metadata.name=x", timeoutSeconds=20) as watch:
        assert watch.until("ADDED")["object"]["metadata"]["name"] == "x"
    assert client.get(path + "/y").refusal == (403, "Forbidden", forbidden(who, "get", "configmaps", ns, "y"))
    queries: list[Object] = [{}, {"fieldSelector": "metadata.name=y"}, {"labelSelector": "a=b"}]
    for query in queries:
        assert client.get(path, **query).code == 403
        with client.watch(path, timeoutSeconds=1, **query) as watch:
            assert watch.code == 403
    assert client.delete(path + "/x").code == 403


def test_a_role_for_all_service_accounts(server: Server, api: PlainClient, ns: str) -> None:
    """By group, as the chart binds it; service accounts of other namespaces are meant, too."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}
    grant(api, ns, group, rule)
    elsewhere = new_namespace(api)
    client = server.client(account_token(api, elsewhere, "default"))
    until_allowed(client, MAPS.format(ns))
    assert client.get(MAPS.format(ns)).code == 200
    assert client.get(MAPS.format(elsewhere)).code == 403


def test_a_role_for_the_whole_cluster(server: Server, api: PlainClient, ns: str) -> None:
    """And for objects outside of namespaces."""
    api.made(f"{RBAC}/clusterroles", {"metadata": {"name": ns}, "rules": [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["default"], "verbs": ["create"]},
    ]})  # fmt: skip
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ns}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": ns}
    binding = {"metadata": {"name": ns}, "roleRef": reference, "subjects": [subject]}
    api.made(f"{RBAC}/clusterrolebindings", binding)
    client = server.client(account_token(api, ns, "default"))
    until_allowed(client, f"/api/v1/namespaces/{ns}")
    assert client.get(f"/api/v1/namespaces/{ns}").code == 200
    assert client.get("/api/v1/namespaces").code == 403
    token = f"/api/v1/namespaces/{ns}/serviceaccounts/default/token"
    assert client.create(token, {"spec": {}}).code == 201
    assert client.get(f"/api/v1/namespaces/{ns}/serviceaccounts/default").code == 403


def test_a_role_that_is_taken_away(server: Server, api: PlainClient, ns: str) -> None:
    """An open watch lives on; the next one is forbidden."""
    client = server.client(account_token(api, ns, "default"))
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}
    grant(api, ns, {"kind": "ServiceAccount", "name": "default", "namespace": ns}, rule)
    until_allowed(client, MAPS.format(ns))
    with client.watch(MAPS.format(ns), timeoutSeconds=20) as watch:
        api.made(MAPS.format(ns), {"metadata": {"name": "x"}})
        assert watch.until("ADDED")
        assert api.delete(f"{RBAC}/namespaces/{ns}/rolebindings/r").code == 200
        for _ in range(500):
            if client.get(MAPS.format(ns)).code == 403:
                break
        api.patch(MAPS.format(ns) + "/x", {"data": {"k": "2"}})
        assert watch.until("MODIFIED")["object"]["data"] == {"k": "2"}
    with client.watch(MAPS.format(ns), timeoutSeconds=20) as watch:
        assert watch.code == 403


def test_paths_and_methods_that_are_none(api: PlainClient, ns: str) -> None:
    for path in ("/api/v1/nothing", MAPS.format(ns) + "/x/nothing"):
        answer = api.get(path)
        assert answer.refusal == (404, "NotFound", "the server could not find the requested resource")
    assert api.get("/apis/nothing.example/v1/things").code == 404
    for answer in (
        api.replace(MAPS.format(ns), {"metadata": {"name": "x"}}),
        api.create(MAPS.format(ns) + "/x", {"metadata": {"name": "x"}}),
    ):
        message = "the server does not allow this method on the requested resource"
        assert answer.refusal == (405, "MethodNotAllowed", message)
