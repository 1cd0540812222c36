"""`python -m controller.initfile SECRET-FOLDER ROLE-LINES OUTPUT`: an instance's init-file with users (P-U).

Runs as an init container of every Memgraph pod; the file stays for restarts of the process within that pod. Exit code 1
without a file, so that Memgraph does not start, if the role lines cannot be read (a main without a fence) or the Secret
has no usable user (a database that asks nobody for credentials). Keys that cannot be used are only named.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Final

from controller.core.logins import init_file, read_secret
from controller.secretfolder import read_folder
from sidecar.contract import logs

LOG: Final = logging.getLogger("initfile")


def compose(folder: Path, role_lines: Path, output: Path) -> None:
    """Write the init-file. Raises OSError, or ValueError without a usable user."""
    role = role_lines.read_text(encoding="utf-8")
    accounts = read_secret(read_folder(folder))
    for problem in accounts.problems:
        logs.emit(LOG, "UserLeftOut", logging.WARNING, message=problem)
    if not accounts.logins:
        raise ValueError("the Secret has no usable user: without users Memgraph lets anybody in")
    fresh = output.with_name(output.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(init_file(accounts.logins, role), encoding="utf-8")
    os.replace(fresh, output)  # a container killed half-way leaves no half of an init-file
    logs.emit(LOG, "InitFileWritten", users=[login.name for login in accounts.logins])


def main() -> int:
    """The program."""
    if len(sys.argv) != 4:
        sys.stderr.write("usage: python -m controller.initfile SECRET-FOLDER ROLE-LINES OUTPUT\n")
        return 2
    logs.configure("initfile")
    folder, role_lines, output = map(Path, sys.argv[1:])
    try:
        compose(folder, role_lines, output)
    except (OSError, ValueError) as error:
        logs.emit(LOG, "InitFileNotWritten", logging.ERROR, message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
