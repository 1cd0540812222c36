"""The sidecar's share: whatever a namespace's LimitRanges say, it is admitted or the pod is left alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core import limits, quantity
from webhook.core.resources import DEFAULTS, DoesNotFit, of_sidecar

CPU = st.sampled_from(["1m", "7m", "10m", "50m", "333m", "1", "1.5"])
MEMORY = st.sampled_from(["1Mi", "48Mi", "50M", "64Mi", "1Gi"])
RATIO = st.sampled_from(["1", "1.5", "3", "10"])
ITEM = st.fixed_dictionaries(
    {"type": st.just("Container")},
    optional={
        "min": st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY}),
        "max": st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY, "ephemeral-storage": MEMORY}),
        "default": st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY}),
        "maxLimitRequestRatio": st.fixed_dictionaries({}, optional={"cpu": RATIO, "memory": RATIO}),
    },
)
STATED = st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY, "ephemeral-storage": MEMORY})
WISHES = st.dictionaries(
    st.tuples(st.sampled_from(["requests", "limits"]), st.sampled_from(["cpu", "memory"])), MEMORY, max_size=2
)


def pod(**resources: Any) -> Any:
    return {"spec": {"containers": [{"name": "app", "resources": resources}]}}


@given(st.lists(ITEM, max_size=2), STATED, STATED, WISHES)
def test_every_bound_of_every_limit_range_is_kept(items: Any, requests: Any, most: Any, wishes: Any) -> None:
    """As the API server's LimitRanger would check the container."""
    ranges = tuple({"spec": {"limits": [item]}} for item in items)
    try:
        share = of_sidecar(pod(requests=requests, limits=most), wishes, ranges)
    except DoesNotFit:
        return
    for resource in limits.RESOURCES:
        request, limit = (limits.number(share, key, resource) for key in ("requests", "limits"))
        assert request is None or limit is None or request <= limit
        for item in items:
            low, high = limits.number(item, "min", resource), limits.number(item, "max", resource)
            ratio = limits.number(item, "maxLimitRequestRatio", resource)
            contradiction = low is not None and any((limits.number(one, "max", resource) or low) < low for one in items)
            if contradiction:
                continue
            assert low is None or (request is not None and request >= low)
            assert high is None or (request is not None and limit is not None and limit <= high)
            assert ratio is None or (request is not None and limit is not None and limit <= ratio * request)


@given(STATED)
def test_a_guaranteed_pod_stays_guaranteed(more: dict[str, str]) -> None:
    most = {**more, "cpu": "1", "memory": "1Gi"}
    share = of_sidecar(pod(limits=most, requests=most), {}, ())
    assert share["requests"] == share["limits"]
    assert share["limits"].keys() >= {"cpu", "memory"}


@given(STATED, STATED)
def test_what_every_container_states_the_sidecar_states(requests: Any, most: Any) -> None:
    """A ResourceQuota that admits the pod asks no more of the sidecar (O-S23)."""
    share = of_sidecar(pod(requests=requests, limits=most), {}, ())
    assert share["limits"].keys() >= most.keys()
    assert share["requests"].keys() >= requests.keys() | most.keys()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100m", Fraction(1, 10)), ("1", 1), (2, 2), ("1.5", Fraction(3, 2)), (".5", Fraction(1, 2)), ("1Ki", 1024),
        ("48Mi", 48 * 1024**2), ("1e3", 1000), ("1E-3", Fraction(1, 1000)), ("5k", 5000), ("1E", 10**18), ("+3", 3),
        ("1n", Fraction(1, 10**9)),
    ],
)  # fmt: skip
def test_a_quantity_is_read_as_kubernetes_reads_it(text: Any, number: Any) -> None:
    assert quantity.parse(text) == number


@pytest.mark.parametrize("text", ["", "x", "-1", "1 Mi", "1e999", "1mi", "0x10", "1_000", None, True, 1.5, [], {}, "٣"])
def test_what_is_no_quantity_is_a_value_error(text: Any) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("resource", "number", "text"),
    [("cpu", "0.0101", "11m"), ("memory", "48Mi", "48Mi"), ("memory", "50M", "50000000"), ("memory", "0.5", "1")],
)
def test_a_quantity_is_written_rounded_up(resource: str, number: str, text: str) -> None:
    assert quantity.render(resource, quantity.parse(number)) == text


def test_every_default_is_a_quantity() -> None:
    for default in DEFAULTS.values():
        for text in (default.request, default.limit, default.cap, default.guaranteed):
            assert text is None or quantity.parse(text) > 0
