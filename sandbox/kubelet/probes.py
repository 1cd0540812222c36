"""One try of a probe: exec, httpGet or tcpSocket, as a kubelet does it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from pathlib import Path
from typing import Any, Final

import anyio

from sandbox.kubelet.core.containers import Launch, Place, exec_command
from sandbox.kubelet.processes import Groups

Object = dict[str, Any]
_ANY_CERTIFICATE: Final = ssl.create_default_context()  # a kubelet doesn't verify a probe's certificate either
_ANY_CERTIFICATE.check_hostname = False
_ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE


async def succeeds(
    probe: Object, container: Object, place: Place, started: Launch, groups: Groups, folder: Path, log: Path
) -> bool:
    """Whether one try succeeds within the probe's timeoutSeconds."""
    with anyio.move_on_after(probe.get("timeoutSeconds", 1)):
        try:
            if "exec" in probe:
                return await _exec(exec_command(container, probe, started), started, groups, folder, log)
            if "httpGet" in probe:
                return await _http(probe["httpGet"], container, place)
            if "tcpSocket" in probe:
                _, writer = await asyncio.open_connection(place.address, _port(probe["tcpSocket"], container, place))
                writer.close()
                return True
        except OSError:
            return False
    return False


async def _exec(argv: tuple[str, ...], started: Launch, groups: Groups, folder: Path, log: Path) -> bool:
    group = await groups.start(argv, started.environment, folder, log)
    try:
        return await group.wait() == 0
    finally:
        group.send(signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await group.wait()


async def _http(get: Object, container: Object, place: Place) -> bool:
    tls = _ANY_CERTIFICATE if get.get("scheme") == "HTTPS" else None
    reader, writer = await asyncio.open_connection(place.address, _port(get, container, place), ssl=tls)
    try:
        path = get.get("path", "/")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {place.address}\r\nConnection: close\r\n\r\n".encode())
        words = (await reader.readline()).split()
        return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _port(target: Object, container: Object, place: Place) -> int:
    port = target["port"]
    if isinstance(port, str):
        declared = {item.get("name"): item["containerPort"] for item in container.get("ports") or ()}
        return place.port(declared[port])
    return place.port(port)
