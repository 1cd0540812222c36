"""One batch of fuzzed reviews: its number is its seed, so that a batch that fails can be run again alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import admission_referee as referee
from admission_noise import Noise

from webhook.core import review

BATCH = 5_000
"""Some seconds each; a million are two hundred of them."""


@dataclass(frozen=True, slots=True)
class Result:
    """How often each reason was given, and what was found: a sentence with the pod in it."""

    reasons: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)


def run(seed: int, reviews: int = BATCH) -> Result:
    """Judge that many reviews. Ends at the first finding."""
    noise, result = Noise(seed), Result()
    for number in range(reviews):
        body, pod, namespace, release = noise.review()
        other = noise.other_injector()
        try:
            decision, _ = referee.check(review.parse(body).pod, namespace, release)
            if decision.patch:
                referee.check_order(pod, namespace, release, other)
        except Exception as error:  # whatever it is, it is a finding
            place = f"seed {seed}, review {number}"
            result.found.append(f"{place}: {error!r}\n  {namespace}\n  {release}\n  {json.dumps(pod)}")
            return result
        result.reasons[decision.reason.value] += 1
    return result
