"""What every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says nothing here: other tests run real processes on the same cores at the same time, and
# the first use of text builds Unicode tables for seconds.
settings.register_profile("memgraph-ha", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("memgraph-ha")
