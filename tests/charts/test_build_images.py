"""`make images`: the commands it runs, with each of the tools that may be there."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

import build_images
from build_images import Failed, Source, Wanted, commands, labels

SOURCE = Source("1.2.3", "abc-dirty", 1_700_000_000)
WANTED = Wanted("buildah", "registry.example/team", "1.2.3", python="base@sha256:0")


def test_one_platform_is_built_by_buildah_or_podman_with_the_commit_s_time() -> None:
    for tool in ("buildah", "podman"):
        (build,) = commands(replace(WANTED, tool=tool), "sidecar", SOURCE)
        assert build[:2] == [tool, "build"]
        text = " ".join(build)
        assert "--file Dockerfile.sidecar --build-arg PYTHON_IMAGE=base@sha256:0" in text
        assert "--timestamp 1700000000 --tag registry.example/team/memgraph-ha-sidecar:1.2.3 ." in text


def test_several_platforms_are_a_manifest_which_is_pushed_as_a_whole() -> None:
    several = replace(WANTED, platforms=("linux/amd64", "linux/arm64"), push=True)
    build, push = commands(several, "controller", SOURCE)
    name = "registry.example/team/memgraph-ha-controller:1.2.3"
    assert "--platform linux/amd64,linux/arm64" in " ".join(build)
    assert build[build.index("--manifest") + 1] == name
    assert push == ["buildah", "manifest", "push", "--all", name, f"docker://{name}"]


def test_docker_loads_what_it_does_not_push() -> None:
    docker = replace(WANTED, tool="docker")
    (build,) = commands(docker, "sidecar", SOURCE)
    assert "--load --tag registry.example/team/memgraph-ha-sidecar:1.2.3" in " ".join(build)
    (pushed,) = commands(replace(docker, push=True), "sidecar", SOURCE)
    assert "push=true" in pushed[pushed.index("--output") + 1]
    assert "rewrite-timestamp=true" in pushed[pushed.index("--output") + 1]


def test_arguments_of_the_build_come_before_its_context() -> None:
    (build,) = commands(replace(WANTED, more=("--volume=/a:/a",)), "sidecar", SOURCE)
    assert build[-2:] == ["--volume=/a:/a", "."]


def test_without_a_registry_names_are_those_of_the_chart_s_values() -> None:
    assert replace(WANTED, registry="").name("sidecar") == "memgraph-ha-sidecar:1.2.3"


def test_labels_say_what_it_is_and_from_which_commit() -> None:
    found = {key.removeprefix("org.opencontainers.image."): value for key, value in labels("sidecar", SOURCE).items()}
    assert (found["version"], found["revision"], found["created"]) == (
        "1.2.3",
        "abc-dirty",
        "2023-11-14T22:13:20+00:00",
    )
    assert found["licenses"] in (Path(__file__).parents[2] / "pyproject.toml").read_text()


def _tool(folder: Path, name: str, code: int) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_tool_that_is_there_and_does_not_work_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as docker's command without its daemon."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/nowhere")
    _tool(tmp_path, "docker", 1)
    _tool(tmp_path, "buildah", 0)
    assert build_images.chosen("") == "buildah"
    with pytest.raises(Failed, match=r"docker info.*ended with 1[\s\S]*next: install"):
        build_images.chosen("docker")


def test_buildah_s_sizes_are_understood() -> None:
    assert [build_images.parsed(text) for text in ("766 KB", "1.43 MB", "2 GB")] == [766_000, 1_430_000, 2_000_000_000]


def test_bad_arguments_end_with_2_and_no_tool_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as wrong:
        build_images.main(["--tool", "kaniko"])
    assert wrong.value.code == 2
    monkeypatch.setenv("PATH", f"{Path('/usr/bin')}" if not Path("/usr/bin/buildah").exists() else str(tmp_path))
    assert build_images.main(["--tool", "podman"]) == 1
    assert "images: " in capsys.readouterr().err
