"""`python -m pods`: run the tests of tests/pods/e2e in a cluster of real pods, or a shell, or keep one up."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import imaging
from envtest import binaries, versions
from envtest.failure import DidNotStart, Unavailable
from imaging.buildah import NotBuilt

from pods import needs, outside, policies
from pods.cluster import cluster

ROOT = Path(__file__).parents[3]
_PROGRAMS = ["etcd", *versions.OF_KUBERNETES, "coredns", "helm", policies.PROGRAM]
_VERSION = versions.DEFAULT_KUBERNETES
_NOT_HERE = 3


def main() -> int:
    """Exit code 3: not to be had on this machine; 1: it did not start, or an image is not built; else the command's."""
    arguments, more = _parser().parse_known_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if arguments.folder:
            return _inside(arguments.folder, arguments.command, more)
        if arguments.command == "run" and os.environ.get("USE_EXISTING_CLUSTER") == "true":
            return _elsewhere(more)
        if arguments.command == "enter":
            return _enter(more)
        return _outside(arguments.command, more)
    except Unavailable as error:
        _say(str(error))
        return _NOT_HERE
    except (DidNotStart, NotBuilt) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _elsewhere(more: Sequence[str]) -> int:
    """In the cluster of KUBECONFIG, with the programs that are there."""
    if missing := [program for program in ("kubectl", "helm") if shutil.which(program) is None]:
        raise Unavailable(f"Not in PATH: {', '.join(missing)}; next: install them, or leave USE_EXISTING_CLUSTER out")
    return subprocess.call([sys.executable, "-m", "pytest", *more], cwd=ROOT)


def _outside(command: str, more: Sequence[str]) -> int:
    if why := needs.here():
        raise Unavailable(why)
    needs.install(_say)
    binaries.build(_PROGRAMS, _VERSION)
    images = imaging.build(_say)
    with outside.workplace() as folder:
        (folder / "images.json").write_text(json.dumps([str(path) for path in images.values()]))
        return outside.run(folder, [command, *more])


def _inside(folder: Path, command: str, more: Sequence[str]) -> int:
    images = [Path(path) for path in json.loads((folder / "images.json").read_text())]
    started = time.monotonic()
    _say(f"Starting a Kubernetes {_VERSION} with real nodes")
    with cluster(folder, images, needs.plugins(), _VERSION) as found:
        _say(f"Its nodes are Ready after {time.monotonic() - started:.0f} s")
        environment = {**os.environ, **found}
        match command:
            case "up":
                _say(f"Up in {folder}; Ctrl-C ends it. In another terminal: python -m pods enter [COMMAND]")
                (folder / "environment.json").write_text(json.dumps(found))
                signal.pause()
                return 0
            case "shell":
                _say("kubectl and helm find the cluster; exit ends it")
                return subprocess.call([os.environ.get("SHELL", "/bin/bash"), *more], env=environment)
            case _:
                return subprocess.call([sys.executable, "-m", "pytest", *more], env=environment, cwd=ROOT)


def _enter(more: Sequence[str]) -> int:
    up = [folder for folder in outside.living() if (folder / "environment.json").exists()]
    if not up:
        raise Unavailable("no cluster is up; next: python -m pods up")
    found: dict[str, str] = json.loads((up[0] / "environment.json").read_text())
    variables = [f"{name}={value}" for name, value in found.items()]
    return outside.enter(up[0], ["env", *variables, *(more or ["/bin/bash"])])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pods", description="A Kubernetes with real pods, for tests.")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # how it calls itself in the namespaces
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run pytest in one: what follows are its arguments", add_help=False)
    commands.add_parser("shell", help="a shell in one, which ends with it")
    commands.add_parser("up", help="keep one up until Ctrl-C")
    commands.add_parser("enter", help="run a command (or a shell) in the one that is up", add_help=False)
    return parser


if __name__ == "__main__":
    sys.exit(main())
