"""The images of the pods: from our Dockerfiles unchanged, the simulated Memgraph's, and what every pod needs.

No registry is asked. The base is a small Debian with Python (PODS_PYTHON_IMAGE names another one, such as
docker.io/library/python:3.11-slim, which buildah then pulls).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from imaging import base, recipes, store

__all__ = ["build"]


def build(say: Callable[[str], None]) -> dict[str, Path]:
    """Each image's name -> its docker archive, built unless what it is made of has not changed. Raises Unavailable."""
    python = os.environ.get("PODS_PYTHON_IMAGE") or base.ensure(say)
    found: dict[str, Path] = {}
    for recipe in recipes.all_of(python):
        found[recipe.name] = store.ensure(recipe, python, say)
    store.drop_old(found.values())
    return found
