"""Another cluster's main at the address of a pod that is gone: the watch that would tell of it may have died (P-F9).

The API server is asked for the pods anew then. Until it has been, whoever says that it is main of another database gets
no command at all: demoting it would be another cluster's outage.
"""

from __future__ import annotations

from typing import Final

from controller.core.model import Instance, Role
from controller.core.view import View

LOOK_EVERY_S: Final = 1.0  # while the API server says again and again that the address is that pod's: a list a second


def doubtful(view: View, instance: Instance) -> bool:
    """Whether it said that it is main of another database than the recorded one, after the pods were last listed."""
    answer = view.obs.answer(instance)
    if answer is None or not view.answers(instance, Role.MAIN) or view.is_our_main(instance):
        return False
    return answer.at > view.obs.pods_listed_at


def must_list_pods(view: View) -> bool:
    """Whether the pods are to be listed anew: an address may be another cluster's by now."""
    rested = view.obs.now - view.obs.pods_listed_at >= LOOK_EVERY_S
    return rested and any(doubtful(view, instance) for instance in view.obs.instances)
