"""TLS of the Bolt port (M-4.3): with a certificate and a key, plain TCP is refused."""

from __future__ import annotations

import ssl
from pathlib import Path

from sandbox.memgraph.flags import BadFlag


def bolt_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What the Bolt listener needs, None for plain TCP. Raises BadFlag."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "cert" if certificate is None else "key"
        raise BadFlag(f"TLS needs --bolt-cert-file and --bolt-key-file: add --bolt-{missing}-file, or leave both out")
    for flag, path in (("bolt-cert-file", certificate), ("bolt-key-file", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise BadFlag(f"--{flag} {path} can't be read: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # or OpenSSL would ask the terminal
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM").lower().replace("_", " ")
        raise BadFlag(
            f"--bolt-cert-file {certificate} and --bolt-key-file {key} don't work together ({reason}): "
            "give a PEM certificate and its own unencrypted PEM key"
        ) from None
    return context
