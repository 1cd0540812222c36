"""`python -m sidecar`: settings in, exit code out. `python -m sidecar probe` asks the one that runs here."""

from __future__ import annotations

import logging
import os
import sys

from sidecar.contract import env, logs

USAGE = """\
usage: python -m sidecar            proxy localhost to the current Memgraph main (settings: MEMGRAPH_HA_... variables)
       python -m sidecar probe      exit 0 if the sidecar of this pod listens (startup probe)
       python -m sidecar --help

Needs MEMGRAPH_HA_NAMESPACE, MEMGRAPH_HA_CONFIG_MAP and KUBERNETES_SERVICE_HOST; sidecar/contract/env.py lists the rest.
Exit codes: 0 ended by SIGTERM (after a drain), 1 the probe failed, 2 bad settings.
"""


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    if arguments not in ([], ["probe"]):
        sys.stderr.write(USAGE)
        return 2
    logs.configure("sidecar")
    try:
        settings = env.parse(os.environ)
        if arguments:
            return _probe(settings)
        logs.configure("sidecar", settings.log_level)
        _run(settings)
    except env.BadSettings as error:
        for problem in error.problems:
            logs.emit(logging.getLogger("sidecar"), "BadSettings", logging.ERROR, message=problem)
        return 2
    return 0


def _probe(settings: env.Settings) -> int:
    from sidecar.probe import listens  # a probe runs every second or so: it must not load the proxy

    problem = listens(settings.admin_address[0], settings.admin_port)
    if problem:
        sys.stderr.write(problem + "\n")
    return 1 if problem else 0


def _run(settings: env.Settings) -> None:
    import anyio  # not before the settings are known to be good

    from sidecar.run import run

    anyio.run(run, settings, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
