"""A CA for tests, and the files of the servers it vouches for."""

from __future__ import annotations

from pathlib import Path

import trustme


class Authority:
    """Keeps what it issues in a folder."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.pem = self.ca.cert_pem.bytes().decode()
        self.folder = folder
        folder.mkdir()

    def flags(self, name: str) -> dict[str, str]:
        """Memgraph's flags for a certificate of `name`."""
        issued = self.ca.issue_cert(name)
        certificate, key = self.folder / "cert.pem", self.folder / "key.pem"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return {"bolt-cert-file": str(certificate), "bolt-key-file": str(key)}
