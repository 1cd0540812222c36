"""What the tests need out of somebody's kubeconfig: where the API server is, and how to be let in."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

_NOT_READ: Final = {
    "cluster": ("insecure-skip-tls-verify", "proxy-url", "tls-server-name"),
    "user": ("exec", "auth-provider", "username", "password", "as", "as-groups", "as-uid", "as-user-extra"),
}
"""They change who is asked or who asks: overlooking one would run the tests as somebody else, or elsewhere."""
_NEXT: Final = (
    "next: make a service account with the role cluster-admin, and a kubeconfig with "
    "`kubectl create token ACCOUNT` as its token"
)


class Unusable(Exception):
    """The kubeconfig can't be used here. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """Of the current context. Either `token` or `certificate` (with its key, PEM) is there."""

    host: str
    port: int
    ca: bytes
    token: str
    certificate: bytes


def read(path: Path) -> Access:
    """The current context's. Paths in the file are relative to its folder, as kubectl has it."""
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Unusable(f"{path} can't be read ({error}); next: point KUBECONFIG at one file") from error
    if not isinstance(config, dict):
        raise Unusable(f"{path} is no kubeconfig; next: point KUBECONFIG at one")
    context = _named(config, "contexts", "context", str(config.get("current-context") or ""))
    cluster = _named(config, "clusters", "cluster", str(context.get("cluster", "")))
    user = _named(config, "users", "user", str(context.get("user", "")))
    for kind, found in (("cluster", cluster), ("user", user)):
        for key in _NOT_READ[kind]:
            if found.get(key):
                raise Unusable(f"{path}: the {kind}'s `{key}` is not supported by these tests; {_NEXT}")
    host, port = _where(str(cluster.get("server", "")))
    ca = _content(path.parent, cluster, "certificate-authority")
    if not ca:
        raise Unusable(f"{path}: the cluster has no certificate-authority; next: add certificate-authority-data")
    token = str(user.get("token") or "")
    if not token and user.get("tokenFile"):
        token = _file(path.parent / str(user["tokenFile"])).decode().strip()
    certificate, private = (_content(path.parent, user, name) for name in ("client-certificate", "client-key"))
    if not token and not (certificate and private):
        raise Unusable(f"{path}: the user has neither a token nor a client certificate with its key; {_NEXT}")
    return Access(host, port, ca, token, b"" if token else certificate + b"\n" + private)


def _named(config: dict[str, Any], several: str, one: str, name: str) -> dict[str, Any]:
    for entry in config.get(several) or []:
        if name and entry.get("name") == name:
            return dict(entry.get(one) or {})
    wanted = f"no {one} {name!r}" if name else f"no {one} that is the current one"
    raise Unusable(f"the kubeconfig has {wanted}; next: kubectl config use-context NAME")


def _where(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
        raise Unusable(f"the server {server!r} is not supported: next: give one of the form https://HOST:PORT")
    return parts.hostname, parts.port or 443


def _content(base: Path, found: dict[str, Any], key: str) -> bytes:
    """`key`-data, else the file that `key` names, else nothing. In kubectl, too, the data win."""
    try:
        data = base64.b64decode(str(found.get(f"{key}-data") or ""), validate=True)
    except binascii.Error as error:
        raise Unusable(f"the kubeconfig's {key}-data is no base64 ({error}); next: write the file anew") from error
    return data or (_file(base / str(found[key])) if found.get(key) else b"")


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"a file that the kubeconfig names can't be read ({error}); next: correct its path") from error
