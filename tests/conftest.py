"""What every test shares."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How long an example takes says nothing here: other tests run real processes on the same cores at the same time, and
# the first use of text builds Unicode tables for seconds.
settings.register_profile("memgraph-ha", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("memgraph-ha")

# A shell that starts us in the background has us ignore Ctrl-C, and every program that a test starts would, too: those
# that are to end by it never did.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
