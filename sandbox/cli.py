"""`memgraph-ha sandbox ...`: keep a world running in one terminal, look at it and break it from another."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio

from sandbox import control, show, worldfile
from sandbox.control import CannotDo, Control
from sandbox.http import Unreachable
from sandbox.kube import Refused
from sandbox.kubelet.addresses import NoAddress
from sandbox.spoken import SANDBOX
from sandbox.world import World, WorldError
from sidecar.contract import logs

_APPS_MAX: Final = 50
"""Each app pod is two processes of 30 to 40 MB."""
_WRONG_USE: Final = 2
Handler = Callable[[argparse.Namespace], Awaitable[int]]

_DESCRIPTION: Final = """\
A whole memgraph-ha on this machine, without a cluster: three Memgraph instances, two controllers, the webhook, and app
pods with their sidecars. Memgraph and Kubernetes are stand-ins; controller, webhook and sidecar are the real programs.
Everything is forgotten when it ends."""
_EPILOG: Final = f"""\
In one terminal:  {SANDBOX} up
In another:       {SANDBOX} status
                  {SANDBOX} kill main
                  {SANDBOX} failover"""


def main(argv: list[str]) -> int:
    """Run one command; returns its exit code (1: it failed, 2: it was called wrongly)."""
    if argv[:1] == ["memgraph"]:
        os.execv(sys.executable, [sys.executable, "-m", "sandbox.memgraph", *argv[1:]])
    if not argv:
        _parser().print_help(sys.stderr)
        return _WRONG_USE
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:  # argparse has printed why
        return int(error.code or 0)
    handler: Handler = arguments.handler
    try:
        return anyio.run(handler, arguments)
    except worldfile.Occupied as error:
        return _fail(str(error), _WRONG_USE)
    except (worldfile.NoWorld, CannotDo, WorldError, NoAddress) as error:
        return _fail(str(error))
    except (Refused, Unreachable) as error:
        return _fail(f"the sandbox's API server: {error}")
    except KeyboardInterrupt:
        return 130


async def _up(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.dir
    if not 0 <= arguments.apps <= _APPS_MAX:
        return _fail(f"--apps is {arguments.apps}: set it to 0 to {_APPS_MAX}", _WRONG_USE)
    world = World(folder, apps=arguments.apps, progress=lambda step: print(f"  {step}", flush=True))
    problem: Exception | None = None
    # Not raised through the task group, which would wrap it.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_at_signal, signals, tasks.cancel_scope)
            try:
                await _keep(world, folder)
            except (worldfile.Occupied, WorldError, NoAddress, Refused, Unreachable) as error:
                problem = error
                tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem
    print("\nThe sandbox has ended; its logs are in", folder / "pods")
    return 0


async def _cancel_at_signal(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


async def _keep(world: World, folder: Path) -> None:
    print("A sandbox starts: simulated Memgraph, no cluster. About ten seconds.", flush=True)
    log = logging.FileHandler(folder / "runner.log", delay=True)  # the folder is made, and ours, before the first line
    log.setFormatter(logs.JsonLines("sandbox"))
    logging.basicConfig(level=logging.INFO, handlers=[log], force=True)
    async with world:
        print(show.welcome(world.state, folder), flush=True)
        await anyio.sleep_forever()


async def _failover(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        print("asking the controller for another main ...", file=sys.stderr, flush=True)
        done = await driver.switchover("any" if arguments.to is None else str(arguments.to))
    print(f"main: {done.old_main} -> {done.new_main}, epoch {done.epoch}, {done.duration_ms} ms")
    return 0


async def _kill(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        pod, pid = await driver.send_signal(arguments.target, signal.SIGKILL)
    print(f"killed {pod} (pid {pid}, SIGKILL); look: {SANDBOX} status{worldfile.option(arguments.dir)}")
    return 0


async def _hang(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        pod, pid = await driver.send_signal(arguments.target, signal.SIGSTOP)
    print(f"stopped {pod} (pid {pid}, SIGSTOP); wake it: {SANDBOX} resume{worldfile.option(arguments.dir)}")
    return 0


async def _resume(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        if arguments.target:
            woken = [(await driver.send_signal(arguments.target, signal.SIGCONT))[0]]
        else:
            woken = driver.resume_all()
    print(f"woken: {', '.join(woken)}" if woken else "nothing was stopped")
    return 0


async def _partition(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        source, receivers = await driver.partition(arguments.target, arguments.how)
    print(f"{source} can't replicate to {', '.join(receivers)} ({arguments.how})")
    print(f"undo: {SANDBOX} heal{worldfile.option(arguments.dir)}")
    return 0


async def _heal(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        deaf = await driver.heal()
    if deaf:
        return _fail(f"not told, since they don't answer: {', '.join(deaf)}. Try again when they do")
    print("every link works")
    return 0


async def _status(arguments: argparse.Namespace) -> int:
    async with Control(arguments.dir) as driver:
        status: dict[str, Any] = await driver.status()
    print(json.dumps(status, indent=2) if arguments.output == "json" else show.status(status))
    return 0


async def _down(arguments: argparse.Namespace) -> int:
    pid = await control.down(arguments.dir)
    print(f"the sandbox has ended (runner pid {pid})")
    return 0


def _fail(message: str, code: int = 1) -> int:
    print(f"memgraph-ha sandbox: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="memgraph-ha sandbox", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=shape, allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.add_argument(
            "--dir", type=Path, default=worldfile.DEFAULT, help="the sandbox's folder (default: %(default)s)"
        )
        added.set_defaults(handler=handler)
        return added

    up = command("up", _up, "start a sandbox, and keep it until Ctrl-C")
    up.add_argument("--apps", type=int, default=1, metavar="N", help="app pods with a sidecar (default: %(default)s)")
    failover = command("failover", _failover, "a planned switchover: wait until another instance is the main")
    failover.add_argument("--to", type=int, metavar="ORDINAL", help="this instance (default: any)")
    pods = "main, leader, webhook, or a pod's name; an app's name means its sidecar"
    kill = command("kill", _kill, "kill -9 a process; its pod starts it again")
    kill.add_argument("target", nargs="?", default="main", metavar="POD", help=f"{pods} (default: main)")
    hang = command("hang", _hang, "stop a process without ending it (SIGSTOP)")
    hang.add_argument("target", nargs="?", default="main", metavar="POD", help=f"{pods} (default: main)")
    resume = command("resume", _resume, "let what was stopped go on (SIGCONT)")
    resume.add_argument("target", nargs="?", metavar="POD", help=f"{pods} (default: everything)")
    partition = command("partition", _partition, "cut the main's replication")
    partition.add_argument("target", nargs="?", metavar="POD", help="to this instance (default: to all)")
    partition.add_argument(
        "--how",
        choices=("blackhole", "refuse"),
        default="blackhole",
        help="silently, or refused (default: %(default)s)",
    )
    command("heal", _heal, "undo every partition")
    status = command("status", _status, "who is main, who leads, what the sidecars do")
    status.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")
    command("down", _down, "end the sandbox")
    commands.add_parser("memgraph", help="one simulated Memgraph server, with the real one's flags", add_help=False)
    return parser
