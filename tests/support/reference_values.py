"""The chart's values with the comments above them, read from values.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

VALUES: Final = Path(__file__).parents[2] / "charts" / "memgraph-ha" / "values.yaml"
USUAL: Final = {
    "replicas": "How many pods",
    "logLevel": "DEBUG, INFO, WARNING or ERROR",
    "requests": "As of any container",
    "limits": "As of any container",
    "nodeSelector": "As of any pod",
    "tolerations": "As of any pod",
    "priorityClassName": "As of any pod",
    "podLabels": "More labels of its pods; extraLabels are on everything",
    "podAnnotations": "Annotations of its pods",
    "controller": "Of controller and webhook",
    "memgraph": "Of Memgraph; 3.5 or newer",
}
"""What the last part of a path means where no comment says more."""
_COMMENT: Final = re.compile(r"\s*# ?(.*)")


@dataclass(frozen=True)
class Value:
    """One value: `path` with dots, `default` as written, `comment` in one line."""

    path: str
    default: str
    comment: str

    @property
    def meaning(self) -> str:
        """The comment, or what such a value usually means."""
        return self.comment or USUAL.get(self.path.split(".")[-1], "")


def values(text: str | None = None) -> list[Value]:
    """All of them, in the file's order. A mapping in braces is one value; one in a block is as many as it has keys."""
    text = VALUES.read_text() if text is None else text
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    return list(_walk(root, "", text.splitlines(), ""))


def _walk(node: yaml.MappingNode, prefix: str, lines: list[str], above: str) -> Iterator[Value]:
    """A block's own comment is said of its first key."""
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        comment = " ".join(part for part in (above, _comment(lines, key.start_mark.line, value)) if part)
        above = ""
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _walk(value, f"{path}.", lines, comment)
        else:
            yield Value(path, _default(value), comment)


def _comment(lines: list[str], number: int, value: yaml.Node) -> str:
    """The comment lines right above, and the comment behind."""
    found: list[str] = []
    above = number - 1
    while above >= 0 and (match := _COMMENT.fullmatch(lines[above])):
        found.insert(0, match[1])
        above -= 1
    mark = value.end_mark
    if mark.line == number and (match := _COMMENT.fullmatch(lines[number][mark.column :])):
        found.append(match[1])
    return " ".join(found)


def _default(node: yaml.Node) -> str:
    start, end = node.start_mark, node.end_mark
    assert start.buffer is not None
    return str(start.buffer)[start.pointer : end.pointer].strip()


def table() -> str:
    """A table a top-level key, as Markdown."""
    out: list[str] = []
    section = ""
    for each in values():
        head = each.path.split(".")[0]
        if head != section:
            section = head
            out += ["", f"### {head}", "", "| value | default | meaning |", "|---|---|---|"]
        default = f"`{each.default}`" if each.default not in ('""', "") else '`""`'
        out.append(f"| `{each.path}` | {_cell(default)} | {_cell(each.meaning)} |")
    return "\n".join(out[1:])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
