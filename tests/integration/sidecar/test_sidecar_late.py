"""An acknowledgement that took long is passed on when the API server says that its main is still the main (P-C6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from bolt_words import START

from sidecar.bolt import messages as m
from sidecar.contract.state import CutKind
from tests.integration.sidecar.conftest import Peer, Sidecar, World, cut_of, document, message, success

pytestmark = pytest.mark.anyio
AFTER_S = 0.1
ACKNOWLEDGED = success(late=True)
COUNTED = "memgraph_ha_sidecar_confirmations_total"


@asynccontextmanager
async def _committing(world: World, main: Peer, sidecar: Sidecar) -> AsyncIterator[asyncio.StreamReader]:
    """A client whose COMMIT has reached the main, whose answer takes longer than an ordinary one."""

    async def late(_: object) -> bytes:
        await anyio.sleep(2 * AFTER_S)
        return ACKNOWLEDGED

    main.answers[m.COMMIT] = late
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    try:
        writer.write(START)
        await reader.readexactly(4)
        writer.write(message(m.BEGIN, {}))
        await reader.readexactly(len(success()))
        writer.write(message(m.COMMIT))
        await main.seen(m.COMMIT)
        yield reader
    finally:
        writer.close()


async def _started(world: World) -> tuple[Peer, Sidecar]:
    main = await world.peer("main")
    await world.api.publish(document(main.address))
    sidecar = await world.sidecar(MEMGRAPH_HA_CONFIRM_AFTER_S=str(AFTER_S))
    await sidecar.event("RouteChanged", new_epoch=1)
    await world.api.watched()
    return main, sidecar


async def test_it_is_passed_on_when_nothing_has_changed(world: World) -> None:
    main, sidecar = await _started(world)
    asked = len(world.api.asked)
    async with _committing(world, main, sidecar) as reader:
        assert await reader.readexactly(len(ACKNOWLEDGED)) == ACKNOWLEDGED
    assert len(world.api.asked) == asked + 1
    assert await sidecar.metric(f'{COUNTED}{{result="confirmed"}}') == 1


async def test_it_is_not_when_the_api_server_knows_of_a_cut_that_the_watch_did_not_bring(world: World) -> None:
    main, sidecar = await _started(world)
    async with _committing(world, main, sidecar) as reader:
        with world.api.silent_watches():
            await world.api.publish(cut_of(document(main.address), CutKind.FAILOVER))
        assert await reader.read(-1) == b""
    assert (await sidecar.event("AcknowledgementWithheld"))["reason"] == "changed"
    await sidecar.event("RouteChanged", new_epoch=2)


async def test_it_is_not_when_nobody_can_say(world: World) -> None:
    """The node of the main and of this client is cut off: neither hears that another one is main by now."""
    main, sidecar = await _started(world)
    async with _committing(world, main, sidecar) as reader:
        world.api.mute = True
        began = anyio.current_time()
        assert await reader.read(-1) == b""
        assert 2 < anyio.current_time() - began < 5
    line = await sidecar.event("AcknowledgementWithheld")
    assert (line["reason"], line["address"]) == ("unanswered", main.address)
    assert line["took_ms"] >= 1000 * AFTER_S
    assert await sidecar.metric(f'{COUNTED}{{result="unanswered"}}') == 1


async def test_it_is_when_the_api_server_answers_at_the_second_time(world: World) -> None:
    main, sidecar = await _started(world)
    async with _committing(world, main, sidecar) as reader:
        world.api.fail_with = 503
        await sidecar.event("Problem", reason="BadAnswer")
        world.api.fail_with = 0
        assert await reader.readexactly(len(ACKNOWLEDGED)) == ACKNOWLEDGED
