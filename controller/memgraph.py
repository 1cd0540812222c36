"""The door to Memgraph: the neo4j driver, one small pool an address, every call under a deadline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import anyio
import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from controller.ports import Denied, Refused, Rejected, Silent

_CLASSIFY_S: Final = 0.2  # only to tell "refused" from "silent" after the driver failed
_POOL: Final = 4  # a probe, a command and a proof at the same time, and one to spare


class Bolt:
    """Implements ports.Database."""

    def __init__(self, username: str = "", password: str = "") -> None:
        self._auth = (username, password) if username else None
        self._drivers: dict[str, neo4j.AsyncDriver] = {}
        # The driver warns of each lost connection; losing them is our daily work and is reported in our own words.
        logging.getLogger("neo4j").setLevel(logging.CRITICAL)

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        """All rows of one auto-committed statement. Raises Refused, Silent, Denied or Rejected."""
        try:
            with anyio.fail_after(timeout):
                async with self._driver(address).session() as session:
                    result = await session.run(query, dict(parameters or {}))
                    return await result.data()
        except TimeoutError as error:
            raise Silent(f"{address} did not answer within {timeout:g} s") from error
        except Neo4jError as error:
            # The driver knows only Neo4j's own code for this, not Memgraph's (M-2.1).
            if (error.code or "").endswith("Security.Unauthenticated"):
                raise Denied(f"{address} refused the credentials") from error
            raise Rejected(error.message or str(error)) from error
        except (DriverError, OSError) as error:
            await self._classify(address, error)
            raise Silent(f"{address}: {error}") from error

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        """Whether something accepts a TCP connection there."""
        try:
            with anyio.fail_after(timeout):
                stream = await anyio.connect_tcp(host, port)
        except (OSError, TimeoutError):
            return False
        await stream.aclose()
        return True

    async def forget(self, address: str) -> None:
        """Close what is pooled for this address."""
        driver = self._drivers.pop(address, None)
        if driver is not None:
            with anyio.move_on_after(_CLASSIFY_S, shield=True):
                await driver.close()

    async def aclose(self) -> None:
        """Close every pool."""
        for address in list(self._drivers):
            await self.forget(address)

    def _driver(self, address: str) -> neo4j.AsyncDriver:
        if address not in self._drivers:
            self._drivers[address] = neo4j.AsyncGraphDatabase.driver(
                f"bolt://{address}",
                auth=self._auth,
                max_connection_pool_size=_POOL,
                keep_alive=True,
                telemetry_disabled=True,
                user_agent="memgraph-ha-controller",
            )
        return self._drivers[address]

    async def _classify(self, address: str, error: Exception) -> None:
        """The driver says "unavailable" for a dead port and for a broken pooled connection alike."""
        host, _, port = address.rpartition(":")
        try:
            with anyio.fail_after(_CLASSIFY_S):
                stream = await anyio.connect_tcp(host.strip("[]"), int(port))
        except TimeoutError:
            return
        except OSError:
            raise Refused(f"{address} refuses connections") from error
        await stream.aclose()
