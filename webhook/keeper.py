"""Keeps the API server's trust: a leaf to serve with, and in the live configuration what it takes to trust that leaf.

A new authority is first written into `caBundle`, then waited for (each API server learns of it by a watch of its own),
then served with. Nothing here ever gives up: RBAC that lags, a configuration that GitOps wipes, an API server that
restarts all heal, so they are reported and tried again.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from sidecar.contract import names
from webhook import certs, trust
from webhook.authority import authority
from webhook.certs import Pair
from webhook.opinion import Opinion
from webhook.ports import ApiProblem, CertificateApi, Hooks

CHECK_EVERY_S: Final = 3.0
"""A wiped caBundle means pods without sidecars; so does a check that is too rare."""
RETRY_EVERY_S: Final = 1.0
SETTLE: Final = timedelta(seconds=60)
"""From a caBundle's being there until the last API server surely acts on it: their watches lag for moments."""
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
HOOKS: Final = (names.WEBHOOK_NAME, names.POD_WEBHOOK_NAME)


class Keeper:
    """The certificates that we make ourselves. `problem` says why the API server can't call us; None when it can.

    An unreachable API server changes nothing about that.
    """

    def __init__(
        self,
        api: CertificateApi,
        release: str,
        hosts: Sequence[str],
        now: Callable[[], datetime],
        renewed: Callable[[datetime], None],
    ) -> None:
        self._api, self._release, self._hosts, self._now, self._renewed = api, release, hosts, now, renewed
        self._opinion = Opinion("BundleInPlace", "BundleMissing")
        self._served: tuple[Pair, bytes] | None = None
        """The leaf, and the certificate of its authority."""
        self._trusted_since: dict[bytes, datetime] = {}
        """Authorities that every webhook of the live configuration names, and since when that was seen."""
        self._was_ready = False
        self.context: Final[ssl.SSLContext] = certs.server_context()
        self.problem: str | None = "caBundle was not checked yet"

    async def prepare(self) -> None:
        """Wait until there is a leaf to serve with."""
        opinion = Opinion("AuthorityObtained", "AuthorityMissing")
        while self._served is None:
            try:
                self._serve(await authority(self._api, self._release, self._now()))
            except ApiProblem as problem:
                opinion.bad(str(problem))
                await anyio.sleep(RETRY_EVERY_S)
        opinion.good(expires=self._served[0].not_after.isoformat())

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await self.check()
            await anyio.sleep(CHECK_EVERY_S if self.problem is None else RETRY_EVERY_S)

    async def check(self) -> None:
        """Look once, mend what is missing, renew what is due."""
        hooks: Hooks | None = None
        issuing: Pair | None = None
        problem: ApiProblem | None = None
        try:
            issuing = await authority(self._api, self._release, self._now())
        except ApiProblem as found:
            problem = found  # what we serve with is still to be trusted
        try:
            hooks = await self._api.hooks(self._release)
            hooks = await self._mended(hooks, issuing)
        except ApiProblem as found:
            problem = found
        else:
            self._renew(issuing)
        self._judge(hooks, problem)

    async def _mended(self, hooks: Hooks, issuing: Pair | None) -> Hooks:
        """The live configuration with what belongs into it. Notes what it makes the API server trust."""
        assert self._served is not None
        ours = {self._served[1]} | ({issuing.certificate} if issuing else set())
        found, present = hooks, [name for name in HOOKS if name in hooks.bundles]
        wanted = {name: trust.bundle(ours, hooks.bundles[name], self._release, self._now()) for name in present}
        if wanted != {name: hooks.bundles[name] for name in present}:
            if not await self._api.apply_bundles(self._release, wanted, hooks.version):
                raise ApiProblem("the webhook configuration changed meanwhile; the next try comes by itself")
            hooks = Hooks({**found.bundles, **wanted}, "")
        before = {pem for pem in ours if self._is_old(pem) and _trusts(found, pem)}
        since = {pem: self._trusted_since.get(pem, LONG_AGO if pem in before else self._now()) for pem in ours}
        self._trusted_since = {pem: at for pem, at in since.items() if _trusts(hooks, pem)}
        return hooks

    def _is_old(self, authority_pem: bytes) -> bool:
        """Whether a bundle that names it was surely not written just now by another replica."""
        return self._now() - trust.read(authority_pem)[0].not_valid_before_utc > certs.CLOCK_SKEW + 10 * SETTLE

    def _renew(self, issuing: Pair | None) -> None:
        assert self._served is not None
        if issuing is None:
            return
        leaf, issuer = self._served
        if issuing.certificate == issuer:
            if self._now() >= leaf.renew_at:
                self._serve(issuing)
            return
        if self._is_settled(issuing.certificate):
            self._serve(issuing)

    def _is_settled(self, authority_pem: bytes) -> bool:
        since = self._trusted_since.get(authority_pem)
        return since is not None and self._now() - since >= SETTLE

    def _serve(self, issuing: Pair) -> None:
        leaf = certs.issue(issuing, self._hosts, self._now())
        certs.load(self.context, leaf)
        self._served = (leaf, issuing.certificate)
        self._renewed(leaf.not_after)

    def _judge(self, hooks: Hooks | None, problem: ApiProblem | None) -> None:
        assert self._served is not None
        if problem is not None:
            self._opinion.bad(str(problem))
        if hooks is None:
            assert problem is not None
            if self.problem is not None or problem.status == 404:
                self.problem = str(problem)
            return
        self.problem = distrust(self._release, hooks, self._served[0].certificate) or self._too_early(hooks)
        self._was_ready = self._was_ready or self.problem is None
        if self.problem is not None and problem is not None:
            self.problem = str(problem)
        elif self.problem is not None:
            self._opinion.bad(self.problem)
        elif problem is None:
            self._opinion.good(configuration=self._release)

    def _too_early(self, hooks: Hooks) -> str | None:
        """Why a replica that starts in the middle of a rotation has to wait.

        The former authority's key is gone, and its own leaf may be news to an API server. The others serve meanwhile;
        where there is nobody to replace, as after an installation, there is nothing to wait for.
        """
        assert self._served is not None
        alone = len(trust.read(hooks.bundles[HOOKS[0]])) == 1
        if self._was_ready or alone or self._is_settled(self._served[1]):
            return None
        return f"the authority in caBundle is new: waiting {SETTLE.seconds} s until every API server knows it"


def _trusts(hooks: Hooks, pem: bytes) -> bool:
    return all(trust.is_trusted(pem, hooks.bundles.get(name, b"")) for name in HOOKS)


def distrust(configuration: str, hooks: Hooks, chain: bytes) -> str | None:
    """Why the API server would not trust a server that shows this chain; None if it would."""
    missing = [name for name in HOOKS if name not in hooks.bundles]
    if missing:
        return f"MutatingWebhookConfiguration {configuration} lacks {', '.join(missing)}; next: helm upgrade"
    if not all(trust.is_trusted(chain, hooks.bundles[name]) for name in HOOKS):
        return f"caBundle of MutatingWebhookConfiguration {configuration} does not trust our certificate"
    return None
