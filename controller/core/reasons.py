"""Why the controller decided what it decided: a closed list, used as metric label, Event reason and log field."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word for each decision. The sentence that goes with it is the plan's `message`."""

    # Nothing to do
    STEADY = "Steady"
    UNPROTECTED = "Unprotected"
    # Terms (W) and rebuild (B)
    TERM_BEGUN = "TermBegun"
    SUPERSEDED = "Superseded"
    WRITE_SETTLED = "WriteSettled"
    REACHES_NOBODY = "ReachesNobody"
    DOCUMENT_RESTORED = "DocumentRestored"
    DOCUMENT_MENDED = "DocumentMended"
    DOCUMENT_WITHHELD = "DocumentWithheld"
    BOOTSTRAP = "Bootstrap"
    ADOPTED = "Adopted"
    WAITING_FOR_INSTANCES = "WaitingForInstances"
    REBUILD_AMBIGUOUS = "RebuildAmbiguous"
    PROMOTED_BY_COMMAND = "PromotedByCommand"
    # Failover (F)
    MAIN_UNHEARD = "MainUnheard"
    MAIN_POD_GONE = "MainPodGone"
    MAIN_TERMINATED = "MainTerminated"
    MAIN_RESTARTED = "MainRestarted"
    MAIN_IS_REPLICA = "MainIsReplica"
    MAIN_REFUSES = "MainRefuses"
    MAIN_SILENT = "MainSilent"
    NO_CANDIDATE = "NoCandidate"
    CUT_SETTLING = "CutSettling"
    PROMOTING = "Promoting"
    MARKING = "Marking"
    PUBLISHED = "Published"
    OLD_MAIN_PUBLISHED = "OldMainPublished"
    DEMOTING_SECOND_MAIN = "DemotingSecondMain"
    HUNG_INSTANCE_DELETED = "HungInstanceDeleted"
    # Switchover (P)
    SWITCHOVER = "Switchover"
    SWITCHOVER_WAITING = "SwitchoverWaiting"
    SWITCHOVER_ABORTED = "SwitchoverAborted"
    SWITCHOVER_REFUSED = "SwitchoverRefused"
    SWITCHOVER_BECAME_FAILOVER = "SwitchoverBecameFailover"
    # Requests
    REQUEST_ANSWERED = "RequestAnswered"
    REQUEST_REFUSED = "RequestRefused"
    PAUSED = "Paused"
    # Sync partner and registrations (S)
    PARTNER_LOST = "PartnerLost"
    PARTNER_LAGS = "PartnerLags"
    PARTNER_CUT = "PartnerCut"
    PARTNER_CHANGED = "PartnerChanged"
    PARTNER_REGISTERING = "PartnerRegistering"
    PARTNER_PROVING = "PartnerProving"
    PARTNER_RECORDED = "PartnerRecorded"
    REPLICA_REGISTERING = "ReplicaRegistering"
    REGISTRATION_DROPPED = "RegistrationDropped"
    READ_ADDRESSES_CHANGED = "ReadAddressesChanged"
    TLS_CHANGED = "TLSChanged"
    CUTTING_CHANGED = "CuttingChanged"
    # Users (U)
    USERS_APPLYING = "UsersApplying"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    # Diverged replicas (R)
    DIVERGED_REPLICA = "DivergedReplica"
    RESEEDING = "Reseeding"
    RESEEDED = "Reseeded"
    RESEED_WITHDRAWN = "ReseedWithdrawn"
    RESEED_FAILED = "ReseedFailed"
