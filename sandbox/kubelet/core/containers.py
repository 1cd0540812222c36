"""From a pod's manifest to what is run for it: pure functions over the API's dicts.

What a container would find under its own root is made true by substitution: mount paths, `localhost` and (where pods
share one address) port numbers are replaced in arguments and environment.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from sidecar.contract import env, names

Object = dict[str, Any]
Sources = Mapping[tuple[str, str], Object | None]
"""The ConfigMaps and Secrets a pod refers to, by plural and name; None for one that isn't there."""

PROGRAMS: Final = {
    "memgraph-ha-sidecar": ("python", "-m", "sidecar"),
    "memgraph": ("python", "-m", "sandbox.memgraph"),
    "memgraph-mage": ("python", "-m", "sandbox.memgraph"),
}
"""What stands in for an image's entry point, by the last part of its name."""
_VARIABLE: Final = re.compile(r"\$(\$|\(([A-Za-z_][\w.-]*)\))")


class ConfigError(Exception):
    """The container can't be started as things are (`CreateContainerConfigError`); it is tried again."""


class Role(Enum):
    """When a container runs. SIDECAR: an init container with restartPolicy Always (a native sidecar)."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod lives: its address, and the ports that had to move because pods share that address."""

    address: str
    ports: Mapping[int, int] = field(default_factory=dict)

    def port(self, declared: int) -> int:
        """The port in use for one the manifest names."""
        return self.ports.get(declared, declared)


@dataclass(frozen=True, slots=True)
class Launch:
    """One process to start."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def in_start_order(pod: Object) -> list[tuple[Role, Object]]:
    """Init containers and native sidecars as listed, then the main containers."""
    spec = pod["spec"]
    first = [
        (Role.SIDECAR if item.get("restartPolicy") == "Always" else Role.INIT, item)
        for item in spec.get("initContainers") or ()
    ]
    return first + [(Role.MAIN, item) for item in spec["containers"]]


def has_sidecar(pod: Object) -> bool:
    """Whether our sidecar was injected."""
    return any(container["name"] == names.SIDECAR_CONTAINER for _, container in in_start_order(pod))


def ports_in_use(pod: Object) -> list[int]:
    """Every port the pod says it listens on, and those our sidecar listens on."""
    declared = [port["containerPort"] for _, item in in_start_order(pod) for port in item.get("ports") or ()]
    ours = [names.READ_WRITE_PORT, names.READ_PORT, names.ADMIN_PORT] if has_sidecar(pod) else []
    return sorted({*declared, *ours})


def references(pod: Object) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that environment variables refer to, as (plural, name)."""
    found: set[tuple[str, str]] = set()
    for _, container in in_start_order(pod):
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            if "configMapKeyRef" in source:
                found.add(("configmaps", source["configMapKeyRef"]["name"]))
            if "secretKeyRef" in source:
                found.add(("secrets", source["secretKeyRef"]["name"]))
    return found


def launch(
    pod: Object, container: Object, place: Place, mounts: Mapping[str, Path], sources: Sources, base: Mapping[str, str]
) -> Launch:
    """The process for a container. `mounts`: mountPath -> local folder; `base`: what every process gets.

    Raises ConfigError when a reference leads nowhere or nobody knows what its image would run.
    """
    substitute = _Substitution(place, mounts, localhost=container["name"] != names.SIDECAR_CONTAINER)
    declared: dict[str, str] = {}
    for variable in container.get("env") or ():
        value = _value(pod, variable, place, sources)
        if value is not None:
            declared[variable["name"]] = substitute(_expand(value, declared), everything=True)
    extra = {"HOSTNAME": pod["metadata"]["name"]}
    if container["name"] == names.SIDECAR_CONTAINER:
        declared |= _sidecar_settings(place)
    argv = command(container)
    expanded = [substitute(_expand(word, declared), everything=False) for word in argv]
    program = [sys.executable if expanded[0] in ("python", "python3") else expanded[0], *expanded[1:]]
    return Launch(tuple(program), {**base, **extra, **declared})


def command(container: Object) -> list[str]:
    """Command and arguments, before substitution."""
    words = list(container.get("command") or ())
    if not words:
        image = re.split(r"[:@]", container.get("image", "").rsplit("/", 1)[-1])[0]
        if image not in PROGRAMS:
            raise ConfigError(f"nothing stands in for image {container.get('image')!r}: give the container a command")
        words = list(PROGRAMS[image])
    return words + list(container.get("args") or ())


def exec_command(container: Object, probe: Object, started: Launch) -> tuple[str, ...]:
    """The words of an exec probe."""
    words: Sequence[str] = probe["exec"]["command"]
    return (sys.executable if words[0] in ("python", "python3") else words[0], *words[1:])


def _value(pod: Object, variable: Object, place: Place, sources: Sources) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", ""))
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"], place)
    for kind, plural in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if kind in source:
            reference = source[kind]
            obj = sources.get((plural, reference["name"])) or {}
            value = (obj.get("data") or {}).get(reference["key"])
            if value is None and not reference.get("optional"):
                raise ConfigError(f"{plural} {reference['name']!r} has no key {reference['key']!r}")
            return base64.b64decode(value).decode() if value is not None and plural == "secrets" else value
    raise ConfigError(f"variable {variable['name']} has a source the sandbox doesn't know: {', '.join(source)}")


def field_value(pod: Object, path: str, place: Place) -> str:
    """A downward API field as text. Raises ConfigError for a field the sandbox doesn't know."""
    metadata = pod["metadata"]
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata[path.partition(".")[2]])
    if path in ("status.podIP", "status.hostIP", "status.podIPs"):
        return place.address
    if path in ("spec.nodeName", "spec.serviceAccountName"):
        return str(pod["spec"].get(path.partition(".")[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = metadata.get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((metadata.get(found[1]) or {}).get(found[2], ""))
    raise ConfigError(f"field {path!r} is not known to the sandbox")


def _expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: unknown names stay, `$$` is a dollar."""

    def replacement(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else known.get(found[2], found[0])

    return _VARIABLE.sub(replacement, text)


def _sidecar_settings(place: Place) -> dict[str, str]:
    ports = {env.PORT: names.READ_WRITE_PORT, env.READ_PORT: names.READ_PORT, env.ADMIN_PORT: names.ADMIN_PORT}
    addresses = {env.LISTEN: place.address, env.ADMIN_ADDRESS: place.address}
    return addresses | {variable: str(place.port(port)) for variable, port in ports.items()}


def move_ports(text: str, place: Place) -> str:
    """Replace the port numbers that had to move, where they stand as whole numbers."""
    if not place.ports:
        return text
    return re.sub(r"(?<![\w.])\d+(?![\w.])", lambda found: str(place.ports.get(int(found[0]), found[0])), text)


class _Substitution:
    """What is replaced in one container's words."""

    def __init__(self, place: Place, mounts: Mapping[str, Path], localhost: bool) -> None:
        self._place = place
        self._mounts = sorted(mounts.items(), key=lambda item: -len(item[0]))
        self._localhost = localhost

    def __call__(self, text: str, everything: bool) -> str:
        """`everything`: `localhost` too, which is done in the environment only."""
        for mount_path, folder in self._mounts:
            pattern = rf"(?<![\w./-]){re.escape(mount_path.rstrip('/'))}(?=/|$|[:,;\s\"'])"
            local = str(folder)
            text = re.sub(pattern, lambda _, local=local: local, text)  # type: ignore[misc]
        if everything and self._localhost:
            text = re.sub(r"(?<![\w.-])localhost(?![\w.-])", self._place.address, text)
        return move_ports(text, self._place)
