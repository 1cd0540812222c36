"""What the commands have in common: where to go, how to print, and one way to end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from typing import Any, Final

import anyio

from memgraph_ha.kube import Problem

OK, FOUND, CANNOT = 0, 1, 2
"""Exit codes: all well; something is to be done; wrong use, or no way to find out."""
CODES: Final = """\
exit codes:
  0  all is well
  1  {found}
  2  wrong use, or no way to the API server"""


def parser(command: str, text: str, found: str, epilog: str = "") -> argparse.ArgumentParser:
    """A command's parser with the options that all have; `found` says what exit code 1 means."""
    made = argparse.ArgumentParser(
        f"memgraph-ha {command}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(epilog + "\n" if epilog else "") + CODES.format(found=found),
    )  # fmt: skip
    made.add_argument("-o", "--output", choices=["text", "json"], default="text", help="(default: text)")
    made.add_argument("--context", help="the kubeconfig's context (default: its current one)")
    made.add_argument("--kubeconfig", help="a kubeconfig file (default: as kubectl finds it)")
    made.add_argument("--release", help="the Helm release's name (default: the only one there is)")
    return made


def run(made: argparse.ArgumentParser, argv: list[str], command: Callable[[argparse.Namespace], Awaitable[int]]) -> int:
    """Parse, run, and say a Problem as one sentence. Returns the exit code."""
    try:
        arguments = made.parse_args(argv)
    except SystemExit as error:  # argparse has printed why
        return int(error.code or 0)
    try:
        return anyio.run(command, arguments)
    except Problem as problem:
        if arguments.output == "json":
            print(json.dumps({"error": str(problem)}))
        else:
            print(f"memgraph-ha: {problem}", file=sys.stderr)
        return CANNOT


def as_json(value: Any) -> str:
    """For people's scripts: the field names are those of the dataclass."""
    return json.dumps(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value, indent=2)
