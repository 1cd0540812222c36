"""The labelled namespaces: would they take a sidecar, can its image be pulled, and how do the ones there do?"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from controller.core.fleet.audit import findings
from controller.core.fleet.injection import today
from controller.core.fleet.pods import look_at, sidecar_of
from memgraph_ha.core.checks import trialpod
from memgraph_ha.core.checks.facts import Client, Facts, Finding, Level, Unknown, unknown
from webhook.core import pods as raw

_UNITS: Final = {
    "": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "k": Fraction(1000),
    **{unit: Fraction(1000 ** (power + 2)) for power, unit in enumerate("MGTPE")},
    **{f"{unit}i": Fraction(1024 ** (power + 1)) for power, unit in enumerate("KMGTPE")},
}  # fmt: skip
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_NOT_PULLED: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def quantity(text: Any) -> Fraction | None:
    """`96Mi` as a number; None if it is none."""
    digits = str(text).rstrip("numkMGTPEi")
    unit = str(text)[len(digits) :]
    try:
        return Fraction(digits) * _UNITS[unit]
    except (ValueError, KeyError, ZeroDivisionError):
        return None


def quotas(facts: Facts) -> Iterator[Finding]:
    """A quota on a resource refuses every pod with a container that states nothing about it, or finds no room."""
    for client in _known(facts):
        name = client.namespace.name
        if isinstance(client.quotas, Unknown):
            yield unknown(f"quotas of {name}", client.quotas)
            continue
        stated = _stated(facts, client)
        for quota in client.quotas:
            status = quota.get("status") or {}
            hard = {**((quota.get("spec") or {}).get("hard") or {}), **(status.get("hard") or {})}
            for key, most in hard.items():
                yield from _quota(f"quota {quota['metadata']['name']} of {name}", key, most, status, stated, client)


def limit_ranges(facts: Facts) -> Iterator[Finding]:
    """A LimitRange refuses what is too small or too large."""
    for client in _known(facts):
        if isinstance(client.limit_ranges, Unknown):
            yield unknown(f"limit ranges of {client.namespace.name}", client.limit_ranges)
            continue
        stated = _stated(facts, client)
        for item in _items(client):
            for bound, kind in (("max", "limits"), ("min", "requests")):
                for resource, edge in (item.get(bound) or {}).items():
                    yield from _range(client.namespace.name, bound, resource, edge, stated.get(f"{kind}.{resource}"))


def pull_secrets(facts: Facts) -> Iterator[Finding]:
    """The sidecar's image is pulled with what is in the app's namespace."""
    for client in _known(facts):
        for secret, there in client.secrets.items():
            name = client.namespace.name
            if isinstance(there, Unknown):
                yield unknown(f"secret {secret} in {name}", there)
            elif not there:
                yield Finding(
                    Level.WARNING, f"the release pulls with secret {secret}, which namespace {name} lacks",
                    f"kubectl -n {facts.namespace} get secret {secret} -o yaml | sed 's/namespace: .*//' | "
                    f"kubectl -n {name} apply -f -",
                )  # fmt: skip


def images(facts: Facts) -> Iterator[Finding]:
    """Sidecars, and our own programs, whose image can't be had."""
    for pod in [p for client in _known(facts) for p in _pods(client)] + _list(facts.pods):
        status = pod.get("status") or {}
        listed = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        sidecar = (sidecar_of(pod) or {}).get("name") if raw.problem(pod) is None else None
        ours = pod["metadata"].get("namespace") == facts.namespace
        for container in listed:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _NOT_PULLED and (ours or container.get("name") == sidecar):
                where = f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
                yield Finding(
                    Level.ERROR,
                    f"{where}: image {container.get('image')} can't be pulled ({waiting.get('message', '')})",
                    "check images.* of the release, and imagePullSecrets of the pod's namespace",
                )  # fmt: skip


def fleet(facts: Facts) -> Iterator[Finding]:
    """As the controller's audit has it, with the caller's eyes."""
    if isinstance(facts.settings, Unknown):
        yield unknown("what the webhook injects", facts.settings)
        return
    for client in _known(facts):
        if isinstance(client.pods, Unknown):
            yield unknown(f"pods of {client.namespace.name}", client.pods)
            continue
        looks = [look_at(pod, client.namespace, facts.settings) for pod in client.pods]
        for found in findings(look for look in looks if look is not None):
            message = f"{found.namespace}: {found.message.partition('. Next: ')[0]}"
            yield Finding(Level.WARNING, message, found.commands[0])


def _range(where: str, bound: str, resource: str, edge: str, states: str | None) -> Iterator[Finding]:
    ours, theirs = quantity(states), quantity(edge)
    if ours is None or theirs is None or not (ours > theirs if bound == "max" else ours < theirs):
        return
    message = f"a LimitRange of {where} says {bound} {edge} of {resource}, the sidecar {states}: pods are refused"
    yield Finding(Level.ERROR, message, f"kubectl -n {where} edit limitrange")


def _quota(where: str, key: str, most: Any, status: Any, stated: dict[str, str], client: Client) -> Iterator[Finding]:
    spelled = key if "." in key else f"requests.{key}"
    resource = spelled.partition(".")[2]
    if resource not in _COMPUTE or spelled.partition(".")[0] not in ("requests", "limits"):
        return
    ours = stated.get(spelled) or _default(client, spelled)
    if ours is None:
        yield Finding(
            Level.ERROR, f"{where} demands {spelled} of every container, and the sidecar states none: pods are refused",
            f"give containers a default: a LimitRange in {client.namespace.name} with default.{resource}",
        )  # fmt: skip
        return
    total, used, needed = quantity(most), quantity((status.get("used") or {}).get(key, 0)), quantity(ours)
    if total is not None and used is not None and needed is not None and total - used < needed:
        yield Finding(
            Level.WARNING, f"{where} has no room for one more sidecar ({spelled}: {most} in all)",
            f"kubectl -n {client.namespace.name} edit resourcequota",
        )  # fmt: skip


def _stated(facts: Facts, client: Client) -> dict[str, str]:
    """`requests.cpu` -> `10m` and the like, of the sidecar in the pod on trial, or as it would be if it was refused."""
    pod = client.trial.pod if not isinstance(client.trial, Unknown) else None
    if pod is None and not isinstance(facts.settings, Unknown):
        pod = today(trialpod.pod(facts.settings.cluster), client.namespace, facts.settings).pod
    resources = ((sidecar_of(pod) or {}) if pod is not None else {}).get("resources") or {}
    return {
        f"{kind}.{name}": text for kind in ("requests", "limits") for name, text in (resources.get(kind) or {}).items()
    }


def _default(client: Client, spelled: str) -> str | None:
    """What a LimitRange gives a container that states nothing."""
    kind, _, resource = spelled.partition(".")
    for item in _items(client):
        found = (item.get("defaultRequest" if kind == "requests" else "default") or {}).get(resource)
        if found is not None:
            return str(found)
    return None


def _items(client: Client) -> list[Any]:
    return [
        item
        for limit_range in _list(client.limit_ranges)
        for item in (limit_range.get("spec") or {}).get("limits") or ()
        if item.get("type") == "Container"
    ]


def _known(facts: Facts) -> list[Client]:
    return _list(facts.clients)


def _pods(client: Client) -> list[Any]:
    return _list(client.pods)


def _list(value: Any) -> list[Any]:
    return [] if isinstance(value, Unknown) else list(value)
