"""A main is cut off in the middle of a commit, with the app on its node that waits for it (P-C6)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest
from plain_client import Object
from pods.faults import Faults

from e2e import placing
from e2e.catalogue import published
from e2e.cluster import Cluster, kubectl
from e2e.database import forwarded
from e2e.forms import long
from e2e.installation import samples, values
from e2e.lane import lane
from e2e.scene import STORE, WEB, Scene
from e2e.verdict import sound
from e2e.waiting import until
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1200)
_NAME = "isolated"
_ADMIN = 7790
_SLOW_MS = 400
"""On the way to each replica: so long stands the vote before the second phase follows. Probes wait 500 ms."""
_VOTE_S = 30.0
_CONNECT_S = 10.0
_GIVEN_UP_S = 60.0
"""The main gives its partner up after 5 to 10 s, the sidecar the API server after 3 more."""
_COUNTED = names.METRIC_PREFIX + "sidecar_confirmations_total"


@pytest.fixture
def isolated(cluster: Cluster, faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release whose Memgraph takes orders from a test, with one app."""
    folder = tmp_path_factory.mktemp(_NAME)
    memgraph = values()["memgraph"] | {"extraArgs": [f"--sim-admin-port={_ADMIN}"]}
    with lane(cluster, _NAME, folder, 1, memgraph=memgraph, webhook={"replicas": 1}) as scene:
        scene.local = faults
        yield scene


class Knobs:
    """The admin port of one simulated instance, by one connection: asking again takes a millisecond or two."""

    def __init__(self, connection: socket.socket, answers: TextIO) -> None:
        self._socket = connection
        self._answers = answers

    def turn(self, **command: Any) -> Object:
        """Give one command."""
        self._socket.sendall(json.dumps(command).encode() + b"\n")
        answer: Object = json.loads(self._answers.readline())
        assert answer["ok"], answer
        return answer


@contextmanager
def _knobs(scene: Scene, pod: str) -> Iterator[Knobs]:
    with (
        forwarded(scene.installation.namespace, f"pod/{pod}", _ADMIN) as port,
        socket.create_connection(("127.0.0.1", port), _CONNECT_S) as connection,
        connection.makefile() as answers,
    ):
        yield Knobs(connection, answers)


def _app_beside_the_main(scene: Scene) -> Object:
    """The app whose node the main is on, after a switchover if need be; the other app writes no more."""
    kubectl("-n", scene.apps, "scale", f"statefulset/{STORE}", "--replicas=0")
    placing.spread(scene)
    (app,) = (pod for pod in scene.app_pods() if pod["metadata"]["name"].startswith(WEB))
    node = app["spec"]["nodeName"]
    beside = next(pod for pod in scene.installation.pods("memgraph") if pod["spec"]["nodeName"] == node)
    placing.main_is(scene, int(beside["metadata"]["name"].rpartition("-")[2]))
    return app


def _cut_off_between_vote_and_end(scene: Scene, node: str) -> float:
    """When the cable was pulled."""
    document = scene.installation.document()
    assert document.sync is not None
    assert scene.local is not None
    partner = f"{_NAME}-{document.sync.ordinal}"
    with _knobs(scene, document.main_pod) as main, _knobs(scene, partner) as replica:
        main.turn(knob="link", peer="*", state="delay", delay_ms=_SLOW_MS)
        deadline = time.monotonic() + _VOTE_S
        # The main has the vote, and has committed; the partner does not know it yet.
        while (voted := replica.turn(show="state")["prepared"]) is None or main.turn(show="state")["ldt"] < voted:
            assert time.monotonic() < deadline, "the partner votes for a commit"
        struck = time.time()
        scene.local.cut_off(node)
    return struck


@long
def test_the_app_beside_it_is_not_told_that_its_write_is_safe(isolated: Scene) -> None:
    scene, local = isolated, isolated.local
    assert local is not None
    app = _app_beside_the_main(scene)
    node, address = app["spec"]["nodeName"], app["status"]["podIP"]
    before = scene.calm()
    struck = _cut_off_between_vote_and_end(scene, node)
    try:
        assert published(scene, before.epoch).main_pod != before.main_pod

        def passed_on() -> str:
            found = samples(local.fetch(node, f"http://{address}:{names.ADMIN_PORT}/metrics"))
            return "" if found.get(f'{_COUNTED}{{result="unanswered"}}') else f"{found}"

        until(passed_on, _GIVEN_UP_S, "what the old main acknowledges at last is withheld")
    finally:
        local.reconnect(node)
    placing.node_is(scene, node, "True")
    assert sound(scene, struck).report.unknown > 0
