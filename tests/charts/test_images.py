"""The Dockerfiles and the pinned dependencies, as far as that can be judged without building."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dockerfiles
import pytest
from dockerfiles import ROOT

from webhook.core.security import IMAGE_USER

DOCKERFILES = ["Dockerfile.controller", "Dockerfile.sidecar"]
CONSTRAINTS = ["bench", "build", "compile", "controller", "dev", "sandbox", "sidecar"]


def instructions(name: str) -> list[tuple[str, str]]:
    """Of this Dockerfile."""
    return dockerfiles.instructions((ROOT / name).read_text())


def pinned(name: str) -> set[str]:
    """The packages of a constraints file."""
    lines = (ROOT / "constraints" / f"{name}.txt").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if not line.startswith(" ")}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_last_stage_runs_as_the_number_the_webhook_knows(name: str) -> None:
    users = [arguments for instruction, arguments in instructions(name) if instruction == "USER"]
    assert users == [f"{IMAGE_USER}:{IMAGE_USER}"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_program_is_started_without_a_shell(name: str) -> None:
    given = dict(instructions(name))
    assert json.loads(given["ENTRYPOINT"])[:2] == ["python", "-m"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_everything_is_installed_by_hash_or_from_our_own_wheel(name: str) -> None:
    runs = " ".join(arguments for instruction, arguments in instructions(name) if instruction == "RUN")
    # The compiler is the base image's distribution's; it stays in the build stage.
    installs = re.findall(r"\binstall\b[^&]*", re.sub(r"apt-get install[^&]*", "", runs))
    assert len(installs) == (4 if name == "Dockerfile.sidecar" else 3)
    assert all("--require-hashes -r constraints/" in one or "--no-deps /wheel/*.whl" in one for one in installs)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_build_context_has_what_is_copied(name: str) -> None:
    allowed = dockerfiles.allowed()
    for instruction, arguments in instructions(name):
        if instruction == "COPY" and not arguments.startswith("--from"):
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists()
                assert source in allowed or f"{Path(source).parent}/*{Path(source).suffix}" in allowed


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_every_package_is_pinned_with_hashes_and_no_address_is_in_the_file(name: str) -> None:
    text = (ROOT / "constraints" / f"{name}.txt").read_text()
    packages = re.split(r"\n(?! )", text.strip())
    assert all(re.match(r"[a-z0-9-]+==\S+", one) and "--hash=sha256:" in one for one in packages)
    assert not re.search(r"://|--index|--find-links|^-e|@ |file:", text, re.MULTILINE)


def test_the_sidecar_image_has_none_of_the_heavy_packages() -> None:
    assert not pinned("sidecar") & {"kubernetes", "neo4j", "fastapi", "aiohttp", "pydantic", "cryptography"}
    assert pinned("sidecar") < pinned("controller") < pinned("sandbox") < pinned("dev")


def test_an_editable_install_needs_nothing_that_is_not_pinned() -> None:
    assert {"hatchling", "editables"} <= pinned("build") <= pinned("sandbox")
