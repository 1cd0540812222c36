"""`python -m controller`: settings -> adapters -> loop. Wiring only."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import anyio

from controller.act import Actor
from controller.core.election import holder_of
from controller.core.logins import Login
from controller.core.status import Status
from controller.fleet import Fleet
from controller.http import application, listen, serve
from controller.kube.client import connect
from controller.kube.cluster import Cluster
from controller.kube.faces import PodFaces
from controller.kube.fleet import FleetStore
from controller.kube.lease import LeaseStore
from controller.kube.requests import RequestStore
from controller.kube.state import StateStore
from controller.leadership import Leadership
from controller.loop import Loop, Wake
from controller.memgraph import Bolt
from controller.metrics import Metrics
from controller.observe import FIRST_LOGIN_S, PROBE_TIMEOUT_S, Prober
from controller.report import Reporter
from controller.settings import VARIABLES, Settings, from_env
from controller.surfaces import Surfaces
from controller.trust import Trust
from controller.users import Users
from controller.usersecret import UserSecret
from sidecar.contract import logs, names
from sidecar.contract.env import BadSettings
from sidecar.contract.state import Document

LOG: Final = logging.getLogger("controller")
_SETTLED_S: Final = 1.0  # by then the first answers were read, and what reads them is loaded


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; the Lease is released then."""
    metrics, wake = Metrics(), Wake()
    sock = listen(settings)
    fallback = Login(settings.username, settings.password) if settings.username else None
    secret = UserSecret(settings.users_dir, settings.controller_user, fallback)
    secret.look()
    trust = Trust(settings.tls_ca_file, settings.tls_server_name)
    trust.begin()
    database = Bolt(secret.logins, lambda: trust.tls)
    async with connect(settings.kubeconfig) as api:
        store = StateStore(api, settings.namespace, names.state_config_map(settings.release))
        requests = RequestStore(api, settings.namespace, names.requests_config_map(settings.release))
        cluster = Cluster(api, settings)
        lease = LeaseStore(api, settings.namespace, names.lease(settings.release))
        holder = holder_of(settings.identity, secrets.token_hex(4))
        leadership = Leadership(lease, holder, settings.timings, wake.set)
        first_s = FIRST_LOGIN_S if settings.users_dir or fallback else PROBE_TIMEOUT_S
        prober = Prober(database, settings.policy.probe_interval_s, wake.set, metrics.probed, first_s)

        def published(document: Document) -> None:
            leadership.published(document.epoch, document.term)

        surfaces = Surfaces(PodFaces(api, settings.namespace), leadership.remaining)
        users = Users(database, database, secret, wake.set)
        actor = Actor(database, store, cluster, requests, prober, leadership, published, users)
        loop = Loop(
            identity=settings.identity,
            policy=settings.policy,
            store=store,
            cluster=cluster,
            requests=requests,
            prober=prober,
            leadership=leadership,
            actor=actor,
            report=Reporter(metrics),
            surfaces=surfaces,
            wake=wake,
            users=users,
            tls=lambda: trust.tls,
        )
        pods = FleetStore(api, settings.namespace, settings.release)
        fleet = Fleet(pods, settings.fleet, leadership.remaining, metrics) if settings.fleet else None

        def status() -> Status:
            return replace(loop.status(), fleet=fleet.status() if fleet else None)

        def ready() -> bool:
            return leadership.record is not None and cluster.replicas_wanted > 0

        app = application(metrics, ready, status)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(cluster.watch_pods, prober.pods_changed)
                group.start_soon(cluster.watch_size, prober.pods_changed)
                for name in (names.state_config_map(settings.release), names.requests_config_map(settings.release)):
                    group.start_soon(cluster.watch_config_map, name, loop.look_again)
                group.start_soon(secret.follow, wake.set)
                group.start_soon(trust.follow, wake.set)
                group.start_soon(leadership.campaign)
                group.start_soon(loop.run)
                group.start_soon(surfaces.run)
                if fleet is not None:
                    group.start_soon(fleet.run)
                group.start_soon(serve, app, sock)
                group.start_soon(_settle, ready)
                logs.emit(LOG, "Started", identity=settings.identity, release=settings.release)
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for number in signals:
                        logs.emit(LOG, "Stopping", signal=signal.Signals(number).name)
                        break
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await leadership.release()
                await database.aclose()


async def _settle(ready: Callable[[], bool]) -> None:
    """Tell the garbage collector that what was loaded stays.

    The Kubernetes client alone is so many objects that looking through them stopped everything for 100 to 150 ms, each
    time that an audit of the fleet had brought enough new ones.
    """
    while True:
        await anyio.sleep(_SETTLED_S)
        if ready():
            gc.freeze()
            return


def main() -> int:
    """The program. Exit code 2 for bad settings."""
    if sys.argv[1:]:
        lines = "\n".join(f"  {name}\n      {text}" for name, text in VARIABLES.items())
        sys.stdout.write(f"usage: python -m controller\n\nSettings are environment variables:\n{lines}\n")
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    try:
        settings = from_env(os.environ)
        logs.configure("controller", settings.log_level)
        anyio.run(run, settings)
    except BadSettings as error:
        sys.stderr.write("controller: bad settings:\n" + "".join(f"  {problem}\n" for problem in error.problems))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
