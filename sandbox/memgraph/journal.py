"""The data directory: commit log, role and registrations, users, triggers.

The commit log is one line a record: CRC-32 of the JSON text in hex, a space, the JSON text. A torn last line (the
process died while writing) is cut off at the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sandbox.memgraph.core.instance import (
    CommitRecord,
    IdentityRecord,
    Record,
    ReplaceRecord,
    RoleRecord,
    Trigger,
    TriggersRecord,
    UsersRecord,
)
from sandbox.memgraph.core.messages import Commit

LOG: Final = "commits.log"
ROLE: Final = "replication.json"
USERS: Final = "users.json"
TRIGGERS: Final = "triggers.json"


class DirectoryInUse(OSError):
    """Another process has this data directory open."""


class Journal:
    """One process's hold of its data directory. `flush_every`: commits between two fsyncs (at least 1)."""

    def __init__(self, directory: Path, flush_every: int, *, keep_role: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._flush_every = max(1, flush_every)
        self._keep_role = keep_role
        self._unflushed = 0
        self._lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise DirectoryInUse(f"data directory {directory} is in use by another process") from None
        self._log = self._open_log()

    def _open_log(self) -> int:
        return os.open(self._directory / LOG, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)

    def read(self) -> tuple[list[CommitRecord | ReplaceRecord | IdentityRecord], int]:
        """All whole records of the log, and how many bytes of a torn or broken tail were cut off."""
        path = self._directory / LOG
        records: list[CommitRecord | ReplaceRecord | IdentityRecord] = []
        good = 0
        with path.open("rb") as file:
            for line in file:
                record = _decode(line)
                if record is None:
                    break
                records.append(record)
                good += len(line)
        lost = path.stat().st_size - good
        if lost:
            os.truncate(path, good)
        return records, lost

    def read_role(self) -> dict[str, Any] | None:
        """Role and registrations of the last run, where they are kept."""
        return self._read_json(ROLE) if self._keep_role else None

    def read_users(self) -> dict[str, str]:
        """Users with their password hashes."""
        return self._read_json(USERS) or {}

    def read_triggers(self) -> dict[str, Trigger]:
        """Triggers by name."""
        return {entry["name"]: Trigger(**entry) for entry in self._read_json(TRIGGERS) or []}

    def _read_json(self, name: str) -> Any:
        path = self._directory / name
        return json.loads(path.read_text()) if path.exists() else None

    def write(self, records: list[Record]) -> None:
        """Make records durable, in order."""
        lines: list[bytes] = []
        for record in records:
            match record:
                case RoleRecord(state):
                    if self._keep_role:
                        self._replace(ROLE, json.dumps(state).encode())
                case UsersRecord(users):
                    self._replace(USERS, json.dumps(users).encode())
                case TriggersRecord(triggers):
                    self._replace(TRIGGERS, json.dumps([asdict(trigger) for trigger in triggers]).encode())
                case ReplaceRecord():
                    lines.clear()  # they belong to the state that is replaced
                    self._begin_anew(_encode(record))
                case CommitRecord() | IdentityRecord():
                    lines.append(_encode(record))
                    self._unflushed += isinstance(record, CommitRecord)
        if lines:
            self._append(b"".join(lines))
        if self._unflushed >= self._flush_every:
            os.fdatasync(self._log)
            self._unflushed = 0

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._log, view) :]

    def _replace(self, name: str, data: bytes) -> None:
        path = self._directory / name
        temporary = path.with_name(name + ".new")
        temporary.write_bytes(data)
        os.replace(temporary, path)

    def _begin_anew(self, line: bytes) -> None:
        path, old = self._directory / LOG, self._directory / (LOG + ".old")
        old.unlink(missing_ok=True)
        os.link(path, old)
        self._replace(LOG, line)
        os.close(self._log)
        self._log = self._open_log()
        os.fdatasync(self._log)
        self._unflushed = 0

    def close(self) -> None:
        """Flush and let go of the directory."""
        os.fdatasync(self._log)
        os.close(self._log)
        os.close(self._lock)


def _encode(record: CommitRecord | ReplaceRecord | IdentityRecord) -> bytes:
    body: dict[str, Any]
    match record:
        case CommitRecord(commit):
            body = {"c": commit}
        case ReplaceRecord(state):
            body = {"s": state}
        case IdentityRecord(database_uuid):
            body = {"u": database_uuid}
    text = json.dumps(body, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> CommitRecord | ReplaceRecord | IdentityRecord | None:
    crc, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
        return None
    match json.loads(text):
        case {"c": [ts, epoch, ops]}:
            return CommitRecord(Commit(ts, epoch, ops))
        case {"s": state}:
            return ReplaceRecord(state)
        case {"u": database_uuid}:
            return IdentityRecord(database_uuid)
    return None
