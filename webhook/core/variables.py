"""How the app's containers learn where the database is: MEMGRAPH_HOST, MEMGRAPH_PORT and MEMGRAPH_URI.

They are put before a container's own variables, so that those may say `$(MEMGRAPH_URI)`. A variable that is there
already stays as it is; and so do those that an `envFrom` may bring, since `env` would win over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from webhook.core import pods
from webhook.core.model import Json, warning

HOST: Final = "localhost"
"""Not an address: the sidecar listens on 127.0.0.1 and ::1, whichever the pod has."""


def wanted(port: int, uri_env: Iterable[str]) -> dict[str, str]:
    """Names and values, in the order in which they are added."""
    uri = f"bolt://{HOST}:{port}"
    return {"MEMGRAPH_HOST": HOST, "MEMGRAPH_PORT": str(port), "MEMGRAPH_URI": uri} | dict.fromkeys(uri_env, uri)


def missing(container: dict[str, Json], values: Mapping[str, str]) -> list[dict[str, Json]]:
    """What `env` has to get, in order."""
    if pods.is_sidecar(container):
        return []
    present = {one.get("name") for one in container.get("env") or () if isinstance(one.get("name"), str)}
    hidden = _prefixes(container)
    return [
        {"name": name, "value": value}
        for name, value in values.items()
        if name not in present and not name.startswith(hidden)
    ]


def warnings(pod: Json, values: Mapping[str, str]) -> list[str]:
    """One for each container that would not find the sidecar by these variables. Values are not shown: a URI may hold
    a password."""
    found = []
    for container in pods.containers(pod):
        own = {one.get("name"): one.get("value") for one in container.get("env") or () if _known(one, values)}
        other = [name for name, value in own.items() if value != values[name]]
        if other:
            text = f"container {container.get('name')} keeps its own {', '.join(other)}; is it {HOST}?"
            found.append(warning(text))
        elif len(own) < len(values) and any(name.startswith(_prefixes(container)) for name in values):
            found.append(warning(f"container {container.get('name')} has envFrom: {', '.join(values)} are not added"))
    return found


def _known(entry: dict[str, Json], values: Mapping[str, str]) -> bool:
    name = entry.get("name")
    return isinstance(name, str) and name in values


def _prefixes(container: dict[str, Json]) -> tuple[str, ...]:
    """The beginnings of all names that `envFrom` may bring; empty if it brings none."""
    sources = container.get("envFrom")
    found = [one.get("prefix") or "" for one in sources if isinstance(one, dict)] if isinstance(sources, list) else []
    return tuple(prefix for prefix in found if isinstance(prefix, str))
