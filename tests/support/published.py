"""A published document as its ConfigMap, for tests of who reads it."""

from __future__ import annotations

from typing import Any

from sidecar.contract.state import CutKind, Document, Phase, SyncReplica, encode


def published(*, serving: bool = True, sync: bool = True, message: str = "m-0 serves") -> dict[str, Any]:
    """Main m-0, epoch 7; with a sync replica 1 or none."""
    document = Document(
        term=1, epoch=7, phase=Phase.SERVING if serving else Phase.CUT, cut_kind=None if serving else CutKind.FAILOVER,
        master_index=0, main_pod="m-0", main_uid="u0", main_address="10.0.0.1:7687", main_volume="v0",
        database_uuid="d", sync=SyncReplica(1, "v1", "replica_1") if sync else None, read_addresses=(),
        reason="Published",
        message=message, writer="c-0", updated_at="t",
    )  # fmt: skip
    return {"data": encode(document)}
