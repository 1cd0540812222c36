"""What the webhook asks of the Kubernetes API, and how a call that failed looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from webhook.certs import Pair


class ApiProblem(Exception):
    """A call to the API server failed. `status` is the HTTP status, or None if there was no answer.

    The text is a sentence for a log: what was tried, what came back, what to look at.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of the live configuration. `ca_bundle` is PEM, empty if there is none."""

    name: str
    ca_bundle: bytes


class Api(Protocol):
    """Every method raises ApiProblem, within two seconds."""

    async def read_authority(self, name: str) -> Pair | None:
        """The authority in that Secret of the release's namespace; None if there is no such Secret.

        A Secret without the two keys gives a Pair of empty bytes: `certs.check_authority` says what is wrong.
        """
        ...

    async def create_authority(self, name: str, pair: Pair) -> bool:
        """Store the authority in a new Secret. False if the Secret exists meanwhile."""
        ...

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """The labels of a namespace."""
        ...

    async def hooks(self, configuration: str) -> Sequence[Hook]:
        """The webhooks of a MutatingWebhookConfiguration, in order."""
        ...

    async def set_ca_bundle(self, configuration: str, index: int, hook: str, ca_bundle: bytes) -> None:
        """Set this one field of the webhook at `index`, provided that it still is the one of that name."""
        ...
