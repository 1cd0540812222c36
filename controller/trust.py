"""The CA file that instances' certificates are checked against, followed; and TLS as drivers want it."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import anyio

from controller.core.model import Tls
from sidecar.contract import logs
from sidecar.contract.env import BadSettings

LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 2.0  # kubelet itself takes up to a minute or two
CA_MOST_BYTES: Final = 64 * 1024
"""It is part of a document that every sidecar is sent with each change; a CA has some 2 KiB."""


class Trust:
    """`file` None: the authorities of the image, if there is a server's name; without both, no TLS."""

    def __init__(self, file: Path | None, server_name: str) -> None:
        self._file = file
        self._unusable = ""
        self.tls = Tls("", server_name)

    def begin(self) -> None:
        """Read the file for the first time. Raises BadSettings: without it, there must be no talk at all."""
        if self._file is None:
            return
        try:
            self.tls = Tls(_read(self._file), self.tls.server_name)
        except ValueError as error:
            raise BadSettings((str(error),)) from error

    def look(self) -> bool:
        """Read the file again; whether it changed. What can't be used changes nothing."""
        if self._file is None:
            return False
        try:
            latest = Tls(_read(self._file), self.tls.server_name)
        except ValueError as error:
            if str(error) != self._unusable:
                self._unusable = str(error)
                logs.emit(LOG, "CAUnusable", logging.WARNING, message=self._unusable)
            return False
        self._unusable = ""
        changed = latest != self.tls
        self.tls = latest
        if changed:
            logs.emit(LOG, "CAChanged")
        return changed

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look again and again until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_S)
            if self.look():
                changed()


def _read(file: Path) -> str:
    """Raises ValueError, with what to do."""
    try:
        raw = file.read_bytes()
        text = raw.decode()
        context(Tls(text))
    except (OSError, UnicodeDecodeError, ssl.SSLError) as error:
        raise ValueError(f"{file} is no CA ({error}): put PEM certificates there") from error
    if not 0 < len(raw) <= CA_MOST_BYTES:
        raise ValueError(f"{file} has {len(raw)} bytes; a CA has 1 to {CA_MOST_BYTES}")
    return text


class _Named(ssl.SSLContext):
    """Asks for, and checks, one name at every address: pods' addresses are in no certificate."""

    name = ""

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_side: bool = False,
        server_hostname: Any = None, session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:  # fmt: skip
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)


@lru_cache(maxsize=4)  # the present one, and the one before while its pools live
def context(tls: Tls) -> ssl.SSLContext | None:
    """For a client, or None without TLS. Raises ssl.SSLError if the CA is none."""
    if not tls.ca and not tls.server_name:
        return None
    made = _Named(ssl.PROTOCOL_TLS_CLIENT)
    made.name = tls.server_name
    if tls.ca:
        made.load_verify_locations(cadata=tls.ca)
    else:
        made.load_default_certs()
    return made
