"""The status API's types, as its OpenAPI document shows them. Their values come from core/status.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from controller.core.fleet.model import Health
from controller.core.model import Role
from controller.core.reasons import Reason


class _Said(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Decision(_Said):
    """The last change of opinion."""

    reason: Annotated[Reason, Field(description="a word of a closed list: metric label and Event reason")]
    message: Annotated[str, Field(description="the sentence to it")]
    since: Annotated[str, Field(description="when it was made (the controller's clock)")]


class RequestAnswer(_Said):
    """What became of the last request, as in the annotation memgraph-ha.io/answer."""

    request: Annotated[str, Field(description="the key: switchover, promote, reseed, pause or resume")]
    value: str
    accepted: bool
    reason: str
    message: str
    at: Annotated[str, Field(description="when it was answered (the controller's clock)")]
    writer: Annotated[str, Field(description="the controller that answered")]


class Instance(_Said):
    """One Memgraph instance: what it said last, and how the main sees it."""

    ordinal: int
    pod: str | None
    role: Annotated[Role | None, Field(description="its own word")]
    marker: Annotated[int | None, Field(description="the epoch marker in its data: how new that is")]
    vertices: int | None
    database_uuid: str | None
    answered_ago_s: Annotated[float | None, Field(description="seconds since the last answer")]
    problem: Annotated[
        str | None,
        Field(description="no pod; not running; denied (our credentials); refused (connections); silent (no answer)"),
    ]
    registration: Annotated[str | None, Field(description="its name in the main's SHOW REPLICAS")]
    registration_mode: str | None
    registration_status: str | None
    behind: Annotated[int | None, Field(description="0, or how many timestamps it lacks, negative")]
    lacks_users: Annotated[
        tuple[str, ...] | None,
        Field(description="users it lacks or knows by another password; null while it was not asked"),
    ]
    left_alone: Annotated[str | None, Field(description="why it is not re-seeded by itself, although it diverged")]


class Owner(_Said):
    """What makes the pods anew."""

    kind: str
    name: str


class Finding(_Said):
    """Pods of one owner whose sidecar is missing, outdated or stale."""

    namespace: str
    owner: Owner
    health: Health
    pods: tuple[str, ...]
    why: str
    commands: Annotated[tuple[str, ...], Field(description="what mends it: one of them is enough")]


class Fleet(_Said):
    """Every pod that carries a sidecar of this release, or should: the leader's last audit."""

    at: Annotated[str, Field(description="when it was made (the controller's clock)")]
    complete: Annotated[bool, Field(description="whether all that there is was read")]
    namespaces: Annotated[tuple[str, ...], Field(description="those labelled for this release")]
    bound: Annotated[tuple[str, ...], Field(description="those that may read the document by a RoleBinding of ours")]
    pods: Annotated[dict[Health, int], Field(description="how many pods do how well")]
    findings: Annotated[tuple[Finding, ...], Field(description="at most 100; the counts are of all")]
    problem: Annotated[str | None, Field(description="why the latest look failed")]


class Status(_Said):
    """What this controller knows. One that does not lead knows who leads, and the pods."""

    controller: Annotated[str, Field(description="who answers: its pod")]
    leading: Annotated[bool, Field(description="whether that one leads")]
    leader: Annotated[str | None, Field(description="the pod that holds the Lease")]
    term: int | None
    epoch: int | None
    phase: Annotated[str | None, Field(description="serving, or cut while clients wait for a main")]
    main: Annotated[str | None, Field(description="the published main's pod (while cut: the last one)")]
    sync_replica: Annotated[int | None, Field(description="ordinal of the replica known to hold every write")]
    paused: Annotated[str | None, Field(description="who paused the controller, and when")]
    reseeding: Annotated[int | None, Field(description="ordinal of the instance that is ordered to begin anew")]
    decision: Decision | None
    last_answer: RequestAnswer | None
    instances: tuple[Instance, ...]
    commands: Annotated[tuple[str, ...], Field(description="what resolves an ambiguous rebuild: choose one")]
    fleet: Annotated[Fleet | None, Field(description="null before the first audit, or where it is turned off")] = None
