"""What the demo says before and after the play."""

from __future__ import annotations

import time
from typing import Final

from sandbox.demo.narrate import Tone
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import Verdict, summary
from sandbox.spoken import SANDBOX

_APP: Final = """\
    async with AsyncGraphDatabase.driver("bolt://localhost:7687") as driver:
        async with driver.session() as session:
            await session.execute_write(create)    # CREATE (:Write {id: $id}), ids never used twice"""


def introduce(timeline: Timeline, folder: str, apps: int, *, short: bool, broken: str) -> None:
    """What is about to be set up, and how long it takes."""
    timeline.say("memgraph-ha demo", Tone.TITLE)
    timeline.say(
        "Sets up, as processes of this machine and on its loopback addresses only:\n"
        "  simulated:  three Memgraph instances, a small Kubernetes API server and kubelet (no Memgraph, no cluster)\n"
        f"  real:       two controllers, the webhook, {apps} injected sidecars, {apps} apps with the neo4j driver"
    )
    if broken:
        timeline.say(f"  planted:    the bug {broken}, in the controllers", Tone.BAD)
    timeline.say(f"The apps know nothing of failovers:\n{_APP}")
    timeline.say(
        f"Setting up takes about 10 s, the play {'10 s to 20 s' if short or broken else '20 s to 60 s'}. "
        f"Ctrl-C ends it and leaves no process behind.\nLogs and histories, meanwhile: {folder}\n"
    )


def conclude(timeline: Timeline, verdict: Verdict, *, broken: str) -> None:
    """The table, the lost writes one by one, and what to try next."""
    report = verdict.report
    timeline.say(f"\n{summary(verdict)}\n")
    if verdict.read_back_from:  # else nothing is known of any single write
        for witness in report.witnesses:
            timeline.say(f"LOST: {witness}", Tone.BAD)
        if len(report.lost) > len(report.witnesses):
            timeline.say(f"... and {len(report.lost) - len(report.witnesses)} more", Tone.BAD)
    for failure in verdict.failures:
        timeline.say(f"FAILED: {failure}", Tone.BAD)
    if not verdict.failures:
        timeline.say('No acknowledged write was lost, and no app with a sidecar saw "forbidden".', Tone.GOOD)
    if broken:
        timeline.say(f"This run had the planted bug {broken}: it is there to show that the checker can fail.")
    timeline.say(f"{time.time() - timeline.origin:.0f} s in all. Next, keep such a world running for an app of yours:")
    timeline.say(f"  {SANDBOX} up", Tone.TITLE)
