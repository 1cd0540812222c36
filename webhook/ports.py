"""What the webhook asks of the Kubernetes API, and how a call that failed looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from webhook.certs import Pair
from webhook.core.model import Json, OldNode


class ApiProblem(Exception):
    """A call to the API server failed. `status` is the HTTP status, or None if there was no answer.

    The text is a sentence for a log: what was tried, what came back, what to look at.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredAuthority:
    """What the Secret holds, and its resourceVersion."""

    pair: Pair
    version: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """The live configuration: PEM bundles by webhook, empty where there is none, and its resourceVersion."""

    bundles: Mapping[str, bytes]
    version: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A namespace's labels and annotations."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class CertificateApi(Protocol):
    """What keeping certificates takes. Every method raises ApiProblem, within two seconds."""

    async def read_authority(self, name: str) -> StoredAuthority | None:
        """The authority in that Secret of the release's namespace; None if there is no such Secret.

        A Secret without the two keys gives a Pair of empty bytes: `certs.check_authority` says what is wrong.
        """
        ...

    async def create_authority(self, name: str, pair: Pair) -> bool:
        """Store the authority in a new Secret. False if the Secret exists meanwhile."""
        ...

    async def replace_authority(self, name: str, pair: Pair, version: str) -> bool:
        """Store another authority there. False if the Secret is not at that version any more."""
        ...

    async def hooks(self, configuration: str) -> Hooks:
        """The webhooks of a MutatingWebhookConfiguration."""
        ...

    async def apply_bundles(self, configuration: str, bundles: Mapping[str, bytes], version: str) -> bool:
        """Own the caBundle of these webhooks and nothing else. False if the configuration changed meanwhile."""
        ...


class PlaceApi(Protocol):
    """What the place of a pod is like. Every method raises ApiProblem, within two seconds."""

    async def namespace(self, name: str) -> Labelled:
        """The namespace."""
        ...

    async def limit_ranges(self, namespace: str) -> tuple[Json, ...]:
        """Its LimitRanges, raw."""
        ...

    async def old_nodes(self) -> tuple[OldNode, ...]:
        """The nodes that are too old for the sidecar."""
        ...


class Api(CertificateApi, PlaceApi, Protocol):
    """All of it."""
