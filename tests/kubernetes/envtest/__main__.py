"""`python -m envtest`: build, start or pin a control plane from the command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from envtest import binaries, modules, versions
from envtest.control_plane import control_plane
from envtest.failure import DidNotStart, Unavailable


def main() -> int:
    """Exit code 1: not to be had, or did not start."""
    arguments = _parser().parse_args()
    try:
        match arguments.command:
            case "build":
                return _build(arguments)
            case "up":
                return _up(arguments)
            case _:
                made = modules.pin_other if arguments.pin in versions.OTHERS else modules.pin_kubernetes
                print(made(arguments.pin))
    except (Unavailable, DidNotStart) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _build(arguments: argparse.Namespace) -> int:
    names = ["etcd", versions.API_SERVER, versions.CONTROLLER_MANAGER]
    try:
        scheduler = [versions.SCHEDULER] if arguments.scheduler else []
        clients = versions.CLIENTS if arguments.clients else []
        for path in binaries.build([*names, *scheduler, *clients], arguments.version):
            print(path)
    except Unavailable as error:
        print(error, file=sys.stderr)
        # Elsewhere the tests that need it are skipped, and say so; in CI nothing may be skipped unnoticed.
        return 1 if not arguments.optional or os.environ.get("CI") == "true" else 0
    return 0


def _up(arguments: argparse.Namespace) -> int:
    # Before anything starts: the programs inherit what is blocked, so it is not.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="envtest-") as folder:
        started = time.monotonic()
        try:
            with control_plane(
                Path(folder), version=arguments.version, controller_manager=arguments.controller_manager,
                scheduler=arguments.scheduler,
            ) as cluster:  # fmt: skip
                print(f"# Kubernetes {cluster.version}, started in {time.monotonic() - started:.1f} s; Ctrl-C ends it")
                print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
                signal.pause()
        except KeyboardInterrupt:
            pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m envtest", description="A real Kubernetes API server for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build etcd, kube-apiserver and kube-controller-manager, once")
    build.add_argument("--optional", action="store_true", help="exit 0 although it failed, but for CI=true")
    build.add_argument("--clients", action="store_true", help=f"{', '.join(versions.CLIENTS)}, too")
    up = commands.add_parser("up", help="start a control plane; its kubeconfig is printed")
    up.add_argument("--controller-manager", action="store_true", help="with Deployments, garbage collection, ...")
    for command in (build, up):
        command.add_argument("--version", default=versions.wanted(), help="default %(default)s (KUBERNETES_VERSION)")
        command.add_argument("--scheduler", action="store_true", help="with kube-scheduler")
    pin = commands.add_parser("pin", help="write the Go module that pins a version")
    pin.add_argument("pin", metavar="VERSION", help=f"of Kubernetes (1.35.4), or one of {', '.join(versions.OTHERS)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
