"""The injection as one function of a pod, for the webhook, the command line and whoever looks for missing sidecars.

Total over arbitrary JSON, idempotent, and never an exception: what fails in here leaves the pod as it came.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Final

from sidecar.contract import names
from webhook.core import container, decide, options, patch, pods, variables
from webhook.core.model import Decision, Json, Namespace, Operation, Reason, Release, Skip, refuse, warning
from webhook.core.options import Options
from webhook.core.resources import DoesNotFit

STATUS_VERSION: Final = 1


def inject(pod: Json, namespace: Namespace, release: Release) -> Decision:
    """What becomes of a pod that is being created there."""
    try:
        return _inject(pod, namespace, release)
    except Exception as error:  # whatever it is, somebody's pod must start
        text = f"not injected: internal error ({type(error).__name__}); see the log of the memgraph-ha webhook"
        return Decision(Reason.INTERNAL_ERROR, repr(error), (warning(text),), denied=release.strict)


def status(release: Release) -> str:
    """Value of the status annotation: what was injected, for people and for a later comparison."""
    facts = {
        "version": STATUS_VERSION,
        "mode": "native",
        "cluster": release.cluster,
        "image": release.sidecar_image,
        "configMap": f"{release.namespace}/{names.state_config_map(release.name)}",
    }
    return json.dumps(facts, separators=(",", ":"))


def _inject(pod: Json, namespace: Namespace, release: Release) -> Decision:
    unwanted = decide.unwanted(pod, namespace, release)
    if unwanted is not None:
        return _skipped(unwanted, pod, release)
    asked = options.read(pod, namespace)
    if pods.sidecar_index(pod) is not None:
        return _complete(pod, asked)
    impossible = decide.impossible(pod, namespace, asked)
    if impossible is not None:
        return _skipped(impossible, pod, release)
    try:
        ours = container.container(pod, namespace, release, asked)
    except DoesNotFit as error:
        return _skipped(refuse(Reason.LIMIT_RANGE, str(error)), pod, release)
    wanted = _wanted(asked, container=ours, status=status(release), pull_secrets=release.pull_secrets)
    said = (*decide.wish_warnings(pod), *asked.warnings, *variables.warnings(pod, wanted.variables))
    return Decision(Reason.INJECTED, "", said, patch.build(pod, wanted))


def _complete(pod: Json, asked: Options) -> Decision:
    """A pod that comes again, because a later webhook changed it, or that was injected by hand."""
    operations: tuple[Operation, ...] = patch.build(pod, _wanted(asked))
    reason = Reason.COMPLETED if operations else Reason.ALREADY_INJECTED
    return Decision(reason, f"the pod has a container {names.SIDECAR_CONTAINER}", patch=operations)


def _wanted(asked: Options, **more: Json) -> patch.Wanted:
    wanted = patch.Wanted(
        variables=variables.wanted(asked.ports[0], asked.uri_env),
        volume=container.volume(),
        run_after=asked.run_after,
    )
    return dataclasses.replace(wanted, **more)


def _skipped(skip: Skip, pod: Json, release: Release) -> Decision:
    injected = skip.unmet and pods.sidecar_index(pod) is not None  # then nothing is missing
    if injected:
        return Decision(Reason.ALREADY_INJECTED, skip.message)
    return Decision(skip.reason, skip.message, skip.warnings, denied=release.strict and skip.unmet)
