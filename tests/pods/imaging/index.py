"""How pip reaches its package index from within a build: as it does here, and nothing of that stays in an image."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaging import buildah

_LINE = re.compile(r"(?P<source>[^.]+)\.(?P<name>[\w-]+)='(?P<value>.*)'")
_KEPT = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "cert", "no-index")


@contextmanager
def access() -> Iterator[list[str]]:
    """Arguments for buildah: this machine's settings of pip as the build's /etc/pip.conf, and the files they name."""
    settings = parse(buildah.run(sys.executable, "-m", "pip", "config", "list"))
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "pip.conf")
        file.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(settings.items())))
        named = [value for value in settings.values() if value.startswith("/") and Path(value).exists()]
        yield [f"--volume={one}" for one in (f"{file}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in named))]


def parse(listed: str) -> dict[str, str]:
    """`pip config list` -> what a build needs of it; the environment wins, as it does for pip."""
    found: dict[str, str] = {}
    for line in listed.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match and match["name"] in _KEPT and (match["source"] == ":env:" or match["name"] not in found):
            found[match["name"]] = match["value"]
    return found
