"""Addresses and ports for pods."""

from __future__ import annotations

import socket

import pytest

from sandbox.kubelet.addresses import KUBERNETES_PORT, Addresses, free_block, has_loopback_block


def test_every_pod_has_an_address_of_its_own_and_old_ones_rest() -> None:
    """A freed address isn't the next one given out: a stale connection must find nobody there."""
    addresses = Addresses(80)
    first = addresses.take([7687])
    others = [addresses.take([7687]) for _ in range(600)]
    assert len({first.address, *(place.address for place in others)}) == 601
    assert all(0 < int(place.address.rpartition(".")[2]) < 255 for place in others)
    assert first.port(7687) == 7687
    addresses.give_back(first)
    assert addresses.take([]).address != first.address


def test_on_one_address_every_port_is_another() -> None:
    """Two pods with the same ports don't meet."""
    addresses = Addresses(None)
    one, two = addresses.take([80, 443]), addresses.take([80, 443])
    assert one.address == two.address == "127.0.0.1"
    assert len({place.port(port) for place in (one, two) for port in (80, 443)}) == 4
    assert one.port(81) == 81


@pytest.mark.skipif(not has_loopback_block(), reason="this system has only 127.0.0.1; Linux has all of 127.0.0.0/8")
def test_a_block_in_use_is_left_alone() -> None:
    """The same seed gets the same block, until somebody listens there."""
    block = free_block("seed")
    assert free_block("seed") == block
    with socket.create_server((f"127.{block}.0.1", KUBERNETES_PORT)):
        assert free_block("seed") != block
