"""`python -m webhook`: settings, then certificate, then serve until SIGTERM. Wiring only."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import anyio

from sidecar.contract.env import BadSettings
from sidecar.contract.logs import configure
from webhook import app, kube, settings
from webhook.keeper import Keeper
from webhook.metrics import Metrics
from webhook.mounted import MountedCertificate
from webhook.namespaces import Namespaces
from webhook.nodes import Nodes
from webhook.ports import Api
from webhook.serve import PortTaken, Server, bind
from webhook.settings import Settings


def main() -> int:
    """Run the webhook. Exit code 2 for settings that can't work."""
    _parser().parse_args()
    try:
        chosen = settings.from_env(os.environ)
    except BadSettings as error:
        return _refuse(error.problems)
    configure("webhook", chosen.log_level)
    try:
        with bind(chosen.address, chosen.port) as listener:
            anyio.run(_run, chosen, listener, backend_options={"use_uvloop": True})
    except (PortTaken, kube.BadAccess) as error:
        return _refuse([str(error)])
    return 0


async def _run(chosen: Settings, listener: socket.socket) -> None:
    async with kube.connect(chosen.kubeconfig, chosen.release.namespace) as api, anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            stop = _Stop(tasks.cancel_scope)
            tasks.start_soon(stop.at_first, signals)
            metrics, nodes = Metrics(), Nodes(api)
            keeper = _keeper(chosen, api, metrics)
            await keeper.prepare()
            namespaces = Namespaces(api, time.monotonic, lambda: nodes.old)
            application = app.create(chosen.release, namespaces, metrics, lambda: keeper.problem or nodes.problem)
            server = stop.server = Server(application, keeper.context)
            tasks.start_soon(keeper.run)
            tasks.start_soon(nodes.run)
            _spare_collections()
            await server.serve(sockets=[listener])
            tasks.cancel_scope.cancel()


def _spare_collections() -> None:
    # The imported packages are 180,000 objects that never go away: a full garbage collection that looks at them holds
    # every review up for a third of a second.
    gc.collect()
    gc.freeze()


def _keeper(chosen: Settings, api: Api, metrics: Metrics) -> Keeper | MountedCertificate:
    def renewed(ends: datetime) -> None:
        metrics.certificate_ends(ends.timestamp())

    if chosen.certificate_dir:
        return MountedCertificate(api, chosen.release.name, chosen.certificate_dir, renewed)
    return Keeper(api, chosen.release.name, _hosts(chosen), lambda: datetime.now(UTC), renewed)


def _hosts(chosen: Settings) -> list[str]:
    """Every name and address by which the API server may call us."""
    service = f"{chosen.release.name}-webhook.{chosen.release.namespace}.svc"
    own = [address for address in (chosen.pod_ip, chosen.address) if address not in ("", "0.0.0.0", "::")]
    return [service, "localhost", "127.0.0.1", *own]


class _Stop:
    """At the first signal: end in good order if we serve already, else at once."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        self.server: Server | None = None

    async def at_first(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for _ in signals:
            if self.server is None:
                self._scope.cancel()
            else:
                self.server.stop()
            return


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<28} {meaning}" for name, meaning in settings.VARIABLES.items())
    return argparse.ArgumentParser(
        prog="python -m webhook",
        description="The mutating admission webhook of memgraph-ha: injects the sidecar into pods that ask for it.",
        epilog=f"settings, all from the environment:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _refuse(problems: Iterable[str]) -> int:
    sys.stderr.write("".join(f"webhook: {problem}\n" for problem in problems))
    return 2


if __name__ == "__main__":
    sys.exit(main())
