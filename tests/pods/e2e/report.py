"""How many tests passed and failed, and what the campaign found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Counts:
    """Of one run."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    campaign: dict[str, Any] = field(default_factory=dict)

    def add(self, found: pytest.TestReport) -> None:
        """A test counts once: when it ran, or when its fixtures failed."""
        if found.failed:
            self.failed += 1
        elif found.skipped:
            self.skipped += 1
        elif found.when == "call":
            self.passed += 1
        for name, value in found.user_properties:
            if name == "campaign" and isinstance(value, dict):
                self.campaign = value

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        return {"passed": self.passed, "failed": self.failed, "skipped": self.skipped, "campaign": self.campaign}
