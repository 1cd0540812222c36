"""What a driver sees of Memgraph's errors: retried where nothing was committed, untouched where something may be."""

from __future__ import annotations

import neo4j
import pytest
from neo4j.exceptions import ClientError, Neo4jError, TransientError

from sandbox.memgraph.core import compat, errors
from sidecar.bolt import messages as m
from sidecar.bolt.packstream import Structure
from sidecar.contract import env
from tests.integration.sidecar.conftest import Answerer, Peer, World, document, message, success

pytestmark = pytest.mark.anyio
FAILED = [errors.Failure("memgraph_1_t1_1", "STRICT_SYNC", errors.NOT_IN_SYNC)]
ABORTED = errors.NotReplicated(FAILED, compat.DEFAULT, committed=False)
COMMITTED = errors.NotReplicated([FAILED[0]._replace(mode="SYNC")], compat.DEFAULT, committed=True)


def _once(failure: errors.QueryError, otherwise: bytes) -> Answerer:
    """Fails the first time, and succeeds after it."""
    left = [message(m.FAILURE, {"code": failure.code, "message": failure.message})]

    async def answer(_: Structure) -> bytes:
        return left.pop() if left else otherwise

    return answer


async def _write(tx: neo4j.AsyncManagedTransaction) -> str:
    record = await (await tx.run("CREATE (n) RETURN 'name'")).single(strict=True)
    return str(record[0])


async def _main(world: World) -> Peer:
    main = await world.peer("main")
    await world.api.publish(document(main.address))
    return main


async def test_a_commit_that_was_aborted_everywhere_is_retried(world: World) -> None:
    """The partner died: what STRICT_SYNC took back may be tried again, and the target is asked about."""
    main = await _main(world)
    main.answers[m.COMMIT] = _once(ABORTED, success())
    sidecar = await world.sidecar()
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        assert await session.execute_write(_write) == "main"
    assert sum(request.signature == m.COMMIT for request in main.got) == 2
    await sidecar.event("AbortedOnAllInstances", address=main.address)
    await world.api.asked_for("/configmaps/", times=2)
    assert await sidecar.metric("memgraph_ha_sidecar_rewrites_total") == 1


@pytest.mark.parametrize("how", env.Rewrite)
async def test_a_commit_that_stands_is_never_retried(world: World, how: env.Rewrite) -> None:
    main = await _main(world)
    main.answers[m.COMMIT] = _once(COMMITTED, success())
    sidecar = await world.sidecar(**{env.REWRITE: how.value})
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(ClientError, match="still committed"):
            await session.execute_write(_write)
    assert sum(request.signature == m.COMMIT for request in main.got) == 1


async def test_with_off_even_a_replica_s_refusal_comes_as_it_is(world: World) -> None:
    main = await _main(world)
    main.answers[m.RUN] = _once(errors.QueryError(errors.WRITE_ON_REPLICA), success(fields=[]))
    main.answer(m.PULL, message(m.IGNORED))
    sidecar = await world.sidecar(**{env.REWRITE: "off"})
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(ClientError) as caught:
            await session.run("CREATE (n)")
    assert caught.value.code == errors.CLIENT


async def test_with_all_codes_are_neo_s_and_the_connection_goes_on(world: World) -> None:
    """.NET takes any other code for a broken server."""
    main = await _main(world)
    main.answers[m.BEGIN] = _once(errors.QueryError(errors.CONFLICT, errors.TRANSIENT), success())
    sidecar = await world.sidecar(**{env.REWRITE: "all"})
    async with neo4j.AsyncGraphDatabase.driver(sidecar.uri()) as driver, driver.session() as session:
        with pytest.raises(TransientError) as caught:
            await session.begin_transaction()
        assert isinstance(caught.value, Neo4jError)
        assert caught.value.code == "Neo" + errors.TRANSIENT.removeprefix("Memgraph")
        assert await session.execute_write(_write) == "main"
    assert sum(request.signature == m.HELLO for request in main.got) == 1
