"""`memgraph-ha status [--watch]`: who is the main, who leads, what is wrong."""

from __future__ import annotations

import argparse
from typing import Final

import anyio

from memgraph_ha import look
from memgraph_ha.core.status import View, leader_of, text, view
from memgraph_ha.installed import only_one
from memgraph_ha.kube import Api, Problem, connect
from memgraph_ha.options import FOUND, OK, as_json, parser, run

_EVERY_S: Final = 2.0
"""What a person reads; five small requests each time."""
_HELP: Final = (
    "Show the document, the Memgraph pods, who leads, and (with the right to get pods/proxy) what the leader knows\n"
    "besides: each instance's own word, and the pods with sidecars."
)


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    made = parser("status", _HELP, "no main serves, no replica holds every write, nobody leads, or a pod is not ready")
    made.add_argument("-n", "--namespace", help="the release's namespace (default: where it is found)")
    made.add_argument("-w", "--watch", action="store_true", help="again whenever something changes, until interrupted")
    return run(made, argv, _run)


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments.kubeconfig, arguments.context) as (client, _):
        api = Api(client)
        release, namespace = await where(api, arguments)
        shown: View | None = None
        while True:
            latest = await _view(api, release, namespace)
            if shown is None or text(latest) != text(shown):
                print(as_json(latest) if arguments.output == "json" else text(latest), flush=True)
                if arguments.watch and arguments.output == "text":
                    print("---", flush=True)
            shown = latest
            if not arguments.watch:
                return FOUND if latest.problems else OK
            await anyio.sleep(_EVERY_S)


async def where(api: Api, arguments: argparse.Namespace) -> tuple[str, str]:
    """Name and namespace of the release; with both given, without the right to read webhook configurations."""
    if arguments.release and arguments.namespace:
        return arguments.release, arguments.namespace
    found = await only_one(api, arguments.release)
    if arguments.namespace not in (None, found.namespace):
        raise Problem(f"release {found.name} is in namespace {found.namespace}, not in {arguments.namespace}")
    return found.name, found.namespace


async def _view(api: Api, release: str, namespace: str) -> View:
    lease, now = await look.lease(api, namespace, release), api.now()
    told, unasked = await look.ask_leader(api, namespace, leader_of(lease, now))
    state = await look.state(api, namespace, release)
    return view(
        release, namespace, state, lease,
        await look.requests(api, namespace, release), await look.instances(api, namespace, release, state),
        told, unasked, now,
    )  # fmt: skip
