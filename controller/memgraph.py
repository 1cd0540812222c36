"""The door to Memgraph: the neo4j driver, one small pool an address, every call under a deadline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from controller.core.logins import Login
from controller.core.model import Tls
from controller.ports import Denied, Refused, Rejected, Silent
from controller.trust import context

_CLASSIFY_S: Final = 0.2  # only to tell "refused" from "silent" after the driver failed
_POOL: Final = 4  # a probe, a command and a proof at the same time, and one to spare


class Bolt:
    """Implements ports.Database and ports.Door.

    `tls` says how to speak to every address now. `logins` gives what to log in with, the newest first; none where
    Memgraph has no users. At each address, what it accepted last is tried first and what it refused is tried last: a
    password check takes Memgraph some 0.3 s on purpose, and two of them would not fit into a probe.
    """

    def __init__(self, logins: Callable[[], tuple[Login, ...]] = tuple, tls: Callable[[], Tls] = Tls) -> None:
        self._logins = logins
        self._tls = tls
        self._accepted: dict[str, Login | None] = {}
        self._refused: dict[str, set[Login | None]] = {}
        self._drivers: dict[tuple[str, Login | None, Tls], neo4j.AsyncDriver] = {}
        # The driver warns of each lost connection; losing them is our daily work and is reported in our own words.
        logging.getLogger("neo4j").setLevel(logging.CRITICAL)

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        """All rows of one auto-committed statement. Raises Refused, Silent, Denied or Rejected."""
        refusals: list[Denied] = []
        try:
            with anyio.fail_after(timeout):
                return await self._with_some_login(address, query, parameters or {}, refusals)
        except TimeoutError as error:
            if refusals:  # it lives, and another login may still be tried the next time
                raise refusals[-1] from error
            raise Silent(f"{address} did not answer within {timeout:g} s") from error

    async def admits(self, address: str, login: Login, *, timeout: float) -> bool:
        """Whether this login is accepted now. Raises Refused or Silent."""
        driver = _driver(address, login, 1, self._tls())
        try:
            with anyio.fail_after(timeout):
                await self._query(driver, address, "SHOW REPLICATION ROLE;", {})
        except Denied:
            return False
        except Rejected:  # who may not ask that came in all the same
            return True
        except TimeoutError as error:
            raise Silent(f"{address} did not answer within {timeout:g} s") from error
        finally:
            await _close(driver)
        return True

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
        self._accepted.pop(address, None)
        self._refused.pop(address, None)
        for key in [key for key in self._drivers if key[0] == address]:
            await _close(self._drivers.pop(key))

    async def aclose(self) -> None:
        """Close every pool."""
        for address in {address for address, _, _ in self._drivers}:
            await self.forget(address)

    async def _with_some_login(
        self, address: str, query: str, parameters: Mapping[str, Any], refusals: list[Denied]
    ) -> list[dict[str, Any]]:
        for login in self._in_order(address):
            try:
                rows = await self._query(self._pooled(address, login), address, query, parameters)
            except Denied as error:
                refusals.append(error)
                self._refused.setdefault(address, set()).add(login)
                if self._accepted.get(address) == login:
                    self._accepted.pop(address, None)
                continue
            self._accepted[address] = login
            return rows
        raise refusals[-1]

    def _in_order(self, address: str) -> list[Login | None]:
        candidates: list[Login | None] = list(self._logins()) or [None]
        if address in self._accepted:
            candidates = list(dict.fromkeys([self._accepted[address], *candidates]))
        refused = self._refused.get(address, set())
        return sorted(candidates, key=lambda login: login in refused)

    async def _query(
        self, driver: neo4j.AsyncDriver, address: str, query: str, parameters: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        try:
            async with driver.session() as session:
                result = await session.run(query, dict(parameters))
                return await result.data()
        except Neo4jError as error:
            # The driver knows only Neo4j's own code for this, not Memgraph's (M-2.1).
            if (error.code or "").endswith("Security.Unauthenticated"):
                raise Denied(f"{address} refused the credentials") from error
            raise Rejected(error.message or str(error)) from error
        except (DriverError, OSError) as error:
            await self._classify(address, error)
            raise Silent(f"{address}: {error}") from error

    def _pooled(self, address: str, login: Login | None) -> neo4j.AsyncDriver:
        """A login that is refused, and a CA of before, keep their pool until the address is forgotten: others may be
        using it just now."""
        key = address, login, self._tls()
        if key not in self._drivers:
            self._drivers[key] = _driver(address, login, _POOL, key[2])
        return self._drivers[key]

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


def _driver(address: str, login: Login | None, connections: int, tls: Tls) -> neo4j.AsyncDriver:
    secured = context(tls)
    more: dict[str, Any] = {"ssl_context": secured} if secured else {}
    return neo4j.AsyncGraphDatabase.driver(
        f"bolt://{address}",
        auth=(login.name, login.password) if login else None,
        max_connection_pool_size=connections,
        keep_alive=True,
        telemetry_disabled=True,
        user_agent="memgraph-ha-controller",
        **more,
    )


async def _close(driver: neo4j.AsyncDriver) -> None:
    with anyio.move_on_after(_CLASSIFY_S, shield=True):
        await driver.close()
