"""The CA file: read at the start or not at all, followed, never replaced by what can't be used."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest
import trustme

from controller.core.model import Tls
from controller.trust import CA_MOST_BYTES, Trust, context
from sidecar.contract.env import BadSettings


def pem() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def test_without_anything_there_is_no_tls() -> None:
    trust = Trust(None, "")
    trust.begin()
    assert not trust.look()
    assert trust.tls == Tls()
    assert context(trust.tls) is None


def test_a_name_alone_means_the_authorities_of_the_image() -> None:
    trust = Trust(None, "graph.example")
    trust.begin()
    made = context(trust.tls)
    assert made is not None
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_another_ca_is_seen_and_the_former_context_stays_what_it_was(tmp_path: Path) -> None:
    file, old, new = tmp_path / "ca.crt", pem(), pem()
    file.write_text(old)
    trust = Trust(file, "graph")
    trust.begin()
    assert trust.tls == Tls(old, "graph")
    assert not trust.look()
    file.write_text(new)
    assert trust.look()
    assert trust.tls == Tls(new, "graph")
    assert context(Tls(old, "graph")) is not context(trust.tls)


BAD = {
    "no PEM": "hello",
    "empty": "",
    "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_ca_keeps_a_controller_from_starting(tmp_path: Path, text: str) -> None:
    """It would talk to anybody, or to nobody."""
    (tmp_path / "ca.crt").write_text(text)
    with pytest.raises(BadSettings, match=r"ca\.crt"):
        Trust(tmp_path / "ca.crt", "").begin()
    with pytest.raises(BadSettings, match="nothing"):
        Trust(tmp_path / "nothing", "").begin()


def test_a_ca_that_no_document_should_carry_is_refused(tmp_path: Path) -> None:
    one = pem()
    (tmp_path / "ca.crt").write_text(one * (CA_MOST_BYTES // len(one) + 1))
    with pytest.raises(BadSettings, match=str(CA_MOST_BYTES)):
        Trust(tmp_path / "ca.crt", "").begin()


def test_what_can_not_be_used_later_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, good = tmp_path / "ca.crt", pem()
    file.write_text(good)
    trust = Trust(file, "")
    trust.begin()
    with caplog.at_level(logging.INFO, logger="controller.trust"):
        file.write_text("half an upd")
        assert [trust.look(), trust.look()] == [False, False]
        assert trust.tls == Tls(good)
        file.write_text(good)
        assert not trust.look()
    assert len(caplog.records) == 1
