"""What annotations ask of the sidecar: the pod's own, else its namespace's.

A value that the sidecar would refuse to start with is left out, with a warning: a typing mistake in an annotation must
not keep an app in Init. The sidecar's own parser is the judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.contract import env, names
from webhook.core import pods, quantity
from webhook.core.model import Json, Namespace, warning

SETTINGS: Final[Mapping[str, str]] = {
    "port": env.PORT,
    "read-port": env.READ_PORT,
    "admin-port": env.ADMIN_PORT,
    "hold-seconds": env.HOLD,
    "commit-grace-seconds": env.COMMIT_GRACE,
    "confirm-after-seconds": env.CONFIRM_AFTER,
    "cut-mode": env.CUT_MODE,
    "on-stale": env.ON_STALE,
    "stale-seconds": env.STALE,
    "read-fallback": env.READ_FALLBACK,
    "rewrite-error-codes": env.REWRITE,
    "max-connections": env.MAX_CONNECTIONS,
    "log-level": env.LOG_LEVEL,
}
"""Annotation (after memgraph-ha.io/) to the sidecar's variable."""

RESOURCES: Final[Mapping[str, tuple[str, str]]] = {
    "cpu-request": ("requests", "cpu"),
    "cpu-limit": ("limits", "cpu"),
    "memory-request": ("requests", "memory"),
    "memory-limit": ("limits", "memory"),
    "ephemeral-storage-request": ("requests", "ephemeral-storage"),
    "ephemeral-storage-limit": ("limits", "ephemeral-storage"),
}
"""Annotation to its place in the container's resources."""

URI_ENV: Final = "uri-env"
"""More names under which the app's containers get the URI."""
RUN_AFTER: Final = "run-after"
"""Init containers that have to end, or to have started, before the sidecar starts."""
STARTUP_PROBE: Final = "startup-probe"
"""`disabled` leaves the startup probe out, for kubelets with a bug in it."""

PORT_LEAST: Final = 1024
"""Below, a user that is not root may not listen."""
NAMES_MAX: Final = 10
"""Of a list in an annotation; nobody has more, and each costs every container a variable."""

_PORTS: Final = {
    "port": names.READ_WRITE_PORT,
    "read-port": names.READ_PORT,
    "admin-port": names.ADMIN_PORT,
}
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_CONTAINER: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_COMPLETE: Final = env.render("n", "c") | {env.API_HOST: "h"}


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, checked. `ports` are read-write, read and admin port."""

    variables: Mapping[str, str]
    resources: Mapping[tuple[str, str], str]
    ports: tuple[int, int, int]
    uri_env: tuple[str, ...]
    run_after: tuple[str, ...]
    startup_probe: bool
    warnings: tuple[str, ...]


def read(pod: Json, namespace: Namespace) -> Options:
    """The options of a pod whose shape was checked. Never raises."""
    asked = _Asked(pod, namespace)
    variables = {variable: value for key, variable in SETTINGS.items() if (value := asked.get(key, _setting(variable)))}
    ports = _ports(variables, asked)
    return Options(
        variables=variables,
        resources={place: value for key, place in RESOURCES.items() if (value := asked.get(key, _quantity))},
        ports=ports,
        uri_env=_split(asked.get(URI_ENV, _list(_VARIABLE, "names of variables"))),
        run_after=_split(asked.get(RUN_AFTER, _list(_CONTAINER, "names of init containers"))),
        startup_probe=asked.get(STARTUP_PROBE, _choice("enabled", "disabled")) != "disabled",
        warnings=tuple(asked.warnings),
    )


class _Asked:
    """Takes annotations and collects what is wrong with them."""

    def __init__(self, pod: Json, namespace: Namespace) -> None:
        self._pod, self._namespace = pod, namespace
        self.warnings: list[str] = []

    def get(self, key: str, problem: Callable[[str], str | None]) -> str:
        """The value, or "" if nobody asked or the value is no use."""
        name = names.PREFIX + key
        value = pods.annotation(self._pod, name)
        if value is None:
            value = self._namespace.annotations.get(name)
        if value is None:
            return ""
        hint = problem(value.strip()) if isinstance(value, str) else "set it to a text"
        if hint is None:
            return str(value.strip())
        self.warn(key, hint)
        return ""

    def warn(self, key: str, hint: str) -> None:
        self.warnings.append(warning(f"annotation {names.PREFIX}{key} is ignored: {hint}"))


def _ports(variables: dict[str, str], asked: _Asked) -> tuple[int, int, int]:
    chosen = {key: int(variables.get(SETTINGS[key], default)) for key, default in _PORTS.items()}
    bad = [key for key, port in chosen.items() if port < PORT_LEAST]
    if not bad and len(set(chosen.values())) < len(chosen):
        bad = [key for key in _PORTS if SETTINGS[key] in variables]
    if bad:
        for key in _PORTS:
            variables.pop(SETTINGS[key], None)
        asked.warn(bad[0], f"set it to a free port from {PORT_LEAST} on")
        chosen = dict(_PORTS)
    return chosen["port"], chosen["read-port"], chosen["admin-port"]


def _setting(variable: str) -> Callable[[str], str | None]:
    def problem(value: str) -> str | None:
        try:
            env.parse(_COMPLETE | {variable: value})
        except env.BadSettings as error:
            return error.problems[0].rpartition(": ")[2]
        return None

    return problem


def _quantity(value: str) -> str | None:
    try:
        good = quantity.parse(value) > 0
    except ValueError:
        good = False
    return None if good else "set it to a quantity, such as 100m or 64Mi"


def _list(item: re.Pattern[str], what: str) -> Callable[[str], str | None]:
    def problem(value: str) -> str | None:
        found = _split(value)
        good = len(found) <= NAMES_MAX and all(item.fullmatch(one) for one in found)
        return None if good else f"set it to {what}, at most {NAMES_MAX}, with commas between"

    return problem


def _choice(*words: str) -> Callable[[str], str | None]:
    return lambda value: None if value in words else f"set it to {' or '.join(words)}"


def _split(value: str) -> tuple[str, ...]:
    return tuple(one for item in value.split(",") if (one := item.strip()))
