"""The webhook's settings: defaults, and every problem at once."""

from __future__ import annotations

import pytest

from sidecar.contract.env import BadSettings
from webhook import settings

LEAST = {"MEMGRAPH_HA_RELEASE": "graph", "POD_NAMESPACE": "db", "MEMGRAPH_HA_SIDECAR_IMAGE": "sidecar:1"}


def test_the_least_environment_gives_the_defaults() -> None:
    chosen = settings.from_env(LEAST)
    assert (chosen.release.cluster, chosen.release.default) == ("graph", True)
    assert (chosen.address, chosen.port, chosen.pod_ip, chosen.kubeconfig) == ("", 10250, "", "")


def test_every_variable_is_read() -> None:
    chosen = settings.from_env(
        LEAST
        | {
            "MEMGRAPH_HA_CLUSTER": "blue",
            "MEMGRAPH_HA_DEFAULT": "false",
            "MEMGRAPH_HA_WEBHOOK_ADDRESS": "::",
            "MEMGRAPH_HA_WEBHOOK_PORT": "9443",
            "MEMGRAPH_HA_SIDECAR_PULL_SECRETS": "one, two",
            "MEMGRAPH_HA_STRICT": "true",
            "MEMGRAPH_HA_WEBHOOK_CERTIFICATE_DIR": "/certificate",
            "POD_IP": "10.0.0.7",
            "MEMGRAPH_HA_LOG_LEVEL": "debug",
            "KUBECONFIG": "/tmp/k",
        }
    )
    assert (chosen.release.cluster, chosen.release.default, chosen.address, chosen.port) == ("blue", False, "::", 9443)
    assert (chosen.release.pull_secrets, chosen.release.strict) == (("one", "two"), True)
    assert chosen.certificate_dir == "/certificate"
    assert (chosen.pod_ip, chosen.log_level, chosen.kubeconfig) == ("10.0.0.7", "DEBUG", "/tmp/k")


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(BadSettings) as caught:
        settings.from_env({})
    assert [problem.split()[0] for problem in caught.value.problems] == list(LEAST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEMGRAPH_HA_CLUSTER", "a b"),
        ("MEMGRAPH_HA_DEFAULT", "yes"),
        ("MEMGRAPH_HA_STRICT", "maybe"),
        ("MEMGRAPH_HA_SIDECAR_PULL_SECRETS", "a/b"),
        ("MEMGRAPH_HA_WEBHOOK_ADDRESS", "localhost"),
        ("MEMGRAPH_HA_WEBHOOK_PORT", "70000"),
        ("MEMGRAPH_HA_WEBHOOK_PORT", "x"),
        ("POD_IP", "here"),
        ("MEMGRAPH_HA_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_to_set(name: str, value: str) -> None:
    with pytest.raises(BadSettings) as caught:
        settings.from_env(LEAST | {name: value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} is ")
    assert value in problem.lower()
    assert "set it to" in problem
