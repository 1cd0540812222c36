"""Whose certificates instances have: the CA's file, followed while it changes, for our own connections and sidecars."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from controller.core.model import Terms
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 2.0  # kubelet itself takes up to a minute or two
_CA_BYTES_MAX: Final = 256 * 1024  # a ConfigMap ends at 1 MiB; a bundle of every public authority is about this


class _Named(ssl.SSLContext):
    """Checks certificates for one name, whatever the address: ours are pods' addresses, which change."""

    expected = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.expected or server_hostname, session)


class Trust:
    """`ca_file` None and `server_name` "": the instances speak without TLS."""

    def __init__(self, ca_file: Path | None, server_name: str, cut_on_change: bool) -> None:
        self._ca_file = ca_file
        self._server_name = server_name
        self._complaint = ""
        self.terms = Terms("", server_name, cut_on_change)
        self.context = self._context("")
        """For the controller's own connections; None: they are not encrypted. Without its CA, it trusts nobody."""

    @property
    def ready(self) -> bool:
        """Whether the CA was read, where one is wanted."""
        return self._ca_file is None or bool(self.terms.tls_ca)

    def look(self) -> bool:
        """Read the file; whether anything changed. What can't be read, or is no certificate, changes nothing."""
        if self._ca_file is None:
            return False
        try:
            if self._ca_file.stat().st_size > _CA_BYTES_MAX:
                raise ValueError(f"larger than {_CA_BYTES_MAX >> 10} KiB")
            text = self._ca_file.read_text("ascii")
            if text == self.terms.tls_ca:
                return False
            context = self._context(text)
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            if self._complaint != str(error):
                logs.emit(LOG, "AuthorityUnreadable", logging.WARNING, path=str(self._ca_file), message=str(error))
            self._complaint = str(error)
            return False
        self._complaint = ""
        self.context = context
        self.terms = Terms(text, self._server_name, self.terms.cut_on_change)
        logs.emit(LOG, "AuthorityRead", path=str(self._ca_file))
        return True

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look again and again until cancelled."""
        while True:
            if self.look():
                changed()
            await anyio.sleep(_LOOK_EVERY_S)

    def _context(self, authority: str) -> ssl.SSLContext | None:
        if self._ca_file is None and not self._server_name:
            return None
        context = _Named(ssl.PROTOCOL_TLS_CLIENT)
        context.expected = self._server_name
        if authority:
            context.load_verify_locations(cadata=authority)
        elif self._ca_file is None:
            context.load_default_certs()
        return context
