"""`memgraph-ha doctor`: looks for everything that is known to go wrong, and names the fix."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Final

from memgraph_ha.core.checks.facts import Level
from memgraph_ha.core.checks.table import CHECKS, examine, text
from memgraph_ha.gather import gather
from memgraph_ha.installed import only_one
from memgraph_ha.kube import Api, Problem, connect
from memgraph_ha.options import FOUND, OK, parser, run

_HELP: Final = (
    "Look for everything that is known to go wrong, before and after it does, and name the fix of each finding. It\n"
    "changes nothing: in each labelled namespace a pod is created with dryRun. What your rights don't show is said to\n"
    "be unknown."
)


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    made = parser("doctor", _HELP, "an error was found", f"checks: {', '.join(CHECKS)}")
    made.add_argument("-n", "--namespace", help="the release's namespace (default: where it is found)")
    made.add_argument(
        "-N", "--client", action="append", default=[], metavar="NAMESPACE",
        help="look at this namespace, labelled or not yet; may be repeated (default: all that are labelled)",
    )  # fmt: skip
    return run(made, argv, _run)


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments.kubeconfig, arguments.context) as (client, _):
        api = Api(client)
        installed = await only_one(api, arguments.release)
        if arguments.namespace not in (None, installed.namespace):
            raise Problem(
                f"release {installed.name} is in namespace {installed.namespace}, not in {arguments.namespace}"
            )
        done = examine(await gather(api, installed, arguments.client))
    print(json.dumps([asdict(one) for one in done], indent=2) if arguments.output == "json" else text(done))
    return FOUND if any(one.level is Level.ERROR for one in done) else OK
