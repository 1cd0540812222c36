"""The questions that more than one part asks an instance, and how versions differ in answering them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from controller.core import parse
from controller.core.model import Role
from controller.ports import Rejected

Run = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""Runs one statement on the instance that is asked; raises what ports.Database.run raises."""


async def role(run: Run) -> Role:
    """SHOW REPLICATION ROLE."""
    rows = await run("SHOW REPLICATION ROLE;")
    return Role(str(rows[0]["replication role"]))


async def storage(run: Run) -> dict[str, Any]:
    """SHOW STORAGE INFO of the current database, as one mapping."""
    try:
        return parse.storage(await run("SHOW STORAGE INFO ON CURRENT DATABASE;"))
    except Rejected:  # before 3.11 (M-1.4)
        return parse.storage(await run("SHOW STORAGE INFO;"))
