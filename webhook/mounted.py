"""The certificate somebody else keeps, such as cert-manager: read from a mounted Secret, again whenever it changes.

Nothing is written anywhere: `caBundle` is theirs, too. We are ready only while it trusts what is mounted.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio

from webhook import certs
from webhook.certs import BadAuthority, Pair
from webhook.keeper import CHECK_EVERY_S, RETRY_EVERY_S, distrust
from webhook.opinion import Opinion
from webhook.ports import ApiProblem, CertificateApi


class MountedCertificate:
    """Like keeper.Keeper, with `tls.crt` and `tls.key` in a folder."""

    def __init__(self, api: CertificateApi, release: str, folder: str, renewed: Callable[[datetime], None]) -> None:
        self._api, self._release, self._folder, self._renewed = api, release, Path(folder), renewed
        self._opinion = Opinion("BundleInPlace", "BundleMissing")
        self._files = Opinion("CertificateRead", "CertificateMissing")
        self._served: Pair | None = None
        self.context: Final[ssl.SSLContext] = certs.server_context()
        self.problem: str | None = "caBundle was not checked yet"

    async def prepare(self) -> None:
        """Wait until there is a certificate to serve with."""
        while True:
            if self._read():
                return
            await anyio.sleep(RETRY_EVERY_S)

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self.check()
            await anyio.sleep(CHECK_EVERY_S if self.problem is None else RETRY_EVERY_S)

    async def check(self) -> None:
        """Look at folder and live configuration once."""
        self._read()
        assert self._served is not None
        try:
            hooks = await self._api.hooks(self._release)
        except ApiProblem as problem:
            self._opinion.bad(str(problem))
            if self.problem is not None or problem.status == 404:
                self.problem = str(problem)
            return
        self.problem = distrust(self._release, hooks, self._served.certificate)
        if self.problem is None:
            self._opinion.good(configuration=self._release)
        else:
            self._opinion.bad(f"{self.problem}; next: see whether cert-manager's CA injector runs")

    def _read(self) -> bool:
        """Load what is mounted, if it is another pair than before; whether there is one to serve with."""
        try:
            found = Pair((self._folder / "tls.crt").read_bytes(), (self._folder / "tls.key").read_bytes())
            if found != self._served:
                ends = found.not_after
                certs.load(self.context, found)
                self._served = found
                self._renewed(ends)
                self._files.good(expires=ends.isoformat())
        except (OSError, ValueError, BadAuthority) as error:
            # Between two files of an update, or before the first: the next look finds both.
            self._files.bad(f"no certificate in {self._folder}: {error}; next: see the Certificate's status")
        return self._served is not None
