"""What a person types while looking at an app with a sidecar."""

from __future__ import annotations

import json

import neo4j
import pytest

from e2e import workloads
from e2e.cluster import kubectl, memgraph_ha
from e2e.database import forwarded
from e2e.scene import WEB, Scene
from sidecar.contract import names

pytestmark = pytest.mark.timeout(600)
_ASK = (
    "import neo4j\n"
    "with neo4j.GraphDatabase.driver('bolt://localhost:7687') as driver:\n"
    "    print(driver.execute_query('RETURN 40 + 2 AS n').records[0]['n'])\n"
)


def test_logs_of_app_and_sidecar(scene: Scene) -> None:
    scene.calm()
    app = kubectl("-n", scene.apps, "logs", f"deployment/{WEB}", "-c", workloads.CONTAINER, "--tail=5")
    assert {json.loads(line)["type"] for line in app.splitlines()} & {"ok", "invoke"}
    said = kubectl("-n", scene.apps, "logs", f"deployment/{WEB}", "-c", names.SIDECAR_CONTAINER)
    assert all(json.loads(line)["event"] for line in said.splitlines())


def test_exec_finds_the_main_at_localhost(scene: Scene) -> None:
    scene.calm()
    found = kubectl(
        "-n", scene.apps, "exec", f"deployment/{WEB}", "-c", workloads.CONTAINER, "--", "python", "-c", _ASK
    )
    assert found.strip() == "42"


def test_exec_in_the_sidecar_shows_its_state(scene: Scene) -> None:
    document = scene.calm()
    ask = f"import urllib.request as u; print(u.urlopen('http://localhost:{names.ADMIN_PORT}/state').read().decode())"
    sidecar = names.SIDECAR_CONTAINER
    found = kubectl("-n", scene.apps, "exec", f"deployment/{WEB}", "-c", sidecar, "--", "python", "-c", ask)
    assert json.loads(found)["mainAddress"] == document.main_address


def test_port_forward_to_the_sidecar_leads_to_the_main(scene: Scene) -> None:
    scene.calm()
    with (
        forwarded(scene.apps, f"deployment/{WEB}", names.READ_WRITE_PORT) as port,
        neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{port}") as driver,
    ):
        driver.execute_query("CREATE (:Person {name: 'Ann'})")
        found = driver.execute_query("MATCH (p:Person) RETURN p.name AS name").records
        driver.execute_query("MATCH (p:Person) DELETE p")
    assert [record["name"] for record in found] == ["Ann"]


def test_status_says_that_all_is_well(scene: Scene) -> None:
    document = scene.calm()
    found = memgraph_ha("status", "-n", scene.installation.namespace, "--release", scene.installation.name)
    assert f"serving, epoch {document.epoch}" in found
    assert f"main {document.main_pod}" in found


def test_doctor_finds_no_error(scene: Scene) -> None:
    scene.calm()
    found = memgraph_ha("doctor", "-n", scene.installation.namespace, "--release", scene.installation.name)
    assert not [line for line in found.splitlines() if line.startswith("error")], found


def test_explain_says_why_a_pod_carries_the_sidecar(scene: Scene) -> None:
    scene.calm()
    found = memgraph_ha("explain", f"deployment/{WEB}", "-n", scene.apps)
    assert "sidecar" in found
