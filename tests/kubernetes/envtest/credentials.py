"""The cluster's own authority, its server certificate, tokens for its users, and kubeconfigs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme

ADMIN = "admin"
_USERS = {
    ADMIN: ("kubernetes-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files for the programs' flags, and each user's token."""

    ca: Path
    server: Path
    accounts_key: Path
    tokens_file: Path
    tokens: dict[str, str]


def make(folder: Path, names: list[str], more: Mapping[str, tuple[str, str]]) -> Credentials:
    """New ones, readable by their owner only; the server's certificate carries `names`.

    `more` are users beside those of every control plane, each with its name and group for the API server.
    """
    users = {**_USERS, **more}
    authority = trustme.CA()
    server = authority.issue_cert(*names)
    accounts = trustme.CA()  # any key pair: only its key is used, to sign and check service accounts' tokens
    tokens = {user: secrets.token_hex(20) for user in users}
    lines = [f'{tokens[user]},{name},{name},"{groups}"\n' for user, (name, groups) in users.items()]
    chain = server.private_key_and_cert_chain_pem.bytes()
    found = Credentials(folder / "ca.crt", folder / "server.pem", folder / "accounts.key", folder / "tokens", tokens)
    private(found.ca, authority.cert_pem.bytes())
    private(found.server, chain)
    private(found.accounts_key, accounts.private_key_pem.bytes())
    private(found.tokens_file, "".join(lines).encode())
    return found


def kubeconfig(path: Path, url: str, ca: Path, token: str) -> Path:
    """Write one (as JSON, which is YAML) for a bearer token."""
    named = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "envtest",
        "contexts": [{"name": "envtest", "context": {"cluster": "envtest", "user": "user"}}],
        "clusters": [{"name": "envtest", "cluster": {"server": url, "certificate-authority": str(ca.resolve())}}],
        "users": [{"name": "user", "user": {"token": token}}],
    }
    private(path, json.dumps(named, indent=2).encode())
    return path


def private(path: Path, content: bytes) -> None:
    """Write a file only its owner can read, from the first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
