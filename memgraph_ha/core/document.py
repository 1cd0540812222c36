"""The document as the command reads it: by the contract, so that no key is spelled twice."""

from __future__ import annotations

from typing import Any

from sidecar.contract.state import Document, MalformedDocument, decode


def read(state: Any) -> Document | str:
    """Of the ConfigMap, raw; a sentence where there is none, or none that can be read."""
    data = (state or {}).get("data") or {}
    if not data:
        return "there is no document: no controller has published a main yet"
    try:
        return decode(data)
    except MalformedDocument as error:
        return f"the document can't be read: {error}"
