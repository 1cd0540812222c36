"""The admin port: fault knobs and a look inside, one JSON object a line each way.

Commands (all answer `{"ok": true, ...}` or `{"ok": false, "error": "..."}`):

* `{"knob": "link", "peer": "<registration address or *>", "state": "ok|refuse|blackhole|delay", "delay_ms": N}`:
  what this instance, as a main, sends to that replica.
* `{"knob": "client", "name": "<beginning of a user agent>", "state": "ok|blackhole"}`: what clients of that name send
  waits, as if the network between them and this instance lost it, until `ok`.
* `{"knob": "lose_finalize", "times": 1}`: throw away the next decisions of two-phase commits.
* `{"knob": "lock_busy", "times": N}`: the next role changes, registrations and drops find the role lock held.
* `{"knob": "hang", "rpc": "prepare|finalize|heartbeat|swap|system|wal|snapshot|ping|*", "when": "before|after",
  "times": N}`: on a replica, the next such RPCs get stuck before or after they are executed; `times` 0 lets go.
* `{"knob": "disk", "state": "stall|ok"}`: nothing is written any more, and whoever needs that waits.
* `{"kill": "power", "commits": K}`: end at once, as by a power failure: commits that were not synced (at most the
  last K, without it all of them) are gone. There is no answer, the connection just ends.
* `{"kill": "wipe"}`: end at once, the data directory is empty.
* `{"show": "state"}`: role, identities, epochs, timestamps, files.

`python -m sandbox.memgraph.admin HOST:PORT COMMAND` gives one and prints the answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, Final

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from sandbox.memgraph import clients as client_faults
from sandbox.memgraph.clients import Clients
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.messages import KINDS
from sandbox.memgraph.disk import Disk
from sandbox.memgraph.link import STATES, Link
from sandbox.memgraph.listeners import MOMENTS, ReplicationListener

LINE_LIMIT: Final = 65536
SEND_TIMEOUT_S: Final = 5.0


async def send(address: str, port: int, command: dict[str, Any]) -> dict[str, Any]:
    """Give one command to an instance's admin port. Raises OSError or TimeoutError if nobody answers."""
    with anyio.fail_after(SEND_TIMEOUT_S):
        async with await anyio.connect_tcp(address, port) as stream:
            await stream.send(json.dumps(command).encode() + b"\n")
            line = await BufferedByteReceiveStream(stream).receive_until(b"\n", LINE_LIMIT)
            answer: dict[str, Any] = json.loads(line)
            return answer


class Admin:
    """Executes commands on a running instance."""

    def __init__(
        self, instance: Instance, link: Link, clients: Clients, listener: ReplicationListener, disk: Disk
    ) -> None:
        self._instance = instance
        self._link = link
        self._clients = clients
        self._listener = listener
        self._disk = disk

    async def serve(self, stream: SocketStream) -> None:
        """One client, until it closes."""
        lines = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    line = await lines.receive_until(b"\n", LINE_LIMIT)
                    await stream.send(json.dumps(self.answer(line)).encode() + b"\n")
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead, anyio.DelimiterNotFound):
                return

    def answer(self, line: bytes) -> dict[str, Any]:
        """Execute one line."""
        try:
            command = json.loads(line)
            if not isinstance(command, dict):
                raise ValueError("a command is a JSON object")
            return {"ok": True, **self._execute(command)}
        except (ValueError, TypeError) as error:
            return {"ok": False, "error": str(error)}

    def _execute(self, command: dict[str, Any]) -> dict[str, Any]:
        match command:
            case {"knob": "link", "state": state, **rest}:
                if state not in STATES:
                    raise ValueError(f"state is {state!r}: use one of {', '.join(STATES)}")
                self._link.set_fault(str(rest.get("peer", "*")), state, float(rest.get("delay_ms", 0)) / 1000)
                return {}
            case {"knob": "client", "name": str(name), "state": state} if name:
                if state not in client_faults.STATES:
                    raise ValueError(f"state is {state!r}: use one of {', '.join(client_faults.STATES)}")
                self._clients.set_fault(name, state)
                return {}
            case {"knob": "lose_finalize", **rest}:
                self._link.lose_finalizes = int(rest.get("times", 1))
                return {}
            case {"knob": "lock_busy", **rest}:
                self._instance.busy_calls = int(rest.get("times", 1))
                return {}
            case {"knob": "hang", **rest}:
                kind, moment = str(rest.get("rpc", "*")), str(rest.get("when", "before"))
                if kind not in ("*", *KINDS) or moment not in MOMENTS:
                    raise ValueError(f"rpc is one of {', '.join(KINDS)} or *, when is one of {', '.join(MOMENTS)}")
                self._listener.hang(kind, moment, int(rest.get("times", 1)))
                return {}
            case {"knob": "disk", "state": "stall"}:
                self._disk.stall()
                return {}
            case {"knob": "disk", "state": "ok"}:
                self._disk.go_on()
                return {}
            case {"kill": "power", **rest}:
                self._disk.journal.lose_power(int(rest["commits"]) if "commits" in rest else None)
                os.kill(os.getpid(), signal.SIGKILL)
            case {"kill": "wipe"}:
                self._disk.journal.wipe()
                os.kill(os.getpid(), signal.SIGKILL)
            case {"show": "state"}:
                return self._state()
        raise ValueError(
            "unknown command: give a knob (link, client, lose_finalize, lock_busy, hang, disk), kill (power, wipe) "
            "or show=state"
        )

    def _state(self) -> dict[str, Any]:
        instance = self._instance
        return {
            "role": instance.role.value,
            "main_uuid": instance.main_uuid,
            "database_uuid": instance.database_uuid,
            "epoch": instance.epochs.current,
            "history": [list(entry) for entry in instance.epochs.history],
            "ldt": instance.ldt,
            "timestamp": instance.timestamp,
            "prepared": instance.prepared.ts if instance.prepared else None,
            "vertex_count": len(instance.graph.nodes),
            "wals": [[wal.seq, wal.first, wal.last] for wal in instance.files.wals],
            "snapshots": [snapshot.ts for snapshot in instance.files.snapshots],
        }


def main(arguments: list[str]) -> int:
    """Give one command; the exit code is 1 for one that was refused, 2 if it could not be given."""
    try:
        address, command = arguments
        host, _, port = address.rpartition(":")
        answer = anyio.run(send, host, int(port), json.loads(command))
    except ValueError as error:
        print(f'{error}; usage: python -m sandbox.memgraph.admin HOST:PORT \'{{"show": "state"}}\'', file=sys.stderr)
        return 2
    except (OSError, TimeoutError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        print(f"{address}: {reason}; start the instance with --sim-admin-port={port}", file=sys.stderr)
        return 2
    except (anyio.EndOfStream, anyio.IncompleteRead):
        print("the instance has ended")
        return 0
    print(json.dumps(answer))
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
