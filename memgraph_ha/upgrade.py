"""`memgraph-ha upgrade-sidecars`: another image for running sidecars, one pod after the other; the apps go on."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any, Final

import anyio

from memgraph_ha.core import paths
from memgraph_ha.core.upgrade import Done, Outcome, Step, runs, steps, summary
from memgraph_ha.installed import place_of, releases, settings_of
from memgraph_ha.kube import Absent, Api, Problem, connect
from memgraph_ha.options import FOUND, OK, parser, run
from sidecar.contract import names

_PAUSE_S: Final = 1.0
"""Between two pods: an API server and a registry don't notice, and somebody who watches can stop it."""
_POLL_S: Final = 0.5
_TIMEOUT_S: Final = 120.0
"""For one pod: an image of some 60 MB to pull, and the startup probe."""
_HELP: Final = (
    "Give running sidecars their release's image: it patches pods with your own rights (get, list, patch pods), one\n"
    "after the other, and waits until the sidecar runs again. The kubelet restarts that container alone; the app sees\n"
    "its connections to the database close. It stops at the first sidecar that does not come back."
)


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    made = parser("upgrade-sidecars", _HELP, "a sidecar did not come back, or a pod could not be patched")
    made.add_argument("-n", "--namespace", help="only pods of this namespace (default: all labelled namespaces)")
    made.add_argument("--max", type=_count, metavar="N", help="at most N pods, to try it (default: all)")
    made.add_argument("--dry-run", action="store_true", help="only say which")
    made.add_argument("--no-wait", action="store_true", help="patch one pod a second, and don't look what came of it")
    made.add_argument(
        "--timeout", type=float, default=_TIMEOUT_S, metavar="S", help=f"seconds for a pod (default: {_TIMEOUT_S:g})"
    )
    return run(made, argv, _run)


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments.kubeconfig, arguments.context) as (client, _):
        api = Api(client)
        wanted = await _steps(api, arguments.namespace, arguments.release)
        chosen = wanted[: arguments.max] if arguments.max else wanted
        if arguments.dry_run:
            return _dry(chosen, arguments)
        done: list[Done] = []
        for number, step in enumerate(chosen, 1):
            if done:
                await anyio.sleep(_PAUSE_S)
            done.append(await _upgrade(api, step, None if arguments.no_wait else arguments.timeout))
            _progress(f"[{number}/{len(chosen)}] {step.namespace}/{step.pod}: {_said(done[-1])}")
            if done[-1].outcome is Outcome.FAILED:
                break
    failed = [d for d in done if d.outcome is Outcome.FAILED]
    if arguments.output == "json":
        print(json.dumps({"pods": [asdict(d) for d in done], "left": len(wanted) - len(done)}, indent=2))
    else:
        print(summary(done, len(wanted) - len(done)))
        for one in failed:
            print(f"next: memgraph-ha explain {one.pod} -n {one.namespace}", file=sys.stderr)
    return FOUND if failed else OK


async def _steps(api: Api, namespace: str | None, release: str | None) -> list[Step]:
    found = [await settings_of(api, installed) for installed in await releases(api, release)]
    if namespace:
        raw = [await api.get(f"{paths.NAMESPACES}/{namespace}")]
    else:
        raw = await api.all(paths.NAMESPACES, labelSelector=f"{names.INJECT_LABEL}={names.INJECT_ENABLED}")
    known = {place.name: place for place in map(place_of, raw)}
    pods = [pod for name in known for pod in await api.all(paths.inside(name, "pods"))]
    return steps(pods, known, found)


async def _upgrade(api: Api, step: Step, timeout: float | None) -> Done:
    """One pod; None: don't wait. A Problem of one pod is its outcome, not the end of the others' story."""
    path = paths.inside(step.namespace, "pods", step.pod)
    try:
        before = await api.get(path)
        await api.patch(path, step.operations)
        if timeout is None:
            return Done(step.namespace, step.pod, Outcome.PATCHED)
        return await _follow(api, path, before, step, timeout)
    except Absent:
        return Done(step.namespace, step.pod, Outcome.GONE)
    except Problem as problem:
        return Done(step.namespace, step.pod, Outcome.FAILED, str(problem))


async def _follow(api: Api, path: str, before: Any, step: Step, timeout: float) -> Done:
    with anyio.move_on_after(timeout):
        while True:
            await anyio.sleep(_POLL_S)
            pod = await api.get(path)
            if pod["metadata"].get("uid") != before["metadata"].get("uid"):
                return Done(step.namespace, step.pod, Outcome.GONE)
            state = runs(pod, before, step.new)
            if isinstance(state, str):
                return Done(step.namespace, step.pod, Outcome.FAILED, state)
            if state:
                return Done(step.namespace, step.pod, Outcome.UPGRADED)
    return Done(step.namespace, step.pod, Outcome.FAILED, f"its sidecar does not run again within {timeout:g} s")


def _dry(chosen: list[Step], arguments: argparse.Namespace) -> int:
    if arguments.output == "json":
        print(json.dumps([asdict(step) for step in chosen], indent=2))
    for step in chosen if arguments.output == "text" else ():
        print(f"{step.namespace}/{step.pod}: {step.old} -> {step.new}")
    if not chosen and arguments.output == "text":
        print(summary([], 0))
    return OK


def _said(done: Done) -> str:
    return f"{done.outcome}{f': {done.message}' if done.message else ''}"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of pods: write 1 or more")
    return int(text)
