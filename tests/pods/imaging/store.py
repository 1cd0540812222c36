"""Built images, kept as docker archives outside of any checkout, so that the next one builds nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from envtest import binaries, go, versions
from envtest.failure import Unavailable

from imaging import buildah, index
from imaging.recipes import Recipe

KEEP_S = 14 * 24 * 3600.0
"""An archive that nobody used for so long is removed: they are a gigabyte together."""


def ensure(recipe: Recipe, python: str, say: Callable[[str], None]) -> Path:
    """The image's archive; built unless it is there. Raises Unavailable."""
    path = _folder() / f"{recipe.name}-{recipe.key}.tar"
    if path.exists():
        path.touch()
        return path
    started = time.monotonic()
    say(f"{recipe.image}: building")
    with tempfile.TemporaryDirectory(dir=_folder()) as name:
        if recipe.dockerfile is None:
            _compile(recipe)
        else:
            _bud(recipe, recipe.dockerfile, python)
        fresh = Path(name, path.name)
        buildah.run("buildah", "push", "--quiet", recipe.image, f"docker-archive:{fresh}:{recipe.image}")
        fresh.replace(path)  # whole or not at all
    say(f"{recipe.image}: built in {time.monotonic() - started:.0f} s, {path.stat().st_size >> 20} MiB")
    return path


def drop_old(used: Iterable[Path]) -> None:
    """Remove what was long unused."""
    keep = set(used)
    for path in _folder().glob("*.tar"):
        if path not in keep and time.time() - path.stat().st_mtime > KEEP_S:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    found = binaries.cache().parent / "images"
    found.mkdir(parents=True, exist_ok=True)
    return found


def _bud(recipe: Recipe, dockerfile: Path, python: str) -> None:
    with index.access() as mounts:
        try:
            buildah.run(
                "buildah", "bud", "--quiet", "--layers", *mounts, "--build-arg", f"PYTHON_IMAGE={python}",
                "--file", str(dockerfile), "--tag", recipe.image, str(recipe.context),
            )  # fmt: skip
        except Unavailable as error:
            raise buildah.NotBuilt(str(error)) from error


def _compile(recipe: Recipe) -> None:
    """One program, and nothing else in the image."""
    version = versions.DEFAULT_KUBERNETES
    compiler = go.find(versions.program("kubelet", version).go_at_least, binaries.cache())
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        environment = ("env", "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOWORK=off")
        source = str(recipe.context / f"{recipe.name}.go")
        output = str(root / recipe.name)
        buildah.run(*environment, str(compiler), "build", "-trimpath", "-ldflags=-s -w", "-o", output, source)
        buildah.commit(root, recipe.image, [f"/{recipe.name}"])
