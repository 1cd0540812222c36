"""`make images`: both images with docker, podman or buildah, whichever is there; what they weigh.

The same commit makes the same layers again: all times are the commit's, and every package is pinned with its hash.
What is left to pin is the base: --python IMAGE@sha256:...
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent
IMAGES: Final = {
    "sidecar": "memgraph-ha's sidecar: the proxy beside an app that follows the Memgraph main",
    "controller": "memgraph-ha's controller and webhook (two commands)",
}
_WORKS: Final = {
    "docker": (("docker", "info", "--format", "{{.ServerVersion}}"), ("docker", "buildx", "version")),
    "podman": (("podman", "info", "--format", "{{.Version.Version}}"),),
    "buildah": (("buildah", "--version"),),
}
TOOLS: Final = tuple(_WORKS)
"""In the order in which they are looked for."""
PYTHON: Final = "docker.io/library/python:3.11-slim"
_STOPPED: Final = 130  # 128 + SIGINT, as shells count


class Failed(Exception):
    """A command ended badly, or there is none. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is built: a version, and the commit with its time (Unix seconds)."""

    version: str
    revision: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """`platforms` empty: this machine's own. `more`: arguments for the tool's build command."""

    tool: str
    registry: str
    tag: str
    python: str = PYTHON
    platforms: tuple[str, ...] = ()
    push: bool = False
    more: tuple[str, ...] = ()

    def name(self, image: str) -> str:
        """As the chart's values name it."""
        return f"{self.registry}{'/' if self.registry else ''}memgraph-ha-{image}:{self.tag}"


def labels(image: str, source: Source) -> dict[str, str]:
    """The OCI's annotations that can be known here."""
    return {
        "org.opencontainers.image.title": f"memgraph-ha-{image}",
        "org.opencontainers.image.description": IMAGES[image],
        "org.opencontainers.image.version": source.version,
        "org.opencontainers.image.revision": source.revision,
        "org.opencontainers.image.created": datetime.fromtimestamp(source.seconds, UTC).isoformat(),
        "org.opencontainers.image.licenses": "Apache-2.0",
    }


def commands(wanted: Wanted, image: str, source: Source) -> list[list[str]]:
    """What builds this image, and pushes it if that is wanted."""
    name, docker = wanted.name(image), wanted.tool == "docker"
    arguments = ["--file", f"Dockerfile.{image}", "--build-arg", f"PYTHON_IMAGE={wanted.python}"]
    for key, value in labels(image, source).items():
        arguments += ["--label", f"{key}={value}"]
    if wanted.platforms:
        arguments += ["--platform", ",".join(wanted.platforms)]
    several = len(wanted.platforms) > 1
    if docker:
        # SOURCE_DATE_EPOCH comes by the environment.
        output = f"type=image,name={name},rewrite-timestamp=true,push={str(wanted.push).lower()}"
        where = ["--output", output] if wanted.push or several else ["--load", "--tag", name]
        return [["docker", "buildx", "build", *arguments, *where, *wanted.more, "."]]
    where = ["--manifest" if several else "--tag", name]
    build = [wanted.tool, "build", *arguments, "--timestamp", str(source.seconds), *where, *wanted.more, "."]
    push = [wanted.tool, *(["manifest", "push", "--all"] if several else ["push"]), name]
    if several:
        push.append(f"docker://{name}")
    return [build, push] if wanted.push else [build]


def chosen(tool: str) -> str:
    """The tool that is there and works: docker without its daemon or its builder does not. Raises Failed."""
    problems = []
    for one in (tool,) if tool else TOOLS:
        try:
            for question in _WORKS[one]:
                _said(*question)
            return one
        except Failed as error:
            problems.append(str(error))
    raise Failed("\n".join([*problems, "next: install one of them, such as apt-get install buildah"]))


def source() -> Source:
    """This checkout's. Raises Failed."""
    chart = (ROOT / "charts" / "memgraph-ha" / "Chart.yaml").read_text()
    version = next(line.split('"')[1] for line in chart.splitlines() if line.startswith("appVersion"))
    revision, seconds = _said("git", "log", "-1", "--format=%H %ct").split()
    changed = "-dirty" if _said("git", "status", "--porcelain") else ""
    return Source(version, revision + changed, int(seconds))


def bytes_of(tool: str, name: str) -> int:
    """An image's size here, unpacked. Raises Failed."""
    if tool == "buildah":  # rounded to three digits
        return parsed(str(json.loads(_said("buildah", "images", "--json", name))[0]["size"]))
    return int(_said(tool, "image", "inspect", "--format", "{{.Size}}", name))


def parsed(size: str) -> int:
    """buildah's words, as bytes."""
    number, unit = size.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise Failed(f"{command[0]} is not in PATH")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def build(wanted: Wanted, made_from: Source) -> dict[str, dict[str, float]]:
    """Both images, and their sizes where one can be asked for them. Raises Failed."""
    environment: Mapping[str, str] = {**os.environ, "SOURCE_DATE_EPOCH": str(made_from.seconds)}
    sizes: dict[str, dict[str, float]] = {}
    for image in IMAGES:
        for command in commands(wanted, image, made_from):
            print(f"{wanted.name(image)}: {' '.join(command[:3])} ...", flush=True)
            if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
                raise Failed(f"{' '.join(command)} failed")
        if len(wanted.platforms) <= 1 and not (wanted.tool == "docker" and wanted.push):
            whole = bytes_of(wanted.tool, wanted.name(image))
            sizes[image] = {"mib": round(whole / (1 << 20), 1)}
            if base := _base_bytes(wanted):
                sizes[image]["on_top_mib"] = round((whole - base) / (1 << 20), 1)
    return sizes


def _base_bytes(wanted: Wanted) -> int | None:
    """docker's builder keeps bases to itself."""
    try:
        return bytes_of(wanted.tool, wanted.python)
    except Failed:
        return None


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="make images",
        description="Builds memgraph-ha-sidecar and memgraph-ha-controller (controller and webhook).",
        epilog="With make: TOOL= REGISTRY= TAG= PLATFORM= PYTHON_IMAGE= PUSH=1 JSON=path ARGS='more for the build'.",
    )
    parser.add_argument("--tool", choices=TOOLS, default="", help="default: the first that is there")
    parser.add_argument("--registry", default="", metavar="HOST/PATH", help="put before both names")
    parser.add_argument("--tag", default="", help="default: the chart's appVersion")
    parser.add_argument("--platform", default="", help="such as linux/amd64,linux/arm64; default: this machine's")
    parser.add_argument("--python", default=PYTHON, metavar="IMAGE", help="the base; default: %(default)s")
    parser.add_argument("--push", action="store_true", help="push them, too")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the sizes to this file")
    parser.add_argument("more", nargs="*", help="after --: arguments of the tool's build command")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """The command."""
    options = arguments(argv)
    try:
        made_from = source()
        platforms = tuple(one for one in options.platform.split(",") if one)
        wanted = Wanted(
            chosen(options.tool), options.registry.rstrip("/"), options.tag or made_from.version, options.python,
            platforms, options.push, tuple(options.more),
        )  # fmt: skip
        sizes = build(wanted, made_from)
    except Failed as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _STOPPED
    if options.json is not None:
        options.json.write_text(json.dumps({"images": sizes}, indent=2) + "\n")
    for image, size in sizes.items():
        on_top = f", {size['on_top_mib']} of them on top of the base" if "on_top_mib" in size else ""
        print(f"{wanted.name(image)}: {size['mib']} MiB{on_top}")
    print(
        f"Next: helm install memgraph-ha charts/memgraph-ha --set images.registry={wanted.registry or 'YOUR-REGISTRY'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
