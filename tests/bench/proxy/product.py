"""The sidecar as a peer: the program as it is, following a ConfigMap of the sandbox's API server."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from api_server import api_server
from dockerfiles import ROOT, instructions
from plain_client import PlainClient
from ports import free_port

from proxy.peers import Place, Start
from proxy.running import Running, pinned, program
from sidecar.contract import env, state
from sidecar.contract.state import Document, Phase

NAMESPACE: Final = "memgraph-ha"
_DOCKERFILE: Final = ROOT / "Dockerfile.sidecar"


def document(main: str, epoch: int = 1) -> Document:
    """One that publishes `main` (address:port)."""
    return Document(
        term=1, epoch=epoch, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="memgraph-ha-0",
        main_uid=f"uid-{main}", main_address=main, main_volume="v0", database_uuid="d0", sync=None,
        read_addresses=(), reason="Bench", message="", writer="bench", updated_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def image_environment(dockerfile: str) -> dict[str, str]:
    """The variables that an image's last stage sets."""
    found: dict[str, str] = {}
    for instruction, arguments in instructions(dockerfile):
        if instruction == "FROM":
            found = {}
        elif instruction == "ENV":
            found |= dict(pair.split("=", 1) for pair in shlex.split(arguments))
    return found


def compiled_imports(code: Path, cache: Path) -> Path:
    """What the sidecar imports, compiled as in its image (Dockerfile.sidecar), in `cache`."""
    runs = [arguments for instruction, arguments in instructions(_DOCKERFILE.read_text()) if instruction == "RUN"]
    (line,) = [one for one in runs if "compile_imports.py" in one]
    modules = line.partition("site-packages")[2]
    script = ROOT / "compile_imports.py"
    environment = {"PYTHONPATH": str(code), "PYTHONPYCACHEPREFIX": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", str(script), str(code / "sidecar"), *modules.split()]
    subprocess.run(command, check=True, env=os.environ | environment)
    return cache


@dataclass(frozen=True, slots=True)
class Product:
    """Starts sidecars. Made by `product`."""

    client: PlainClient
    tokens: Path

    def starter(self, code: Path) -> Start:
        """Starts the package `sidecar` that is in this folder."""
        return partial(self._start, code, compiled_imports(code, self.tokens.parent / f"pycache-{free_port()}"))

    def _start(self, code: Path, cache: Path, place: Place) -> AbstractContextManager[Running]:
        """A sidecar whose main is the place's upstream."""
        name = f"state-{free_port()}"
        body = {"metadata": {"name": name}, "data": state.encode(document(f"127.0.0.1:{place.upstream}"))}
        self.client.made(f"/api/v1/namespaces/{NAMESPACE}/configmaps", body)
        port = free_port()
        host, _, api_port = self.client.url.removeprefix("https://").rpartition(":")
        environment = {
            env.NAMESPACE: NAMESPACE, env.CONFIG_MAP: name, env.TOKEN_DIR: str(self.tokens),
            env.API_HOST: host, env.API_PORT: api_port, env.LISTEN: "127.0.0.1", env.PORT: str(port),
            env.READ_PORT: str(free_port()), env.ADMIN_PORT: str(free_port()), env.ADMIN_ADDRESS: "127.0.0.1",
        }  # fmt: skip
        inherited = image_environment(_DOCKERFILE.read_text()) | {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(code), "PYTHONPYCACHEPREFIX": str(cache),
        }  # fmt: skip
        log = place.folder / f"sidecar-{port}.log"
        command = [sys.executable, "-P", "-m", "sidecar"]  # -P: not the package that is in the current folder
        return program(command, port, log, place.core, inherited | environment)


@contextmanager
def product(folder: Path, core: int) -> Iterator[Product]:
    """An API server on `core` for sidecars to follow."""
    tokens = folder / "tokens"
    tokens.mkdir()
    with pinned(core), api_server(folder / "api") as kubeconfig:
        config = json.loads(kubeconfig.read_text())
        url, ca = config["clusters"][0]["cluster"]["server"], kubeconfig.parent / "ca.crt"
        token = config["users"][0]["user"]["token"]
        (tokens / "token").write_text(token)
        (tokens / "ca.crt").write_bytes(ca.read_bytes())
        client = PlainClient(url, ca, token)
        client.made("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        yield Product(client, tokens)
