"""A node that boots is on when `boot` returns; one that can't says so, with the end of its log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from envtest.failure import DidNotStart
from pods import node
from pods.layout import NodeLayout, layouts
from pods.processes import running

Nsenter = Callable[[str], None]


@pytest.fixture
def one(tmp_path: Path) -> NodeLayout:
    found = layouts(tmp_path)[0]
    found.folder.mkdir()
    return found


@pytest.fixture
def nsenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nsenter:
    """Puts a shell script in its place: what makes the namespaces, which a test's user may not."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(script: str) -> None:
        (folder / "nsenter").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nsenter").chmod(0o755)

    return write


def test_a_slow_machines_node_is_on_when_boot_returns(one: NodeLayout, nsenter: Nsenter) -> None:
    # Whoever looks before it has counted finds no first process.
    nsenter("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exec unshare --fork --kill-child sleep 60")
    node.boot(one)
    try:
        assert running(node.first_process(one))
    finally:
        node.power_off(one)
    assert not one.pid_file.exists()


def test_a_node_that_ends_while_it_boots_says_what_its_log_says(one: NodeLayout, nsenter: Nsenter) -> None:
    nsenter("echo no such namespace >&2; exit 1")
    with pytest.raises(DidNotStart, match="is off; its log ends:\nno such namespace"):
        node.boot(one)
