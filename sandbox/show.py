"""The sandbox in words: what `up` says when it is ready, and what `status` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import worldfile
from sandbox.spoken import SANDBOX

Object = dict[str, Any]


def welcome(world: Object, folder: Path) -> str:
    """Addresses to use and commands to try."""
    at = worldfile.option(folder)
    lines = ["", "The sandbox is ready (simulated Memgraph, no cluster)."]
    for app in world["apps"]:
        lines += [
            f"  {app['pod']}: what is localhost inside that pod is {app['uri']} here",
            f"    for reads only: {app['readUri']}",
        ]
    if world["apps"]:
        uri = world["apps"][0]["uri"]
        lines += [
            "  Use it from your own program (any Bolt driver, managed transactions, no password):",
            f'    GraphDatabase.driver("{uri}")',
        ]
    lines += [
        f"  kubectl, if you have it: kubectl --kubeconfig {world['kubeconfig']} get pods -A",
        f"  Everything a program needs to know: {folder / 'world.json'}; logs: {folder / 'pods'}",
        "Try from another terminal:",
        f"  {SANDBOX} status{at}",
        f"  {SANDBOX} kill main{at}       # an unplanned failover",
        f"  {SANDBOX} failover{at}        # a planned one",
        "Ctrl-C ends everything.",
    ]
    return "\n".join(lines)


def status(found: Object) -> str:
    """Tables for people."""
    document = found["document"]
    if document is None:
        head = "No valid document is published."
    else:
        partner = "nobody holds every write beside it"
        if document["syncReplica"] is not None:
            partner = f"instance {document['syncReplica']} holds every write too"
        head = (
            f"{document['phase']}: {document['main']} is the main, {partner} (epoch {document['epoch']}, "
            f"term {document['term']})\n{document['reason']}: {document['message']}"
        )
    memgraphs = [(item["pod"], item["state"], _pid(item["pid"]), item["bolt"]) for item in found["memgraphs"]]
    controllers = [(item["pod"], item["state"], _pid(item["pid"])) for item in found["controllers"]]
    webhook = found["webhook"]
    apps = [(app["pod"], *_sidecar(app), _pid(app["sidecarPid"]), app["uri"] or "no sidecar") for app in found["apps"]]
    return "\n\n".join(
        [
            head,
            _table(("MEMGRAPH", "STATE", "PID", "BOLT"), memgraphs),
            _table(("CONTROLLER", "STATE", "PID"), controllers),
            _table(("WEBHOOK", "PID", "URL"), [(webhook["pod"], _pid(webhook["pid"]), webhook["url"])]),
            _table(("APP", "SIDECAR", "EPOCH", "CONNECTIONS", "PID", "URI"), apps),
        ]
    )


def _sidecar(app: Object) -> tuple[str, str, str]:
    state = app["sidecar"]
    if state is None:
        return ("-" if app["uri"] is None else "silent", "-", "-")
    return str(state.get("phase")), str(state.get("epoch")), str(state.get("connections"))


def _pid(pid: int | None) -> str:
    return "-" if pid is None else str(pid)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )
