"""The command `memgraph-ha`: looks at its first word and hands over to that part. It decides nothing itself."""

from __future__ import annotations

import sys

_HELP = """usage: memgraph-ha COMMAND ...

commands:
  sandbox   a whole memgraph-ha on this machine, without a cluster (simulated Memgraph)

`memgraph-ha COMMAND --help` says more."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code (2: it was called wrongly)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["sandbox"]:
        try:
            from sandbox import cli  # only on demand: it loads far more than a help text needs

            return int(cli.main(arguments[1:]))
        except KeyboardInterrupt:
            return 130
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    print(f"memgraph-ha: there is no command {arguments[0]!r}. Try: memgraph-ha --help", file=sys.stderr)
    return 2
