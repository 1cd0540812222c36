"""`python -m sandbox.kubernetes --address A --port P --dir DIR`: a small stand-in for a Kubernetes API server.

It writes DIR/ca.crt and DIR/kubeconfig (readable by the owner only) once it listens. Everything is in memory: a
restart forgets all objects and tokens. It is a stand-in: no etcd, no scheduler, no defaulting or validation beyond
what our own programs would notice. What it does is compared with a real API server, row by row (tests/kubernetes).
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop

from sandbox.http import Http
from sandbox.kubernetes.admission import Admission
from sandbox.kubernetes.app import ApiServer
from sandbox.kubernetes.certificates import Authority, make_authority, write_private
from sandbox.kubernetes.core.store import Store
from sandbox.kubernetes.core.tokens import Tokens
from sandbox.kubernetes.stream import Bell
from sandbox.kubernetes.verbs import Verbs, random_token
from sidecar.contract import logs


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 2: wrong settings."""
    arguments = _parser().parse_args(argv)
    logs.configure("kubernetes", arguments.log_level)
    arguments.dir.mkdir(parents=True, exist_ok=True)
    try:
        listener = socket.create_server((arguments.address, arguments.port), backlog=1024)
    except OSError as error:
        print(
            f"cannot listen on --address {arguments.address} --port {arguments.port}: {error.strerror}; "
            "give another port, or 0 for a free one",
            file=sys.stderr,
        )
        return 2
    with listener:
        uvloop.run(_serve(arguments, listener))
    return 0


async def _serve(arguments: argparse.Namespace, listener: socket.socket) -> None:
    folder: Path = arguments.dir
    address, port = listener.getsockname()[:2]
    authority = make_authority("sandbox kubernetes")
    token = random_token()
    certificate = folder / "kubernetes.pem"
    write_private(certificate, authority.issue([address, "127.0.0.1", "localhost", "kubernetes.default.svc"]))
    store, bell, tokens = Store(arguments.history), Bell(), Tokens(token)
    async with Http() as http:
        verbs = Verbs(store, bell, Admission(store, http), tokens, authority.pem)
        app = ApiServer(store, bell, verbs, tokens, arguments.bookmark_interval)
        config = uvicorn.Config(
            app.routes(), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
            ssl_keyfile=certificate, ssl_certfile=certificate, timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = _Server(config, bell)
        _announce(folder, f"https://{address}:{port}", authority, token)  # the kernel queues who comes early
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends the watches first: they would hold up the end of everything else."""

    def __init__(self, config: uvicorn.Config, bell: Bell) -> None:
        super().__init__(config)
        self._bell = bell

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._bell.hang_up(for_good=True)
        self.should_exit = True  # not super(): it would raise the signal once more after a clean end


def _announce(folder: Path, url: str, authority: Authority, token: str) -> None:
    """Write the kubeconfig last: whoever sees it can connect."""
    (folder / "ca.crt").write_text(authority.pem)
    cluster = {"server": url, "certificate-authority": str((folder / "ca.crt").resolve())}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "admin"}}],
        "current-context": "sandbox",
    }
    fresh = folder / "kubeconfig.new"
    write_private(fresh, json.dumps(kubeconfig, indent=2).encode())  # JSON is YAML
    fresh.replace(folder / "kubeconfig")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.kubernetes", description=__doc__)
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where kubeconfig and ca.crt are written")
    parser.add_argument("--history", type=int, default=1000, help="changes kept per resource (default %(default)s)")
    parser.add_argument(
        "--bookmark-interval", type=float, default=60.0, help="seconds between bookmarks (default %(default)s)"
    )
    parser.add_argument("--log-level", default="INFO")
    return parser


if __name__ == "__main__":
    sys.exit(main())
