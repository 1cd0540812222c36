"""What scripts call things: `0` an instance, `main` and `partner` by their part, `c-0` a controller, `s-0` a client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sim.network import both

from scripting.script import Command
from scripting.stage import Mistake, Play

PARTS: Final = ("main", "partner", "replica")
"""What an instance may be; the replica is the one that is neither."""


def instance(play: Play, word: str) -> str:
    """The instance a word means."""
    world = play.world
    if word == "main":
        return world.main
    if word == "partner":
        if world.partner is None:
            raise Mistake("there is no partner")
        return world.partner
    if word == "replica":
        return next(name for name in world.names() if name not in (world.main, world.partner))
    name = f"m-{word}"
    if name not in world.names():
        raise Mistake(f"no instance {word!r}")
    return name


def instances(play: Play, command: Command) -> list[str]:
    """The instances a command is about."""
    return [instance(play, word) for word in command.words]


def endpoints(play: Play, word: str) -> list[str]:
    """The endpoints of the network a word means."""
    world = play.world
    groups = {
        "controllers": [c.name for c in world.controllers],
        "clients": [s.name for s in world.sidecars],
        "instances": world.names(),
        "leader": [world.leader.name],
        "api": ["api"],
    }
    if word in groups:
        return groups[word]
    if word in world.others():
        return [word]
    return [instance(play, word)]


def links(play: Play, command: Command) -> list[tuple[str, str]]:
    """The links between two endpoints or groups, in both directions, or in one with the word `oneway`."""
    words = [word for word in command.words if word != "oneway"]
    if len(words) != 2:
        raise Mistake("a cut is between two")
    sources, targets = endpoints(play, words[0]), endpoints(play, words[1])
    pairs: Iterable[tuple[str, str]] = ((a, b) for a in sources for b in targets if a != b)
    if "oneway" in command.words:
        return list(pairs)
    return [direction for pair in pairs for direction in both(*pair)]


def ordinal(name: str) -> str:
    """What scripts call an instance."""
    return name.rpartition("-")[2]
