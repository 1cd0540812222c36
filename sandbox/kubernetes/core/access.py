"""Who may do what: role-based access control over the stored roles and bindings, as a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sandbox.kubernetes.core.resources import BY_PLURAL, Resource
from sandbox.kubernetes.core.tokens import User

MASTERS: Final = "system:masters"
Object = Mapping[str, Any]


class Objects(Protocol):
    """Where roles and bindings are stored."""

    def select(self, resource: Resource, namespace: str | None = None) -> Iterable[Object]:
        """The objects of one namespace, or all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request: `verb` as RBAC calls it; `namespace` None at the cluster scope; `name` "" for a collection."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str = ""
    subresource: str = ""


def allowed(user: User, wish: Wish, objects: Objects) -> bool:
    """Whether some role allows it. Nobody is refused by a role: what none allows is forbidden."""
    if MASTERS in user.groups:
        return True
    bindings = list(objects.select(BY_PLURAL["clusterrolebindings"]))
    if wish.namespace is not None:
        bindings += objects.select(BY_PLURAL["rolebindings"], wish.namespace)
    return any(
        _permits(rule, wish)
        for binding in bindings
        if any(_means(subject, user) for subject in binding.get("subjects") or ())
        for rule in _rules(binding, objects)
    )


def _rules(binding: Object, objects: Objects) -> Iterable[Object]:
    reference = binding["roleRef"]
    namespace = binding["metadata"].get("namespace")
    if reference["kind"] == "ClusterRole":
        roles = objects.select(BY_PLURAL["clusterroles"])
    else:
        roles = objects.select(BY_PLURAL["roles"], namespace)
    return [rule for role in roles if role["metadata"]["name"] == reference["name"] for rule in role.get("rules") or ()]


def _means(subject: Object, user: User) -> bool:
    match subject["kind"]:
        case "ServiceAccount":
            return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject['name']}"
        case "Group":
            return subject["name"] in user.groups
        case _:
            return bool(subject["name"] == user.name)


def _permits(rule: Object, wish: Wish) -> bool:
    what = f"{wish.resource.plural}/{wish.subresource}" if wish.subresource else wish.resource.plural
    names = rule.get("resourceNames") or ()
    return (
        _has(rule, "verbs", wish.verb)
        and _has(rule, "apiGroups", wish.resource.group)
        and _has(rule, "resources", what)
        and (not names or wish.name in names)
    )


def _has(rule: Object, key: str, value: str) -> bool:
    return bool({value, "*"} & set(rule.get(key) or ()))
