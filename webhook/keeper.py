"""Keeps what the API server needs to trust us: the authority in its Secret, and its certificate in `caBundle`.

Nothing here ever gives up: RBAC that lags, a configuration that GitOps wipes, an API server that restarts all heal, so
they are reported (once per change of opinion) and tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import anyio

from sidecar.contract import names
from sidecar.contract.logs import emit
from webhook import certs
from webhook.certs import BadAuthority, Pair
from webhook.ports import Api, ApiProblem

CHECK_EVERY_S: Final = 10.0
"""A wiped caBundle means pods without sidecars; so does a check that is too rare."""
RETRY_EVERY_S: Final = 1.0
HOOKS: Final = (names.WEBHOOK_NAME, names.POD_WEBHOOK_NAME)

_log = logging.getLogger(__name__)


def authority_secret(release: str) -> str:
    """Name of the Secret that holds the authority."""
    return f"{release}-webhook-ca"


async def obtain_authority(api: Api, release: str, now: Callable[[], datetime]) -> Pair:
    """The release's authority: read, or made by whichever replica comes first. Waits until there is a usable one."""
    opinion = _Opinion("AuthorityObtained", "AuthorityMissing")
    while True:
        try:
            authority = await _get_or_create(api, release, now())
        except ApiProblem as problem:
            opinion.bad(str(problem))
        except BadAuthority as problem:
            secret = authority_secret(release)
            opinion.bad(f"Secret {secret} is no use: {problem}; next: kubectl delete secret {secret}")
        else:
            opinion.good(secret=authority_secret(release), expires=authority.not_after.isoformat())
            return authority
        await anyio.sleep(RETRY_EVERY_S)


async def _get_or_create(api: Api, release: str, now: datetime) -> Pair:
    secret = authority_secret(release)
    authority = await api.read_authority(secret)
    if authority is None:
        authority = certs.new_authority(release, now)
        if not await api.create_authority(secret, authority):
            # Another replica was faster: its authority is the one.
            authority = await api.read_authority(secret)
        if authority is None:
            raise ApiProblem(f"Secret {secret} was there and is gone again")
    certs.check_authority(authority, now)
    return authority


class BundleKeeper:
    """Puts the authority's certificate into the live webhook configuration, and keeps it there."""

    def __init__(self, api: Api, configuration: str, ca_bundle: bytes) -> None:
        self._api = api
        self._configuration = configuration
        self._ca_bundle = ca_bundle
        self._opinion = _Opinion("BundleInPlace", "BundleMissing")
        self.problem: str | None = "caBundle was not checked yet"
        """Why the API server can't call us; None when it can. An unreachable API server changes nothing here."""

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self.check()
            await anyio.sleep(CHECK_EVERY_S if self.problem is None else RETRY_EVERY_S)

    async def check(self) -> None:
        """Look once, and mend what is missing."""
        seen_bad = False
        try:
            hooks = await self._api.hooks(self._configuration)
            found = {hook.name: (index, hook.ca_bundle) for index, hook in enumerate(hooks)}
            missing = [name for name in HOOKS if name not in found]
            for name, (index, ca_bundle) in found.items():
                if name in HOOKS and ca_bundle != self._ca_bundle:
                    seen_bad = True
                    await self._api.set_ca_bundle(self._configuration, index, name, self._ca_bundle)
        except ApiProblem as problem:
            if seen_bad or self.problem is not None or problem.status == 404:
                self.problem = str(problem)
            self._opinion.bad(str(problem))
            return
        self.problem = None
        if missing:
            self.problem = f"MutatingWebhookConfiguration {self._configuration} lacks {', '.join(missing)}"
            self._opinion.bad(f"{self.problem}; next: helm upgrade")
        else:
            self._opinion.good(configuration=self._configuration)


class _Opinion:
    """Logs a change of opinion, not each look."""

    def __init__(self, good_event: str, bad_event: str) -> None:
        self._good_event, self._bad_event = good_event, bad_event
        self._last: str | None = None

    def good(self, **fields: str) -> None:
        if self._last != "":
            emit(_log, self._good_event, logging.INFO, **fields)
        self._last = ""

    def bad(self, message: str) -> None:
        if self._last != message:
            emit(_log, self._bad_event, logging.WARNING, message=message)
        self._last = message
