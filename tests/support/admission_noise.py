"""Pods as they are, as they might be and as they can't be, drawn from a seed: the same seed gives the same pod.

Hypothesis explores better; this is a hundred times faster, for tens of thousands of reviews in a test.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any, Final

from sidecar.contract import names
from webhook.core.model import Namespace, OldNode, Release

Json = Any
RELEASE: Final = Release("memgraph-ha", "database", "memgraph-ha", True, "sidecar:1", ("registry",))
SECOND: Final = Release("second", "database2", "second", False, "sidecar:1", strict=True)

_SCALARS: Final = (None, True, False, 0, -1, 7687, 1.5, "", "x", "\u0000", "ünïcode", "a" * 300, 10**30)
_NAMES: Final = ("app", "migrate", "istio-init", "istio-proxy", "linkerd-init", "vault-agent", "daprd", "wait")
_VARIABLES: Final = ("MEMGRAPH_URI", "MEMGRAPH_HOST", "MEMGRAPH_PORT", "PATH", "NEO4J_URI")
_QUANTITIES: Final = ("0", "1m", "10m", "100m", "1", "2", "16Mi", "48Mi", "64Mi", "1Gi", "1e3", "x", "", 1, None)
_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage", "nvidia.com/gpu")
_WORDS: Final = ("enabled", "enabled", "disabled", "yes", "", "memgraph-ha", "second")
_ANNOTATIONS: Final = {
    "inject": _WORDS, "cluster": _WORDS, "port": ("7777", "1", "x", "7688", 7), "read-port": ("7777", "0"),
    "admin-port": ("9000",), "hold-seconds": ("5", "99", "nan"), "commit-grace-seconds": ("1", "-1"),
    "log-level": ("DEBUG", "LOUD"), "cpu-request": _QUANTITIES, "cpu-limit": _QUANTITIES, "memory-request": _QUANTITIES,
    "memory-limit": _QUANTITIES, "uri-env": ("NEO4J_URI", "A,B", "1", ""), "run-after": ("wait", "wait,migrate", "§"),
    "startup-probe": ("disabled", "enabled", "no"), "status": ("{}", "x"),
}  # fmt: skip


class Noise:
    """One stream of pods."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def review(self) -> tuple[bytes, Json, Namespace, Release]:
        """A body, the pod in it, and where it is to be judged."""
        pod = self.anything(3) if self._chance(0.05) else self._damaged(self.pod(), 0.15)
        request = {
            "uid": f"u-{self._random.randrange(10**9)}", "namespace": "apps", "operation": "CREATE", "object": pod,
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "dryRun": self._chance(0.1),
        }  # fmt: skip
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        return json.dumps(body).encode(), pod, self.namespace(), self._random.choice((RELEASE, RELEASE, SECOND))

    def pod(self) -> Json:
        """A pod that the API server could have sent."""
        metadata: Json = {"name": "p"} if self._chance(0.5) else {"generateName": "p-"}
        spec: Json = {"containers": self._containers(1, 3)}
        self._maybe(0.6, metadata, "labels", self._labels)
        self._maybe(0.6, metadata, "annotations", self._annotations)
        self._maybe(0.5, spec, "initContainers", lambda: self._containers(0, 3))
        self._maybe(0.1, spec, "volumes", self._volumes)
        self._maybe(0.2, spec, "imagePullSecrets", lambda: [{"name": self._random.choice(("registry", "other"))}])
        self._maybe(0.05, spec, "hostNetwork", lambda: self._chance(0.7))
        self._maybe(0.4, spec, "securityContext", self._security)
        self._maybe(0.1, spec, "resources", self._resources)
        self._maybe(0.1, spec, "nodeSelector", lambda: {"kubernetes.io/os": self._random.choice(("linux", "windows"))})
        self._maybe(0.1, spec, "nodeName", lambda: self._random.choice(("old", "new")))
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def namespace(self) -> Namespace:
        """Where a pod is created."""
        labels = None if self._chance(0.1) else self._labels()
        if labels is not None and self._chance(0.8):
            labels[names.INJECT_LABEL] = names.INJECT_ENABLED
        name = "kube-system" if self._chance(0.02) else "apps"
        old = (OldNode("old", "v1.28.3", {"kubernetes.io/os": "linux"}),) if self._chance(0.05) else ()
        ranges = (self._limit_range(),) if self._chance(0.3) else ()
        return Namespace(name, labels, self._annotations() if self._chance(0.3) else {}, ranges, old)

    def other_injector(self) -> Callable[[Json], Json]:
        """Another webhook, which puts a container first or last into one of the lists, once."""
        key = self._random.choice(("initContainers", "containers"))
        name, first = self._random.choice((*_NAMES, "mesh", "agent")), self._chance(0.5)

        def change(pod: Json) -> Json:
            changed: Json = copy.deepcopy(pod)
            present = changed["spec"].get(key) or []
            if all(one.get("name") != name for one in present):
                present.insert(0 if first else len(present), {"name": name, "image": "other"})
            changed["spec"][key] = present
            return changed

        return change

    def anything(self, depth: int) -> Json:
        """Any JSON."""
        kind = self._random.random()
        if depth == 0 or kind < 0.5:
            return self._random.choice(_SCALARS)
        if kind < 0.75:
            return [self.anything(depth - 1) for _ in range(self._random.randint(0, 3))]
        keys = ("metadata", "spec", "name", "env", "x", names.SIDECAR_CONTAINER)
        return {self._random.choice(keys): self.anything(depth - 1) for _ in range(self._random.randint(0, 4))}

    def _damaged(self, value: Json, odds: float) -> Json:
        """The same, but with a chance of `odds` for one place that holds anything."""
        if not self._chance(odds):
            return value
        places: list[tuple[Json, Json]] = []

        def walk(owner: Json) -> None:
            for key, one in owner.items() if isinstance(owner, dict) else enumerate(owner):
                places.append((owner, key))
                if isinstance(one, dict | list):
                    walk(one)

        walk(value)
        owner, key = self._random.choice(places)
        owner[key] = self.anything(2)
        return value

    def _containers(self, least: int, most: int) -> Json:
        found = [self._container(name) for name in self._random.sample(_NAMES, self._random.randint(least, most))]
        if self._chance(0.04):
            found.insert(self._random.randint(0, len(found)), self._container(names.SIDECAR_CONTAINER))
        return found

    def _container(self, name: str) -> Json:
        container: Json = {"name": name, "image": "i"}
        self._maybe(0.3, container, "env", self._env)
        self._maybe(0.1, container, "envFrom", lambda: [{"configMapRef": {"name": "c"}, **self._prefix()}])
        self._maybe(0.2, container, "ports", lambda: [{"containerPort": self._random.choice((80, 81, 82, 7687, 7777))}])
        self._maybe(0.4, container, "resources", self._resources)
        self._maybe(0.3, container, "securityContext", self._security)
        self._maybe(0.1, container, "restartPolicy", lambda: "Always")
        return container

    def _prefix(self) -> Json:
        return {"prefix": self._random.choice(("", "MEMGRAPH_", "X_"))} if self._chance(0.5) else {}

    def _env(self) -> Json:
        chosen = self._random.sample(_VARIABLES, self._random.randint(0, 3))
        return [
            {"name": name, "value": self._random.choice(("localhost", "7687", "bolt://db:7687"))} for name in chosen
        ]

    def _resources(self) -> Json:
        if self._chance(0.3):
            same = {"cpu": "1", "memory": "1Gi"}
            return {"limits": same, "requests": dict(same)}
        return {key: self._quantities() for key in ("requests", "limits") if self._chance(0.7)}

    def _quantities(self) -> Json:
        chosen = self._random.sample(_RESOURCES, self._random.randint(0, 3))
        return {name: self._random.choice(_QUANTITIES) for name in chosen}

    def _security(self) -> Json:
        return {"runAsUser": self._random.choice((0, 1000, 2000, 1000660000))} if self._chance(0.7) else {}

    def _volumes(self) -> Json:
        return [{"name": self._random.choice(("a", "b", "c", "d", names.TOKEN_VOLUME))}]

    def _labels(self) -> Json:
        keys = (names.INJECT_LABEL, names.CLUSTER_LABEL, "app", names.COMPONENT_LABEL)
        odds = (0.3, 0.08, 0.3, 0.02)
        return {key: self._random.choice(_WORDS) for key, odd in zip(keys, odds, strict=True) if self._chance(odd)}

    def _annotations(self) -> Json:
        chosen = self._random.sample(sorted(_ANNOTATIONS), self._random.randint(0, 4))
        found = {names.PREFIX + key: self._random.choice(_ANNOTATIONS[key]) for key in chosen}
        return found | ({"kubernetes.io/config.mirror": "x"} if self._chance(0.02) else {})

    def _limit_range(self) -> Json:
        keys = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
        item = {key: self._quantities() for key in keys if self._chance(0.3)}
        return {"spec": {"limits": [{"type": self._random.choice(("Container", "Pod")), **item}]}}

    def _maybe(self, odds: float, owner: Json, key: str, make: Any) -> None:
        if self._chance(odds):
            owner[key] = make() if self._chance(0.97) else None

    def _chance(self, odds: float) -> bool:
        return self._random.random() < odds
