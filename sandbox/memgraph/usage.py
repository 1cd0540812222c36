"""The text of --help."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from sandbox.memgraph.flags import DEFAULTS, MODELLED, OWN, shown
from sandbox.memgraph.flagtable import COORDINATION, REAL

_WIDTH: Final = 100
OTHERS: Final = len(REAL.keys() - MODELLED.keys() - OWN.keys() - COORDINATION - {"h", "flag_file"})
_HEAD: Final = """\
usage: memgraph-ha sandbox memgraph [--flag=value | --flag value | --boolean | --noboolean] ...

A simulated Memgraph Community instance: Bolt, replication and durability, without a Memgraph. For
programs that talk to Memgraph and for what happens to them when it fails; not for data you need. It
knows some Cypher; what it doesn't know is an error, never a guess.
"""
_EXAMPLES: Final = """\
Alone, with a driver: start it, then in Python
  memgraph-ha sandbox memgraph --bolt-port=7687 --data-directory=/tmp/mg --sim-admin-port=7690

  with neo4j.GraphDatabase.driver("bolt://localhost:7687") as driver:
      driver.execute_query("CREATE (:Order {id: $id})", id=1)

The admin port takes one JSON object a line (all of them: sandbox/memgraph/admin.py). After this,
nothing reaches any replica of this instance, and it hears no answer:
  with socket.create_connection(("localhost", 7690)) as admin:
      admin.sendall(b'{"knob": "link", "peer": "*", "state": "blackhole"}\\n')
      print(admin.makefile().readline())

As for the real server, MEMGRAPH_USER and MEMGRAPH_PASSWORD make the first user, and MEMGRAPH_CONFIG
names a flag file that is read before the command line.
"""


def usage() -> str:
    """The text of --help, at most 100 columns wide."""
    rest = (
        f"{OTHERS} other flags of the real server (3.6 to 3.12 and its development branch) are accepted with a warning "
        "and change nothing here; a flag that none of them knows is refused. --flag-file=PATH reads flags from a file."
    )
    parts = [_HEAD, "The simulator's own:", *_flags(OWN), ""]
    parts += ["Flags of the real server that work here, with the packaged server's defaults:", *_flags(MODELLED), ""]
    parts += [*textwrap.wrap(rest, _WIDTH), "", _EXAMPLES.rstrip()]
    return "\n".join(parts)


def _flags(table: dict[str, str]) -> Iterator[str]:
    for name, text in table.items():
        flag = f"  --{name.replace('_', '-')}"
        yield flag if name in ("help", "version") else f"{flag} (default: {shown(getattr(DEFAULTS, name)) or 'none'})"
        yield from _indented(text)


def _indented(text: str) -> Iterable[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
