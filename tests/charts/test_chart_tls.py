"""Bolt by TLS: Memgraph has the certificate, the controller has the CA and never the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import controller.settings

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]


def spec_of(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


def settings_of(objects: Objects) -> controller.settings.Settings:
    env = spec_of(objects, "Deployment", "graph-controller")["containers"][0]["env"]
    return controller.settings.from_env({e["name"]: e.get("value", "10.0.0.1") for e in env})


def mounted(spec: dict[str, Any], path: str) -> dict[str, Any]:
    """The volume that is mounted there into the first container."""
    (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == path)
    volume: dict[str, Any]
    (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
    return volume


def test_memgraph_serves_by_the_secret_and_nothing_else_has_its_key(render: Render) -> None:
    objects = render({"tls": {"existingSecret": "graph-tls"}})
    memgraph = spec_of(objects, "StatefulSet", "graph")
    assert mounted(memgraph, "/etc/memgraph-tls")["secret"]["secretName"] == "graph-tls"
    flags = [arg for arg in memgraph["containers"][0]["args"] if arg.startswith("--bolt-")]
    assert flags[1:] == ["--bolt-cert-file=/etc/memgraph-tls/tls.crt", "--bolt-key-file=/etc/memgraph-tls/tls.key"]
    ca = mounted(spec_of(objects, "Deployment", "graph-controller"), "/etc/memgraph-ha/ca")
    assert ca["secret"] == {"secretName": "graph-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]}


@pytest.mark.parametrize(
    ("values", "source"),
    [
        ({"caSecret": "authority"}, ("secret", "secretName", "authority")),
        ({"caConfigMap": "authority"}, ("configMap", "name", "authority")),
    ],
    ids=str,
)
def test_the_ca_may_come_from_elsewhere(render: Render, values: dict[str, str], source: tuple[str, str, str]) -> None:
    """trust-manager keeps CAs in ConfigMaps; other issuers leave ca.crt out of the certificate's Secret."""
    objects = render({"tls": {"existingSecret": "graph-tls", **values}})
    ca = mounted(spec_of(objects, "Deployment", "graph-controller"), "/etc/memgraph-ha/ca")
    kind, key, name = source
    assert ca[kind][key] == name


@pytest.mark.parametrize(("given", "name"), [("", "graph-nodes.database.svc"), ("graph.example", "graph.example")])
def test_the_controller_asks_for_the_name_in_the_certificate(render: Render, given: str, name: str) -> None:
    settings = settings_of(render({"tls": {"existingSecret": "graph-tls", "serverName": given}}))
    assert (str(settings.tls_ca_file), settings.tls_server_name) == ("/etc/memgraph-ha/ca/ca.crt", name)


def test_without_a_secret_nothing_speaks_tls(render: Render) -> None:
    settings = settings_of(render())
    assert (settings.tls_ca_file, settings.tls_server_name) == (None, "")
