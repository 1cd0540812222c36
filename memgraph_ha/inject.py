"""`memgraph-ha inject -f FILE`: manifests with the sidecar in them, for whoever wants no webhook, or wants to look."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from memgraph_ha.core.manifests import NotAManifest, inject
from memgraph_ha.installed import only_one, settings_of
from memgraph_ha.kube import Api, Problem, connect
from memgraph_ha.options import FOUND, OK, parser, run
from webhook.core.model import Release

_BYTES_MAX: Final = 64 * 2**20
"""Of input: far more than all manifests of a cluster, and no pipe that never ends."""
_HELP: Final = (
    "Print manifests (YAML or JSON: pods, workloads, lists of them) with the sidecar in each pod template, as the\n"
    "webhook would inject it. Everything else passes as it came, but for comments. What became of each object is said\n"
    "on stderr."
)
_EPILOG: Final = (
    "The template is labelled, too: the controller then finds its pods, and lets them read the document.\n"
    "With --image nothing is asked of any cluster: the release is --release (default: memgraph-ha) in\n"
    "--release-namespace (default: the same).\n"
)


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    made = parser("inject", _HELP, "a pod template can't have the sidecar (it is printed without it)", _EPILOG)
    made.add_argument("-f", "--filename", required=True, help="a file, or - for stdin")
    made.add_argument("-n", "--namespace", default="default", help="of objects that name none (default: default)")
    made.add_argument("--image", help="the sidecar's image (default: what the installed release injects)")
    made.add_argument("--release-namespace", help="the release's namespace (only with --image)")
    return run(made, argv, _run)


async def _run(arguments: argparse.Namespace) -> int:
    documents = _read(arguments.filename)
    release = await _release(arguments)
    try:
        out, notes = inject(documents, release, arguments.namespace)
    except NotAManifest as error:
        raise Problem(f"{arguments.filename}: {error}") from error
    if arguments.output == "json":
        print(
            json.dumps(
                out[0] if len(out) == 1 else {"apiVersion": "v1", "kind": "List", "items": out}, indent=2, default=str
            )
        )
    else:
        print(yaml.safe_dump_all(out, sort_keys=False, explicit_start=len(out) > 1), end="")
    for note in notes:
        print(f"{note.what}: {note.message}", file=sys.stderr)
    return FOUND if any(note.refused for note in notes) else OK


async def _release(arguments: argparse.Namespace) -> Release:
    if arguments.image:
        name = arguments.release or "memgraph-ha"
        return Release(name, arguments.release_namespace or name, name, True, arguments.image)
    async with connect(arguments.kubeconfig, arguments.context) as (client, _):
        api = Api(client)
        return await settings_of(api, await only_one(api, arguments.release))


def _read(name: str) -> list[Any]:
    try:
        text = sys.stdin.read(_BYTES_MAX) if name == "-" else Path(name).read_text()
        return list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{name} can't be read ({error}): name a file, or - for stdin") from error
    except yaml.YAMLError as error:
        raise Problem(f"{name} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
