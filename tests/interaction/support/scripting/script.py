"""The format of an interaction script: commands, `----`, what they say. Comments and blank lines in between tell it.

# The main is killed.
kill main
settle
----
ok
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SEPARATOR = "----"
OK = "ok"
"""What commands say that have nothing to say."""


class Unreadable(Exception):
    """The file is no script: which line, and why."""


@dataclass(frozen=True)
class Step:
    """Some commands and what they should say together. `lead` is what stands above them, word for word."""

    line: int
    lead: tuple[str, ...]
    commands: tuple[str, ...]
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One command, taken apart. `rest` is everything after its name, for those that take free text."""

    name: str
    words: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    rest: str = ""

    def number(self, key: str, default: float) -> float:
        """An option that is a number."""
        return float(self.options.get(key, default))


@dataclass(frozen=True)
class Script:
    """A whole file."""

    steps: tuple[Step, ...]
    tail: tuple[str, ...]


def parse(text: str) -> Script:
    """Read a script. Raises Unreadable."""
    steps: list[Step] = []
    lead: list[str] = []
    commands: list[str] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line == SEPARATOR:
            if not commands:
                raise Unreadable(f"line {number}: {SEPARATOR} without a command above it")
            first = number
            while number < len(lines) and lines[number]:
                number += 1
            steps.append(Step(first - len(commands), tuple(lead), tuple(commands), tuple(lines[first:number])))
            lead, commands = [], []
        elif commands and (not line or line.startswith("#")):
            raise Unreadable(f"line {number}: {SEPARATOR} is missing after {commands[-1]!r}")
        elif not line or line.startswith("#"):
            lead.append(line)
        else:
            commands.append(line)
    if commands:
        raise Unreadable(f"{SEPARATOR} is missing at the end")
    return Script(tuple(steps), tuple(lead))


def command(line: str) -> Command:
    """Take one line apart: words, and `key=value` options."""
    name, _, rest = line.partition(" ")
    words, options = [], {}
    for word in rest.split():
        key, equals, value = word.partition("=")
        if equals and key.isidentifier():
            options[key] = value
        else:
            words.append(word)
    return Command(name, tuple(words), options, rest)


def render(script: Script, said: Iterable[tuple[str, ...]]) -> str:
    """The same script with what its commands say now."""
    lines: list[str] = []
    for step, output in zip(script.steps, said, strict=True):
        lines += [*step.lead, *step.commands, SEPARATOR, *(output or (OK,))]
    return "\n".join([*lines, *script.tail]) + "\n"
