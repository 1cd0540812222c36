"""The webhook's settings, from the environment. One table: the parser, `--help` and the chart's tests read it.

`from_env` lists every bad value at once; each sentence names the variable and what to set it to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.contract.env import BadSettings
from webhook.core.model import Release

RELEASE: Final = "MEMGRAPH_HA_RELEASE"
NAMESPACE: Final = "POD_NAMESPACE"
POD_IP: Final = "POD_IP"
CLUSTER: Final = "MEMGRAPH_HA_CLUSTER"
DEFAULT: Final = "MEMGRAPH_HA_DEFAULT"
SIDECAR_IMAGE: Final = "MEMGRAPH_HA_SIDECAR_IMAGE"
PULL_SECRETS: Final = "MEMGRAPH_HA_SIDECAR_PULL_SECRETS"
STRICT: Final = "MEMGRAPH_HA_STRICT"
CERTIFICATE_DIR: Final = "MEMGRAPH_HA_WEBHOOK_CERTIFICATE_DIR"
ADDRESS: Final = "MEMGRAPH_HA_WEBHOOK_ADDRESS"
PORT: Final = "MEMGRAPH_HA_WEBHOOK_PORT"
LOG_LEVEL: Final = "MEMGRAPH_HA_LOG_LEVEL"
KUBECONFIG: Final = "KUBECONFIG"

VARIABLES: Final = {
    RELEASE: "name of the memgraph-ha release (required)",
    NAMESPACE: "namespace of the release (required)",
    SIDECAR_IMAGE: "image of the sidecar (required)",
    CLUSTER: "name that the label memgraph-ha.io/cluster has to carry (default: the release's name)",
    DEFAULT: "true if pods that name no cluster belong to this release, else false (default: true)",
    PULL_SECRETS: "names of pull secrets to add to injected pods, with commas between (default: none)",
    STRICT: "true if a pod that asks for the sidecar and can't have it is refused, else false (default: false)",
    CERTIFICATE_DIR: "folder with tls.crt and tls.key that somebody else keeps (default: none; we make our own)",
    ADDRESS: "IP address to listen on (default: every one, IPv4 and IPv6)",
    PORT: "port to listen on (default: 10250, which managed clusters' firewalls leave open)",
    POD_IP: "the pod's own IP address, put into the certificate (default: none)",
    LOG_LEVEL: "DEBUG, INFO, WARNING or ERROR (default: INFO)",
    KUBECONFIG: "path of a kubeconfig (default: the pod's service account)",
}
"""Every variable that is read, and what it means."""

_OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What one webhook process needs to know."""

    release: Release
    certificate_dir: str = ""
    address: str = ""
    port: int = 10250
    pod_ip: str = ""
    log_level: str = "INFO"
    kubeconfig: str = ""


def from_env(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises BadSettings with every problem."""
    problems: list[str] = []

    def text(name: str, default: str = "") -> str:
        return environ.get(name, "").strip() or default

    def required(name: str) -> str:
        value = text(name)
        if not value:
            problems.append(f"{name} is not set: set it to the {VARIABLES[name].removesuffix(' (required)')}")
        return value

    def check(name: str, value: str, good: bool, hint: str) -> str:
        if not good:
            problems.append(f"{name} is {value!r}: set it to {hint}")
        return value

    name = required(RELEASE)
    cluster = text(CLUSTER, name)
    default = text(DEFAULT, "true")
    strict = text(STRICT, "false")
    secrets = tuple(one for item in text(PULL_SECRETS).split(",") if (one := item.strip()))
    address, port, pod_ip = text(ADDRESS), text(PORT, "10250"), text(POD_IP)
    log_level = text(LOG_LEVEL, "INFO").upper()
    check(CLUSTER, cluster, not cluster or bool(_LABEL_VALUE.fullmatch(cluster)), "a valid label value")
    check(DEFAULT, default, default in ("true", "false"), "true or false")
    check(STRICT, strict, strict in ("true", "false"), "true or false")
    check(PULL_SECRETS, ",".join(secrets), all(map(_OBJECT_NAME.fullmatch, secrets)), "names of Secrets")
    check(ADDRESS, address, not address or _is_ip(address), "an IP address, or leave it out")
    check(POD_IP, pod_ip, not pod_ip or _is_ip(pod_ip), "an IP address, or leave it out")
    check(PORT, port, port.isascii() and port.isdecimal() and int(port) < 65536, "a port number (0 to 65535)")
    check(LOG_LEVEL, log_level, log_level in ("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR")
    namespace, image = required(NAMESPACE), required(SIDECAR_IMAGE)
    if problems:
        raise BadSettings(tuple(problems))
    return Settings(
        release=Release(name, namespace, cluster, default == "true", image, secrets, strict == "true"),
        certificate_dir=text(CERTIFICATE_DIR),
        address=address,
        port=int(port),
        pod_ip=pod_ip,
        log_level=log_level,
        kubeconfig=text(KUBECONFIG),
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
