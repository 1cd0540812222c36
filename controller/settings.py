"""The controller's settings: a pure function of the environment. Every bad value is listed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from controller.core.election import Timings
from controller.core.fleet.model import ClientAccess, Rules
from controller.core.model import OnDiverged, OnNoSyncReplica, Policy
from sidecar.contract.env import BadSettings
from webhook.core.model import Release

T = TypeVar("T")

VARIABLES: Final[Mapping[str, str]] = {
    "POD_NAME": "this pod's name, its identity in the Lease (downward API)",
    "POD_NAMESPACE": "the release's namespace (downward API)",
    "MEMGRAPH_HA_RELEASE": "the release's name; the names of its objects begin with it",
    "MEMGRAPH_HA_STATEFULSET": "the StatefulSet of the Memgraph pods (default: the release)",
    "MEMGRAPH_HA_SERVICE": "its headless Service (default: RELEASE-nodes)",
    "MEMGRAPH_HA_REGISTER_BY": "dns or ip: how replicas are addressed (default dns)",
    "MEMGRAPH_HA_CLUSTER_DOMAIN": "the cluster's DNS domain (default cluster.local)",
    "MEMGRAPH_HA_ON_NO_SYNC_REPLICA": "serve or block writes while no replica holds them all (default serve)",
    "MEMGRAPH_HA_WAL_FLUSH_EVERY": "Memgraph's --storage-wal-file-flush-every-n-tx (default 1)",
    "MEMGRAPH_HA_ON_DIVERGED": "reseed, or manual: what becomes of a replica that diverged (default reseed)",
    "MEMGRAPH_HA_LEASE_DURATION_S": "seconds after which a silent leader is replaced (default 4)",
    "MEMGRAPH_HA_LEASE_RENEW_DEADLINE_S": "seconds after which a leader gives up renewing (default 3)",
    "MEMGRAPH_HA_LEASE_RETRY_PERIOD_S": "seconds between looks at the Lease (default 0.5)",
    "MEMGRAPH_HA_PROBE_INTERVAL_S": "seconds between two questions to one instance (default 0.5)",
    "MEMGRAPH_HA_CUT_SETTLE_S": "seconds sidecars get to close before a promotion (default 0.25)",
    "MEMGRAPH_HA_MEMGRAPH_USERNAME": "user on the Memgraph instances; with MEMGRAPH_HA_USERS_DIR, tried last",
    "MEMGRAPH_HA_MEMGRAPH_PASSWORD": "its password",
    "MEMGRAPH_HA_USERS_DIR": "a mounted Secret with every instance's users, one key a user (default: none)",
    "MEMGRAPH_HA_CONTROLLER_USER": "which of them the controller logs in as (default memgraph-ha)",
    "MEMGRAPH_HA_TLS_CA_FILE": "PEM file of who signs the instances' certificates: speak TLS to them (default: none)",
    "MEMGRAPH_HA_TLS_SERVER_NAME": "the name in these certificates; alone, the image's authorities are trusted "
    "(default: none)",
    "MEMGRAPH_HA_CUT_ON_CHANGE": "false: sidecars end no connection when the main changes (default true)",
    "MEMGRAPH_HA_SIDECAR_IMAGE": "image of the sidecar; without it, nobody looks after the pods with sidecars",
    "MEMGRAPH_HA_CLUSTER": "name that the label memgraph-ha.io/cluster has to carry (default: the release's name)",
    "MEMGRAPH_HA_DEFAULT": "true if pods that name no cluster belong to this release, else false (default true)",
    "MEMGRAPH_HA_CLIENT_ACCESS": "perNamespace: let labelled namespaces' sidecars read the document; "
    "allServiceAccounts or none: somebody else does (default none)",
    "MEMGRAPH_HA_HTTP_ADDRESS": "address of health and metrics (default 0.0.0.0)",
    "MEMGRAPH_HA_HTTP_PORT": "port of health and metrics (default 8080)",
    "MEMGRAPH_HA_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR (default INFO)",
    "KUBECONFIG": "a kubeconfig file; without it, the pod's own service account",
}
"""Every variable, and what it is for: the help text, and what the chart may set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one controller needs to know. Times in seconds."""

    identity: str
    namespace: str
    release: str
    statefulset: str
    service: str
    register_by: str
    cluster_domain: str
    username: str
    password: str
    users_dir: Path | None
    controller_user: str
    tls_ca_file: Path | None
    tls_server_name: str
    http_address: str
    http_port: int
    log_level: str
    kubeconfig: str
    timings: Timings
    policy: Policy
    fleet: Rules | None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Settings(identity={self.identity!r}, namespace={self.namespace!r}, release={self.release!r})"


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises BadSettings with one sentence a problem."""
    problems: list[str] = []

    def take(name: str, parse: Callable[[str], T], default: str | None, hint: str) -> T:
        text = environ.get(name, "").strip() or default
        if text is None:
            problems.append(f"{name} is not set: {VARIABLES[name]}")
            return parse("1")
        try:
            return parse(text)
        except ValueError:
            problems.append(f"{name} is {text!r}: set it to {hint}")
            return parse(default or "1")

    def seconds(name: str, default: str) -> float:
        return take(name, _positive, default, "seconds, more than 0")

    release = take("MEMGRAPH_HA_RELEASE", str, None, "a name")
    timings = Timings(
        seconds("MEMGRAPH_HA_LEASE_DURATION_S", "4"),
        seconds("MEMGRAPH_HA_LEASE_RENEW_DEADLINE_S", "3"),
        seconds("MEMGRAPH_HA_LEASE_RETRY_PERIOD_S", "0.5"),
    )
    policy = Policy(
        on_no_sync_replica=take("MEMGRAPH_HA_ON_NO_SYNC_REPLICA", OnNoSyncReplica, "serve", "serve or block"),
        wal_flush_every=take("MEMGRAPH_HA_WAL_FLUSH_EVERY", _count, "1", "a number of transactions"),
        cut_on_change=take("MEMGRAPH_HA_CUT_ON_CHANGE", _one_of("true", "false"), "true", "true or false") == "true",
        on_diverged=take("MEMGRAPH_HA_ON_DIVERGED", OnDiverged, "reseed", "reseed or manual"),
        probe_interval_s=seconds("MEMGRAPH_HA_PROBE_INTERVAL_S", "0.5"),
        cut_settle_s=seconds("MEMGRAPH_HA_CUT_SETTLE_S", "0.25"),
    )
    namespace = take("POD_NAMESPACE", str, None, "a name")
    settings = Settings(
        identity=take("POD_NAME", str, None, "a name"),
        namespace=namespace,
        release=release,
        statefulset=take("MEMGRAPH_HA_STATEFULSET", str, release, "a name"),
        service=take("MEMGRAPH_HA_SERVICE", str, f"{release}-nodes", "a name"),
        register_by=take("MEMGRAPH_HA_REGISTER_BY", _one_of("dns", "ip"), "dns", "dns or ip"),
        cluster_domain=take("MEMGRAPH_HA_CLUSTER_DOMAIN", str, "cluster.local", "a domain"),
        username=environ.get("MEMGRAPH_HA_MEMGRAPH_USERNAME", ""),
        password=environ.get("MEMGRAPH_HA_MEMGRAPH_PASSWORD", ""),
        users_dir=Path(users) if (users := environ.get("MEMGRAPH_HA_USERS_DIR", "").strip()) else None,
        controller_user=take("MEMGRAPH_HA_CONTROLLER_USER", str, "memgraph-ha", "a user's name"),
        tls_ca_file=Path(file) if (file := environ.get("MEMGRAPH_HA_TLS_CA_FILE", "").strip()) else None,
        tls_server_name=environ.get("MEMGRAPH_HA_TLS_SERVER_NAME", "").strip(),
        http_address=take("MEMGRAPH_HA_HTTP_ADDRESS", str, "0.0.0.0", "an address"),
        http_port=take("MEMGRAPH_HA_HTTP_PORT", _port, "8080", "a port number"),
        log_level=take("MEMGRAPH_HA_LOG_LEVEL", _level, "INFO", "DEBUG, INFO, WARNING or ERROR"),
        kubeconfig=environ.get("KUBECONFIG", ""),
        timings=timings,
        policy=policy,
        fleet=_fleet(environ, release, namespace, problems),
    )
    problems.extend(timings.problems())
    if problems:
        raise BadSettings(tuple(problems))
    return settings


def _fleet(environ: Mapping[str, str], release: str, namespace: str, problems: list[str]) -> Rules | None:
    """None where nobody is to look after the pods with sidecars."""

    def word(name: str, default: str) -> str:
        return environ.get(name, "").strip() or default

    image, default = word("MEMGRAPH_HA_SIDECAR_IMAGE", ""), word("MEMGRAPH_HA_DEFAULT", "true")
    access = word("MEMGRAPH_HA_CLIENT_ACCESS", ClientAccess.NONE)
    if default not in ("true", "false"):
        problems.append(f"MEMGRAPH_HA_DEFAULT is {default!r}: set it to true or false")
    if access not in set(ClientAccess):
        problems.append(f"MEMGRAPH_HA_CLIENT_ACCESS is {access!r}: set it to {', '.join(ClientAccess)}")
        return None
    clients = Release(release, namespace, word("MEMGRAPH_HA_CLUSTER", release), default == "true", image)
    return Rules(clients, ClientAccess(access)) if image else None


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 3600:  # an hour: whoever means more mistook the unit
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(text)
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError(text)
    return int(text)


def _level(text: str) -> str:
    return _one_of("DEBUG", "INFO", "WARNING", "ERROR")(text.upper())


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse
