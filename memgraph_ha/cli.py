"""The command `memgraph-ha`: looks at its first word and hands over to that part. It decides nothing itself."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

_HELP = """usage: memgraph-ha COMMAND ...

commands:
  status            who is the main, who leads, what is wrong (--watch)
  doctor            look for everything that is known to go wrong, and name the fix
  explain           why a pod carries the sidecar or doesn't
  upgrade-sidecars  another image for running sidecars, without restarting apps
  inject            the sidecar in manifests, without a webhook
  switchover        move the main to another instance
  promote           make an instance the main although it may lack writes
  reseed            give a replica its data anew
  pause             let the controller only observe
  resume            end a pause
  sandbox           a whole memgraph-ha on this machine, without a cluster (simulated Memgraph)

`memgraph-ha COMMAND --help` says more. As kubectl memgraph-ha COMMAND, too."""


_NOT_IN_A_PLAIN_INSTALL: Final = ("kubernetes", "aiohttp", "yaml", "cryptography")
_REQUESTS: Final = ("switchover", "promote", "reseed", "pause", "resume")
_OTHERS: Final = {
    "status": "status", "doctor": "doctor", "explain": "explain", "upgrade-sidecars": "upgrade", "inject": "inject",
}  # fmt: skip
"""Command -> its module, which has a `main(argv)`."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code (2: it was called wrongly)."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        # Only on demand: each loads far more than a help text needs.
        if arguments[:1] == ["sandbox"]:
            from sandbox import cli

            return int(cli.main(arguments[1:]))
        if arguments and arguments[0] in _REQUESTS:
            from memgraph_ha import ask

            return ask.main(arguments)
        if arguments and arguments[0] in _OTHERS:
            module = import_module(f"memgraph_ha.{_OTHERS[arguments[0]]}")
            return int(module.main(arguments[1:]))
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NOT_IN_A_PLAIN_INSTALL:
            raise
        extra = "sandbox" if arguments[0] == "sandbox" else "controller"
        print(f"memgraph-ha: {arguments[0]} needs more: pip install 'memgraph-ha[{extra}]'", file=sys.stderr)
        return 2
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    print(f"memgraph-ha: there is no command {arguments[0]!r}. Try: memgraph-ha --help", file=sys.stderr)
    return 2
