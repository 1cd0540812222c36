"""JSON lines on stderr, one object a line: `ts`, `level`, `program`, `event`, and the event's own fields.

Event names are constants of the program that logs them; values go into fields, never into the name. Nothing here may
ever be given a credential.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_FIELDS: Final = "memgraph_ha_fields"


class JsonLines(logging.Formatter):
    """One JSON object a record; a third party's record becomes event `Library`."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "program": self._program,
        }
        fields = getattr(record, _FIELDS, None)
        if fields is None:
            line |= {"event": "Library", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(program: str, level: str = "INFO", stream: TextIO = sys.stderr) -> None:
    """Send every record of this process to `stream` as JSON lines. `level` is a name of the logging module."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(program))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def emit(logger: logging.Logger, event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event with its fields."""
    logger.log(level, event, extra={_FIELDS: fields})
