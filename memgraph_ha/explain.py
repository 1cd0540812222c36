"""`memgraph-ha explain POD|deploy/X`: does it carry the sidecar, why not, and what to type next."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from memgraph_ha.core import paths
from memgraph_ha.core.explain import Explanation, explain
from memgraph_ha.installed import place, releases, settings_of
from memgraph_ha.kube import Absent, Api, Problem, connect
from memgraph_ha.options import FOUND, OK, as_json, parser, run

_HELP = "Say whether a pod, or the pods of a workload, carry the sidecar; if not, why, and what to type."


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    made = parser("explain", _HELP, "it does not, or not the one it should")
    made.add_argument("target", metavar="POD|KIND/NAME", help="web-0, or deploy/web, sts/db, ds/x, rs/x, job/x, cj/x")
    made.add_argument("-n", "--namespace", help="the pod's namespace (default: the kubeconfig context's)")
    return run(made, argv, _run)


async def _run(arguments: argparse.Namespace) -> int:
    target = paths.target(arguments.target)
    if target is None:
        raise Problem(f"{arguments.target!r} can't carry a sidecar: name a pod, or KIND/NAME such as deploy/web")
    async with connect(arguments.kubeconfig, arguments.context) as (client, default):
        found = await _explain(Api(client), target, arguments.namespace or default, arguments.release)
    if arguments.output == "json":
        print(as_json(found))
    else:
        print(text_of(found))
    return OK if found.well else FOUND


async def _explain(api: Api, target: paths.Target, name: str, release: str | None) -> Explanation:
    try:
        obj = await api.get(target.path(name))
    except Absent as problem:
        raise Problem(
            f"there is no {target} in namespace {name}: see kubectl -n {name} get {target.plural}"
        ) from problem
    found = [await settings_of(api, installed) for installed in await releases(api, release)]
    pods = await _pods(api, obj, name) if target.kind != "Pod" else []
    where, unread = await place(api, name)
    said = explain(str(target), {**obj, "kind": target.kind}, where, found, pods)
    return replace(said, notes=(*said.notes, *unread))


async def _pods(api: Api, obj: Any, namespace: str) -> list[Any]:
    """The workload's pods, by its selector of labels."""
    labels = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return await api.all(paths.inside(namespace, "pods"), labelSelector=selector)


def text_of(found: Explanation) -> str:
    """For a terminal."""
    lines = [f"{found.target} in namespace {found.namespace}: {found.verdict}"]
    lines += [f"  - {note}" for note in found.notes]
    if found.next:
        lines += ["next:", *(f"  {command}" for command in found.next)]
    return "\n".join(lines)
