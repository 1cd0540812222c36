"""The Lease object the controllers compete for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kubernetes.aio import client

from controller.core.election import LeaseRecord
from controller.kube.client import CALL_TIMEOUT_S, reading, writing
from sidecar.contract import names


def wall_clock() -> datetime:
    """Now, for people and foreign tools only: nobody of ours compares it with another machine's (P-W3)."""
    return datetime.now(UTC)


class LeaseStore:
    """Implements ports.LeaseStore."""

    def __init__(
        self, api: client.ApiClient, namespace: str, name: str, now: Callable[[], datetime] = wall_clock
    ) -> None:
        self._coordination = client.CoordinationV1Api(api)
        self._namespace = namespace
        self._name = name
        self._now = now

    async def read(self) -> LeaseRecord | None:
        """The record now, or None. Raises Unavailable."""
        try:
            async with reading(f"reading Lease {self._name}"):
                lease = await self._coordination.read_namespaced_lease(
                    self._name, self._namespace, _request_timeout=CALL_TIMEOUT_S
                )
        except client.ApiException:
            return None
        return _record(lease)

    async def write(self, record: LeaseRecord, *, create: bool) -> LeaseRecord:
        """Compare-and-swap on the record's resourceVersion. Raises Conflict, LostAnswer, Unavailable."""
        body = _lease(record, self._name, self._namespace, create, self._now())
        async with writing(f"writing Lease {self._name}"):
            if create:
                lease = await self._coordination.create_namespaced_lease(
                    self._namespace, body, _request_timeout=CALL_TIMEOUT_S
                )
            else:
                lease = await self._coordination.replace_namespaced_lease(
                    self._name, self._namespace, body, _request_timeout=CALL_TIMEOUT_S
                )
        return _record(lease)


def _record(lease: client.V1Lease) -> LeaseRecord:
    spec, metadata = lease.spec, lease.metadata
    annotations = (metadata.annotations if metadata else None) or {}
    renewed = spec.renew_time.isoformat() if spec and spec.renew_time else ""
    return LeaseRecord(
        holder=(spec.holder_identity if spec else None) or "",
        duration_s=float((spec.lease_duration_seconds if spec else None) or 1),
        transitions=(spec.lease_transitions if spec else None) or 0,
        resource_version=(metadata.resource_version if metadata else None) or "",
        renewed=renewed,
        epoch=_number(annotations.get(names.EPOCH_ANNOTATION)),
        term=_number(annotations.get(names.TERM_ANNOTATION)),
    )


def _lease(record: LeaseRecord, name: str, namespace: str, create: bool, now: datetime) -> client.V1Lease:
    # The client leaves out a fraction of zero, and the API server refuses a Lease's time without one.
    now = now.replace(microsecond=now.microsecond or 1)
    return client.V1Lease(
        metadata=client.V1ObjectMeta(
            name=name,
            namespace=namespace,
            resource_version=None if create else record.resource_version,
            annotations={names.EPOCH_ANNOTATION: str(record.epoch), names.TERM_ANNOTATION: str(record.term)},
        ),
        spec=client.V1LeaseSpec(
            holder_identity=record.holder,
            lease_duration_seconds=max(1, round(record.duration_s)),
            lease_transitions=record.transitions,
            renew_time=now,
        ),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
