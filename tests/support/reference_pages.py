"""What stands between the markers of docs/metrics.md and docs/configuration.md. `make reference` writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import reference_metrics
import reference_values

import controller.settings
import sidecar.contract.env
import webhook.settings
from sidecar.contract import names
from webhook.core import options

DOCS: Final = Path(__file__).parents[2] / "docs"
_PART: Final = re.compile(r"(<!-- ([a-z]+):begin -->\n).*?(<!-- \2:end -->)", re.DOTALL)


def _variables(table: Mapping[str, str]) -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in table.items()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])


def _sidecar() -> str:
    """With the annotation that sets a variable for a pod, where there is one."""
    annotations = {variable: f"`{names.PREFIX}{key}`" for key, variable in options.SETTINGS.items()}
    rows = [
        f"| `{name}` | {annotations.get(name, '')} | {meaning} |"
        for name, meaning in sidecar.contract.env.VARIABLES.items()
    ]
    resources = [
        f"| | `{names.PREFIX}{key}` | {kind.removesuffix('s')} of {what} of its container |"
        for key, (kind, what) in options.RESOURCES.items()
    ]
    return "\n".join(["| variable | annotation | meaning |", "|---|---|---|", *rows, *resources])


PAGES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "metrics.md": {
        "controller": lambda: reference_metrics.table("controller"),
        "webhook": lambda: reference_metrics.table("webhook"),
        "sidecar": lambda: reference_metrics.table("sidecar"),
    },
    "configuration.md": {
        "values": reference_values.table,
        "controller": lambda: _variables(controller.settings.VARIABLES),
        "webhook": lambda: _variables(webhook.settings.VARIABLES),
        "sidecar": _sidecar,
    },
}
"""Page -> marker -> what stands there."""


def filled(page: str, text: str) -> str:
    """The page with every part anew. Raises ValueError if it lacks a marker."""
    parts = PAGES[page]
    missing = parts.keys() - {match[2] for match in _PART.finditer(text)}
    if missing:
        raise ValueError(f"docs/{page} has no <!-- {min(missing)}:begin --> ... <!-- {min(missing)}:end -->")
    return _PART.sub(lambda match: f"{match[1]}{parts[match[2]]()}\n{match[3]}", text)


if __name__ == "__main__":
    for name in PAGES:
        path = DOCS / name
        path.write_text(filled(name, path.read_text()))
