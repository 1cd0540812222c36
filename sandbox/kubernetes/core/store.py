"""The API server's memory: objects, one resourceVersion counter, and a bounded history of changes.

Guarantees, as etcd and the real server give them: every change gets a version of its own, higher than all before; an
update that names a version other than the stored one is refused (409) and changes nothing; an update that changes
nothing gets no version; the history of a resource has no holes, and asking for more than it still holds is an error
(410), never a silent gap. It has no clock and no randomness: both come in as arguments.
Stored objects are never changed in place, so what `get` and `since` return may be shared, not edited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sandbox.kubernetes.core import problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Resource

Object = dict[str, Any]
Key = tuple[str, str]
_PODS: Final = BY_PLURAL["pods"]


class ChangeKind(StrEnum):
    """As in the `type` of a watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history. `previous` is the object before a modification."""

    version: int
    kind: ChangeKind
    obj: Object
    previous: Object | None = None


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`grace_s` None: the object's own. `uid` and `version` are preconditions."""

    grace_s: int | None = None
    uid: str | None = None
    version: str | None = None


@dataclass(slots=True)
class _Collection:
    objects: dict[Key, Object] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    forgotten: int = 0
    """Changes up to this version are no longer in the history."""


class Store:
    """All objects of all resources. `history_max` is the number of changes kept per resource."""

    def __init__(self, history_max: int = 1000) -> None:
        self._collections: defaultdict[str, _Collection] = defaultdict(_Collection)
        self._history_max = history_max
        self.version = 0

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """One object. Raises Problem 404."""
        found = self._collections[resource.plural].objects.get((namespace or "", name))
        if found is None:
            raise problem.not_found(resource, name)
        return found

    def select(
        self, resource: Resource, namespace: str | None = None, matches: Callable[[Object], bool] = lambda _: True
    ) -> list[Object]:
        """The objects of one namespace (None: of all), by namespace and name."""
        found = self._collections[resource.plural].objects
        keys = sorted(key for key in found if namespace is None or key[0] == namespace)
        return [found[key] for key in keys if matches(found[key])]

    def create(
        self, resource: Resource, namespace: str | None, obj: Object, *, now: str, uid: str, dry_run: bool = False
    ) -> Object:
        """Add an object that passed `defaults`. Raises Problem 404 (no such namespace) or 409 (AlreadyExists)."""
        if resource.namespaced:
            self.get(BY_PLURAL["namespaces"], None, namespace or "")
        name = obj["metadata"]["name"]
        if (namespace or "", name) in self._collections[resource.plural].objects:
            raise problem.already_exists(resource, name)
        metadata = {k: v for k, v in obj["metadata"].items() if k not in ("deletionTimestamp", "resourceVersion")}
        metadata |= {"uid": uid, "creationTimestamp": now}
        if namespace is not None:
            metadata["namespace"] = namespace
        if resource.has_generation:
            metadata["generation"] = 1
        if dry_run:
            return obj | {"metadata": metadata}
        return self._commit(resource, ChangeKind.ADDED, obj | {"metadata": metadata}, None)

    def replace(
        self, resource: Resource, namespace: str | None, name: str, obj: Object, *, status_only: bool = False
    ) -> Object:
        """Compare and swap. Raises Problem 404, 409 (another version or uid), 422 (a version is mandatory)."""
        current = self.get(resource, namespace, name)
        held, given = current["metadata"], obj.get("metadata") or {}
        if given.get("name", name) != name:
            raise problem.bad_request(
                f"the name of the object ({given['name']}) does not match the name on the URL ({name})"
            )
        wanted = given.get("resourceVersion")
        if wanted and wanted != held["resourceVersion"]:
            raise problem.conflict(resource, name)
        if not wanted and not resource.blind_update:
            raise problem.version_missing(resource, name)
        if given.get("uid", held["uid"]) != held["uid"]:
            raise problem.conflict(
                resource,
                name,
                f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {held['uid']}",
            )
        if status_only:
            # As in reality: what is sent to a status may carry labels and annotations, too.
            marks = {key: given[key] for key in ("labels", "annotations") if given.get(key)}
            kept = {key: value for key, value in held.items() if key not in ("labels", "annotations")}
            successor = current | {"metadata": kept | marks, "status": obj.get("status") or {}}
            return self._swap(resource, current, successor)
        successor = {
            **obj,
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": _metadata(held, given),
        }
        if resource.has_status:
            successor["status"] = current.get("status", {})
        if resource.has_generation and not _same(successor, current, ("metadata", "status")):
            successor["metadata"]["generation"] = held["generation"] + 1
        return self._swap(resource, current, successor)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        options: DeleteOptions,
        *,
        deadline: Callable[[int], str],
    ) -> Object:
        """Remove an object; a pod that is bound to a node is only marked, and its kubelet removes it with grace 0.

        `deadline(seconds)` gives the timestamp that far from now. Returns the object's last state; a pod's says by a
        deletionGracePeriodSeconds of 0 that it is gone. Raises Problem 404 or 409 (a precondition doesn't hold).
        """
        current = self.get(resource, namespace, name)
        metadata = current["metadata"]
        for what, wanted, held in (
            ("UID", options.uid, metadata["uid"]),
            ("ResourceVersion", options.version, metadata["resourceVersion"]),
        ):
            if wanted not in (None, held):
                raise problem.precondition(resource, name, what, wanted, held)
        if resource is _PODS:
            grace = options.grace_s
            if not current["spec"].get("nodeName"):
                grace = 0  # nobody runs it, so nobody has to be asked
            elif grace is None:
                grace = int(current["spec"]["terminationGracePeriodSeconds"])
            if grace > 0:
                return self._mark(current, grace, deadline)
            current = _marked(current, 0, deadline)
        return self._remove(resource, current)

    def delete_namespace(self, name: str) -> Object:
        """Remove a namespace with everything in it, at once (a real one lingers in `Terminating`)."""
        namespaces = BY_PLURAL["namespaces"]
        current = self.get(namespaces, None, name)
        for resource in BY_PLURAL.values():
            if resource.namespaced:
                for obj in self.select(resource, name):
                    self._remove(resource, obj)
        self._remove(namespaces, current)
        return current

    def since(self, resource: Resource, version: int) -> list[Change]:
        """Every change of a resource after `version`, oldest first. Raises Problem 410 if some were forgotten."""
        collection = self._collections[resource.plural]
        if version < collection.forgotten:
            raise problem.expired(version, collection.forgotten)
        return collection.history[bisect_right(collection.history, version, key=lambda change: change.version) :]

    def compact(self) -> None:
        """Forget the history up to now: whoever asks for older versions gets 410."""
        for resource in BY_PLURAL:
            self._collections[resource].history.clear()
            self._collections[resource].forgotten = self.version

    def _mark(self, current: Object, grace: int, deadline: Callable[[int], str]) -> Object:
        metadata = current["metadata"]
        if metadata.get("deletionGracePeriodSeconds", grace + 1) <= grace:
            return current  # a second deletion can only shorten the first one's grace
        return self._swap(_PODS, current, _marked(current, grace, deadline))

    def _swap(self, resource: Resource, current: Object, successor: Object) -> Object:
        if successor == current:
            return current
        return self._commit(resource, ChangeKind.MODIFIED, successor, current)

    def _remove(self, resource: Resource, current: Object) -> Object:
        return self._commit(resource, ChangeKind.DELETED, current, current)

    def _commit(self, resource: Resource, kind: ChangeKind, obj: Object, previous: Object | None) -> Object:
        self.version += 1
        obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        collection = self._collections[resource.plural]
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if kind is ChangeKind.DELETED:
            del collection.objects[key]
        else:
            collection.objects[key] = obj
        collection.history.append(Change(self.version, kind, obj, previous))
        if len(collection.history) > self._history_max:
            collection.forgotten = collection.history.pop(0).version
        return obj


def _metadata(held: Object, given: Object) -> Object:
    """An update's metadata: what only the server may set stays as it is."""
    kept = (
        "name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp",
        "deletionGracePeriodSeconds", "generateName",
    )  # fmt: skip
    editable = {key: value for key, value in given.items() if key not in kept and value is not None}
    return editable | {key: held[key] for key in kept if key in held}


def _marked(pod: Object, grace: int, deadline: Callable[[int], str]) -> Object:
    metadata = pod["metadata"]
    marks = {"deletionTimestamp": deadline(grace), "deletionGracePeriodSeconds": grace}
    if "deletionTimestamp" not in metadata:
        marks["generation"] = metadata["generation"] + 1  # the end is wished for once
    return pod | {"metadata": metadata | marks}


def _same(one: Object, other: Object, but: tuple[str, ...]) -> bool:
    return {k: v for k, v in one.items() if k not in but} == {k: v for k, v in other.items() if k not in but}
