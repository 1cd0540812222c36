"""`python -m sandbox.memgraph`: see --help."""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

import anyio

from sandbox.memgraph.core.compat import COMPAT
from sandbox.memgraph.flags import BadFlag, Flags, parse
from sandbox.memgraph.server import serve
from sandbox.memgraph.usage import usage
from sidecar.contract.logs import configure, emit

_log: Final = logging.getLogger(__name__)
_BAD_FLAG: Final = 1
"""As gflags has it."""


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 for what the command line has to change."""
    config = os.environ.get("MEMGRAPH_CONFIG")  # the command line overrides it
    try:
        flags = parse([f"--flag-file={config}", *arguments] if config else arguments)
    except BadFlag as error:
        print(f"memgraph: {error}", file=sys.stderr)
        return _BAD_FLAG
    if flags.help or flags.version:
        print(usage() if flags.help else COMPAT[flags.compat].version)
        return 0
    return _run(flags)


def _run(flags: Flags) -> int:
    configure("memgraph", "DEBUG" if flags.log_level == "TRACE" else flags.log_level)
    for flag in flags.ignored:
        emit(_log, "FlagIgnored", logging.WARNING, flag=flag, message="accepted, but without effect here")
    try:
        anyio.run(serve, flags, backend_options={"use_uvloop": True})
    except BadFlag as error:
        print(f"memgraph: {error}", file=sys.stderr)
        return _BAD_FLAG
    except BaseExceptionGroup as group:
        matched, rest = group.split(BadFlag)
        if matched is None or rest is not None:
            raise
        print(f"memgraph: {_first(matched)}", file=sys.stderr)
        return _BAD_FLAG
    return 0


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
