"""A re-seed order as ConfigMap `data`, in lines that the init container's shell reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from controller.core.model import ReseedOrder

_KEY: Final = re.compile(r"pod-(\d+)")
_TEXT: Final = re.compile(r"podUID=(?P<uid>[0-9A-Za-z-]+)\nepoch=(?P<epoch>[0-9]+)\nexpires=(?P<expires>[0-9]+)\n")


def to_data(order: ReseedOrder | None) -> dict[str, str]:
    """One key for the instance, `pod-<ordinal>`; no key without an order."""
    if order is None:
        return {}
    text = f"podUID={order.pod_uid}\nepoch={order.epoch}\nexpires={order.expires}\n"
    return {f"pod-{order.ordinal}": text}


def from_data(data: Mapping[str, str]) -> ReseedOrder | None:
    """The order in there. What is none is ignored: the init container does not carry it out either."""
    for key, text in sorted(data.items()):
        name, found = _KEY.fullmatch(key), _TEXT.fullmatch(text)
        if name is not None and found is not None:
            return ReseedOrder(int(name[1]), found["uid"], int(found["epoch"]), int(found["expires"]))
    return None
