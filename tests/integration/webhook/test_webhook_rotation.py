"""Five hundred days of two replicas under load: leaves and authorities are renewed, and no admission fails.

Real TLS handshakes and real servers; only the clock is ours. The API server believes an old `caBundle` for a while, and
one replica is new in the middle of a rotation.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from cryptography import x509

from sidecar.contract import names
from webhook import app, certs, trust
from webhook.certs import Pair
from webhook.core.model import Release
from webhook.keeper import HOOKS, SETTLE, Keeper
from webhook.metrics import Metrics
from webhook.namespaces import Namespaces
from webhook.ports import Hooks, Labelled, StoredAuthority
from webhook.serve import Server, bind

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
NAME = "memgraph-ha-webhook.memgraph-ha.svc"
DAYS = 500
LAG = SETTLE * 2 / 3
"""How long the API server goes on with the bundle it knew."""
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: it has the real clock, and the test looks at the times itself."""


@dataclass
class World:
    """The clock, what is stored, and what the API server knows of it. Also the Api of every replica."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    secret: StoredAuthority | None = None
    bundles: dict[str, bytes] = field(default_factory=lambda: dict.fromkeys(HOOKS, b""))
    version: int = 1
    history: list[tuple[datetime, bytes]] = field(default_factory=list)
    issuers: list[bytes] = field(default_factory=list)

    def known_bundle(self) -> bytes:
        """What the API server verifies with: the newest bundle older than its lag, or the first one."""
        known = [bundle for at, bundle in self.history if self.now - at >= LAG]
        return known[-1] if known else self.history[0][1]

    def is_settled(self) -> bool:
        return self.now - self.history[-1][0] > 2 * SETTLE

    async def read_authority(self, name: str) -> StoredAuthority | None:
        return self.secret

    async def create_authority(self, name: str, pair: Pair) -> bool:
        return self.secret is None and self._store(pair)

    async def replace_authority(self, name: str, pair: Pair, version: str) -> bool:
        return self.secret is not None and version == self.secret.version and self._store(pair)

    def _store(self, pair: Pair) -> bool:
        self.version += 1
        self.secret = StoredAuthority(pair, str(self.version))
        self.issuers.append(pair.certificate)
        return True

    async def hooks(self, configuration: str) -> Hooks:
        return Hooks(dict(self.bundles), str(self.version))

    async def apply_bundles(self, configuration: str, bundles: Mapping[str, bytes], version: str) -> bool:
        if version != str(self.version):
            return False
        self.version += 1
        self.bundles |= bundles
        self.history.append((self.now, self.bundles[HOOKS[0]]))
        return True

    async def namespace(self, name: str) -> Labelled:
        return Labelled({names.INJECT_LABEL: names.INJECT_ENABLED}, {})

    async def limit_ranges(self, namespace: str) -> tuple[Any, ...]:
        return ()

    async def old_nodes(self) -> tuple[Any, ...]:
        return ()


@dataclass
class Replica:
    """One webhook: its keeper, and where it listens."""

    keeper: Keeper
    port: int


@asynccontextmanager
async def replica(world: World) -> AsyncIterator[Replica]:
    """Started, and ready as a Deployment's pod has to be before it is called."""
    keeper = Keeper(world, "memgraph-ha", [NAME], lambda: world.now, lambda _: None)
    await keeper.prepare()
    release = Release("memgraph-ha", "memgraph-ha", "memgraph-ha", True, "sidecar:1")
    application = app.create(release, Namespaces(world, time.monotonic), Metrics(), lambda: keeper.problem)
    server = Server(application, keeper.context)
    with bind("127.0.0.1", 0) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            listener.listen()  # so that nobody is refused before the server has begun
            await keeper.check()
            yield Replica(keeper, listener.getsockname()[1])
            server.stop()


class Client:
    """The API server: a connection of its own for each review."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.admitted = 0
        self.served: set[bytes] = set()

    async def review(self, port: int) -> None:
        """One admission; anything but an injected pod is a failure of the test."""
        reader, writer = await self._connect(port)
        body = REVIEW
        head = f"POST /inject HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\r\nconnection: close\r\n" in answer.lower(), "an API server would keep it, also to a lost node"
        response = json.loads(await reader.read())["response"]
        assert response["allowed"] is True
        assert "patch" in response
        self.admitted += 1
        writer.close()
        await writer.wait_closed()

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        bundle = self._world.known_bundle()
        context = ssl.create_default_context(cadata=bundle.decode())
        context.verify_flags |= NO_CHECK_TIME
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        leaf = x509.load_der_x509_certificate(der)
        assert leaf.not_valid_before_utc <= self._world.now < leaf.not_valid_after_utc
        living = [one for one in trust.read(bundle) if one.not_valid_after_utc > self._world.now]
        assert any(issued(leaf, authority) for authority in living), "trusted by an authority that has ended"
        self.served.add(der)
        return reader, writer


def issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    key = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return key == authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def review() -> bytes:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"uid": "u", "kind": kind, "operation": "CREATE", "namespace": "apps", "object": pod}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


REVIEW = review()


async def test_two_rotations_under_load_fail_no_admission() -> None:
    world = World()
    begin, restarted = world.now, False
    client = Client(world)
    async with replica(world) as first, replica(world) as second:
        replicas = [first, second]
        while world.now < begin + timedelta(days=DAYS):
            # Slowly while something is under way, so that what lags is seen to lag.
            world.now += timedelta(days=2) if world.is_settled() else LAG / 2
            await admit(client, replicas)
            for one in replicas:
                await one.keeper.check()
                assert one.keeper.problem is None
                await admit(client, replicas)
            if len(world.issuers) == 2 and not restarted and not world.is_settled():
                restarted = True
                async with replica(world) as newcomer:
                    assert "waiting 60 s" in str(newcomer.keeper.problem)
                    world.now += SETTLE
                    await newcomer.keeper.check()
                    assert newcomer.keeper.problem is None
                    await admit(client, [newcomer, *replicas])
    assert restarted
    assert len(world.issuers) == 3, "two rotations"
    assert len(client.served) >= 2 * DAYS // 20
    assert client.admitted > 2 * DAYS
    assert max(len(trust.read(bundle)) for _, bundle in world.history) == 2, "old and new, and no more"


async def admit(client: Client, replicas: list[Replica]) -> None:
    """Two reviews of each replica at once."""
    async with anyio.create_task_group() as tasks:
        for one in (*replicas, *replicas):
            tasks.start_soon(client.review, one.port)


async def test_without_the_wait_the_same_rotation_would_fail() -> None:
    """A planted fault: whoever serves a new authority's leaf at once is not trusted yet."""
    world = World()
    async with replica(world) as one:
        await Client(world).review(one.port)
        world.now += certs.AUTHORITY_LIFETIME * 2 / 3
        await one.keeper.check()
        assert world.secret is not None
        one.keeper._serve(world.secret.pair)
        with pytest.raises(ssl.SSLCertVerificationError):
            await Client(world).review(one.port)
