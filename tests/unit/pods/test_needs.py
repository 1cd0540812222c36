"""What a machine lacks for real pods, and what is said of it."""

from __future__ import annotations

import pytest
from pods import needs


@pytest.mark.parametrize(
    ("system", "user", "refused", "said"),
    [
        ("darwin", 0, "", "Pods need Linux"),
        ("linux", 1000, "", "sudo make pods"),
        ("linux", 0, "unshare: Operation not permitted", "Operation not permitted"),
        ("linux", 0, "", ""),
    ],
)
def test_why_a_machine_can_have_no_pods(system: str, user: int, refused: str, said: str) -> None:
    found = needs.impossible(system, user, refused)
    assert said in found
    assert bool(found) == bool(said)


def test_a_package_is_missing_once_however_many_of_its_programs_are() -> None:
    packages = needs.missing(lambda name: None if name in ("ctr", "containerd", "nft") else f"/usr/bin/{name}", "")
    assert packages == ["containerd", "containernetworking-plugins", "nftables"]


def test_nothing_is_missing_where_all_is_there() -> None:
    assert needs.missing(lambda name: f"/usr/bin/{name}", "/usr/lib/cni") == []
