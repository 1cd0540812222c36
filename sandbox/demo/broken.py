"""`python -m sandbox.demo.broken promote-stale`: the real controller with one planted bug, for `--break`.

The one place where the sandbox imports the controller: it replaces a single function of the pure core (who may become
main, P-F3) by one that prefers a replica without proof. Everything else is the program as it is. A demo whose checker
can't catch this proves nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from controller import __main__ as controller
from controller.core import complete, failover
from controller.core.model import Instance
from controller.core.view import View
from sandbox.demo.stage import PLANTED_BUGS

_sound = failover.eligible


def promote_stale(view: View) -> tuple[Instance, ...]:
    """Wrong on purpose: only instances that are neither the last main nor the replica known to hold every write."""
    if view.document.sync is None:
        return _sound(view)  # nothing to choose from yet: a fresh cluster has to come up first
    known = {view.document.master_index, view.document.sync.ordinal}
    return tuple(instance for instance in view.obs.instances if instance.ordinal not in known)


def main(arguments: Sequence[str]) -> int:
    """Plant the bug, then run the controller."""
    if tuple(arguments) != PLANTED_BUGS:
        print(f"usage: python -m sandbox.demo.broken {{{','.join(PLANTED_BUGS)}}}", file=sys.stderr)
        return 2
    for module in (failover, complete):  # both hold the name: one defines it, the other imported it
        setattr(module, _sound.__name__, promote_stale)
    sys.argv = sys.argv[:1]  # the rest was ours; the controller takes no arguments
    return controller.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
