"""`python -m proxy.followers HOST PORT NAMESPACE NAME TOKEN_DIR COUNT`: so many sidecars' followers in one process.

Each has a watch of its own over a TLS connection of its own, as a sidecar has. Prints a JSON line when all follow, and
one whenever all have acted on an epoch: when the first, the median and the last did (CLOCK_MONOTONIC, which all
processes of a machine share).
"""

from __future__ import annotations

import functools
import gc
import json
import sys
import time

import anyio

from sidecar import kube
from sidecar.core.follow import Changed, Follow, Problem


class Fleet:
    """What the followers of this process know."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._signs = [0] * count
        self._acted: dict[int, list[float]] = {}
        self._following = False

    def learn(self, number: int, outcome: Changed | Problem | None) -> None:
        """Follower `number` learned something: the place where a sidecar cuts."""
        now = time.monotonic()
        if isinstance(outcome, Problem):
            _say(problem=outcome.message)
            return
        self._signs[number] += 1
        if isinstance(outcome, Changed):
            epoch = outcome.state.document.epoch
            times = self._acted.setdefault(epoch, [])
            times.append(now)
            if len(times) == self._count:
                del self._acted[epoch]
                _say(epoch=epoch, first=times[0], middle=times[len(times) // 2], last=now)
        if not self._following and self._signs[number] >= 2 and min(self._signs) >= 2:  # the GET, then the watch
            self._following = True
            gc.freeze()  # one sidecar has one follower's heap to look through, not those of hundreds
            _say(following=self._count)


async def follow(where: kube.Where, count: int) -> None:
    """Follow until killed."""
    fleet = Fleet(count)
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            state = Follow(where.namespace, where.config_map)
            tasks.start_soon(kube.follow, kube.Kube(where), state, functools.partial(fleet.learn, number))


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    host, port, namespace, name, token_dir, number = sys.argv[1:]
    anyio.run(
        follow,
        kube.Where(host, int(port), namespace, name, token_dir),
        int(number),
        backend_options={"use_uvloop": True},
    )
