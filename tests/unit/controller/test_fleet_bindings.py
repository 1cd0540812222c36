"""Which RoleBindings with our labels are ours: RBAC would let the controller remove any in its namespace."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.fleet.model import Binding
from controller.kube.fleet import binding

ROLE, UID = "graph-sidecar", "role-1"


def raw(**changes: Any) -> Any:
    """As the controller writes it."""
    given = {
        "name": "graph-sidecar-apps", "owner": ("Role", ROLE), "owner_uid": UID, "role": ("Role", ROLE),
        "groups": ["system:serviceaccounts:apps"], **changes,
    }  # fmt: skip
    kind, name = given["owner"]
    owners = [{"kind": kind, "name": name, "uid": given["owner_uid"]}] if kind else None
    return {
        "metadata": {"name": given["name"], "uid": "b-1", "ownerReferences": owners},
        "roleRef": dict(zip(("kind", "name"), given["role"], strict=True)),
        "subjects": [{"kind": "Group", "name": group} for group in given["groups"]],
    }


def test_what_a_controller_has_written_is_ours() -> None:
    assert binding(raw(), ROLE, UID) == Binding("graph-sidecar-apps", "apps", True, "b-1")
    former = binding(raw(owner_uid="role-0"), ROLE, UID)
    assert former == Binding("graph-sidecar-apps", "apps", False, "b-1"), "it goes with the former Role"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "somebody-s-own"},
        {"owner": (None, None)},
        {"owner": ("Role", "other")},
        {"owner": ("ConfigMap", ROLE)},
        {"role": ("Role", "other")},
        {"role": ("ClusterRole", ROLE)},
        {"groups": []},
        {"groups": ["system:serviceaccounts:others"]},
        {"groups": ["system:serviceaccounts:apps", "people"]},
    ],
)
def test_everything_else_is_a_stranger_s(changes: Any) -> None:
    assert binding(raw(**changes), ROLE, UID) is None
