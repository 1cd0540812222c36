"""The data directory: WAL files, snapshots, the database's identity, role and registrations, users, triggers.

A WAL file is one line a record: CRC-32 of the JSON text in hex, a space, the JSON text. The first line is its header. A
torn last line (the process died while writing) is cut off at the next start. A snapshot is one such line.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.durability import (
    AppendCommit,
    DeleteFiles,
    FinishWal,
    IdentityRecord,
    OpenWal,
    Record,
    RoleRecord,
    Snapshot,
    Trigger,
    TriggersRecord,
    UsersRecord,
    Wal,
    WriteSnapshot,
    snapshot_name,
)

WALS: Final = "wal"
SNAPSHOTS: Final = "snapshots"
ROLE: Final = "replication.json"
USERS: Final = "users.json"
TRIGGERS: Final = "triggers.json"
IDENTITY: Final = "database.json"


class DirectoryInUse(OSError):
    """Another process has this data directory open."""


class Journal:
    """One process's hold of its data directory."""

    def __init__(self, directory: Path, *, keep_role: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._keep_role = keep_role
        self._wal: int | None = None
        self._ends: list[int] = []  # of the synced part and of each commit after it
        self._lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise DirectoryInUse(f"data directory {directory} is in use by another process") from None
        for name in (WALS, SNAPSHOTS):
            (directory / name).mkdir(exist_ok=True)

    # Reading

    def read(self) -> tuple[list[Snapshot], list[Wal], int]:
        """All snapshots and WAL files, oldest first, and how many bytes of torn tails were cut off."""
        snapshots = []
        for path in sorted((self._directory / SNAPSHOTS).glob("*.snapshot")):
            body = _decode(path.read_bytes())
            if body is not None:
                snapshots.append(Snapshot.from_plain(body))
        wals, lost = [], 0
        for path in sorted((self._directory / WALS).glob("*.wal")):
            wal, torn = _read_wal(path)
            lost += torn
            if wal is not None:
                wals.append(wal)
        return snapshots, wals, lost

    def set_aside(self) -> None:
        """Start with no data: WAL files and snapshots move to `.backup` (--data-recovery-on-startup=false)."""
        for name in (WALS, SNAPSHOTS):
            self._set_aside(name, ".backup")

    def _set_aside(self, name: str, suffix: str) -> None:
        folder = self._directory / name
        if any(folder.iterdir()):
            old = self._directory / (name + suffix)
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            folder.mkdir()

    def read_role(self) -> dict[str, Any] | None:
        """Role and registrations of the last run, where they are kept."""
        return self._read_json(ROLE) if self._keep_role else None

    def read_users(self) -> dict[str, str]:
        """Users with their password hashes."""
        return self._read_json(USERS) or {}

    def read_triggers(self) -> dict[str, Trigger]:
        """Triggers by name."""
        return {entry["name"]: Trigger(**entry) for entry in self._read_json(TRIGGERS) or []}

    def read_identity(self) -> str | None:
        """The database's UUID."""
        uuid: str | None = self._read_json(IDENTITY)
        return uuid

    def _read_json(self, name: str) -> Any:
        path = self._directory / name
        return json.loads(path.read_text()) if path.exists() else None

    # Writing

    def write(self, records: list[Record]) -> None:
        """Carry out records in order. Commits reach the operating system; the disk when a record says so."""
        pending: list[bytes] = []
        sync = False
        for record in records:
            if isinstance(record, AppendCommit):
                pending.append(_encode(record.commit))
                sync |= record.sync
                continue
            self._append(pending, sync=sync)
            pending, sync = [], False
            self._carry_out(record)
        self._append(pending, sync=sync)

    def _carry_out(self, record: Record) -> None:
        match record:
            case OpenWal(wal):
                self._open_wal(wal)
            case FinishWal():
                self._finish_wal()
            case WriteSnapshot(snapshot, replaces):
                self._write_snapshot(snapshot, replaces=replaces)
            case DeleteFiles(wals, snapshots):
                for seq in wals:
                    self._wal_path(seq).unlink(missing_ok=True)
                for ts in snapshots:
                    self._snapshot_path(ts).unlink(missing_ok=True)
            case IdentityRecord(database_uuid):
                self._replace(IDENTITY, database_uuid)
            case RoleRecord(state):
                if self._keep_role:
                    self._replace(ROLE, state)
            case UsersRecord(users):
                self._replace(USERS, users)
            case TriggersRecord(triggers):
                self._replace(TRIGGERS, [asdict(trigger) for trigger in triggers])

    def _wal_path(self, seq: int) -> Path:
        return self._directory / WALS / f"{seq:012}.wal"

    def _snapshot_path(self, ts: int) -> Path:
        return self._directory / snapshot_name(ts)

    def _open_wal(self, wal: Wal) -> None:
        self._finish_wal()
        self._wal = os.open(self._wal_path(wal.seq), os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND, 0o600)
        _write(self._wal, _encode({"seq": wal.seq, "epoch": wal.epoch, "database_uuid": wal.database_uuid}))
        self._ends = [os.fstat(self._wal).st_size]

    def _append(self, lines: list[bytes], *, sync: bool) -> None:
        if not lines:
            return
        assert self._wal is not None, "a commit without a WAL file"
        _write(self._wal, b"".join(lines))
        for line in lines:
            self._ends.append(self._ends[-1] + len(line))
        if sync:
            os.fdatasync(self._wal)
            del self._ends[:-1]

    def _finish_wal(self) -> None:
        if self._wal is not None:
            os.fdatasync(self._wal)
            os.close(self._wal)
            self._wal = None

    def _write_snapshot(self, snapshot: Snapshot, *, replaces: bool) -> None:
        if replaces:
            self._finish_wal()
            for name in (WALS, SNAPSHOTS):
                self._set_aside(name, ".old")
            self._replace(IDENTITY, snapshot.database_uuid)
        path = self._snapshot_path(snapshot.ts)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(_encode(snapshot.to_plain()))
        os.replace(temporary, path)

    def _replace(self, name: str, value: Any) -> None:
        path = self._directory / name
        temporary = path.with_name(name + ".new")
        temporary.write_text(json.dumps(value))
        os.replace(temporary, path)

    # Ends

    def lose_power(self, commits: int | None = None) -> int:
        """What a power failure does: the last commits that were not synced are gone (at most `commits`); how many."""
        if self._wal is None:
            return 0
        at_risk = len(self._ends) - 1
        lost = at_risk if commits is None else min(commits, at_risk)
        os.ftruncate(self._wal, self._ends[len(self._ends) - 1 - lost])
        os.fdatasync(self._wal)
        return lost

    def wipe(self) -> None:
        """Empty the directory, as a lost volume does. The process has to end at once."""
        for path in self._directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def close(self) -> None:
        """Flush and let go of the directory."""
        self._finish_wal()
        os.close(self._lock)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_wal(path: Path) -> tuple[Wal | None, int]:
    wal: Wal | None = None
    good = 0
    with path.open("rb") as file:
        for line in file:
            body = _decode(line)
            if body is None:
                break
            if wal is None:
                wal = Wal(body["seq"], body["epoch"], body["database_uuid"], finished=True)
            else:
                ts, epoch, ops = body
                wal.append(Commit(ts, epoch, ops))
            good += len(line)
    torn = path.stat().st_size - good
    if torn:
        os.truncate(path, good)
    return wal, torn


def _encode(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> Any:
    crc, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)
