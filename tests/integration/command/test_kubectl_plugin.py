"""`kubectl memgraph-ha`: kubectl finds the installed script in PATH, hands it every word, and ends as it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from command_world import World
from fleet_pods import pod

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl in PATH: it is what looks for the plugin"),
]


async def kubectl(*words: str) -> subprocess.CompletedProcess[bytes]:
    """As typed by somebody who has installed this package beside kubectl."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return await anyio.run_process([str(KUBECTL), *words], env={**os.environ, "PATH": path}, check=False)


async def test_kubectl_runs_the_command_as_its_plugin(kubernetes: World) -> None:
    await kubernetes.pod(pod(owner=("StatefulSet", "db"), name="db-0"))
    explain = ("memgraph-ha", "explain", "db-0", "-n", "apps", "--kubeconfig")
    done = await kubectl(*explain, str(kubernetes.kubeconfig))
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode().startswith("pod/db-0 in namespace apps: lacks the sidecar of release graph\n")
    assert (await kubectl(*explain, "nowhere")).returncode == 2, "the exit codes of docs/commands.md"


async def test_kubectl_lists_it(kubernetes: World) -> None:
    """Under the name that its documents say."""
    done = await kubectl("plugin", "list")
    assert f"{Path(sys.executable).parent}/kubectl-memgraph_ha" in done.stdout.decode().splitlines()
