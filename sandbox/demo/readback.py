"""Reads every id back from the final main, over Bolt, with the driver any app would use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
from neo4j import AsyncDriver, AsyncGraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

_READ_S: Final = 15.0
"""For all ids of one run (some thousands), on a slow machine."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The ids on one main; an id that is there twice is listed twice."""

    pod: str
    ids: Sequence[str]


async def read_back(instances: Mapping[str, str], published: str) -> ReadBack | None:
    """The ids of the published main (a pod name); if it is none, of whichever instance says that it is MAIN.

    `instances`: Bolt addresses by pod. None when nobody is MAIN and answers.
    """
    for pod in sorted(instances, key=lambda pod: pod != published):
        found = await _read(pod, instances[pod])
        if found is not None:
            return found
    return None


async def _read(pod: str, address: str) -> ReadBack | None:
    # The deadlines are the driver's own: a hung instance must not hold us up by its silence.
    driver = AsyncGraphDatabase.driver(f"bolt://{address}", auth=("", ""), connection_timeout=2.0)
    try:
        with anyio.move_on_after(_READ_S):
            return await _ids(pod, driver)
    except (DriverError, Neo4jError, OSError):
        return None
    finally:
        with anyio.move_on_after(2.0, shield=True):
            await driver.close()
    return None


async def _ids(pod: str, driver: AsyncDriver) -> ReadBack | None:
    async with driver.session() as session:
        role = await (await session.run("SHOW REPLICATION ROLE")).single()
        if role is None or role["replication role"] != "main":
            return None
        result = await session.run("MATCH (w:Write) RETURN w.id AS id")
        return ReadBack(pod, [record["id"] async for record in result])
