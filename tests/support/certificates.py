"""Certificates for simulated Memgraphs."""

from __future__ import annotations

from pathlib import Path

import trustme


def pem(authority: trustme.CA) -> str:
    """Its own certificate."""
    return authority.cert_pem.bytes().decode()


def bolt_flags(authority: trustme.CA, name: str, folder: Path) -> dict[str, str]:
    """Memgraph's flags, without their dashes, for a certificate of `name`, whose files are put into `folder`."""
    issued = authority.issue_cert(name)
    certificate, key = folder / "tls.crt", folder / "tls.key"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    return {"bolt-cert-file": str(certificate), "bolt-key-file": str(key)}
