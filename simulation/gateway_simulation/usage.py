"""What a run took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process of a run took: wall and processor time [ms], and its peak of memory.

    A run of a batch has its share of the times, and the peak of the whole. `waited_ms` is how long
    it waited for its core before, with all that came in the same turn. `sandbox` is its tier.
    """

    waited_ms: float
    wall_ms: float
    cpu_ms: float
    peak_bytes: int
    sandbox: str

    def __add__(self, other: Usage) -> Usage:
        """That of two runs, one after the other."""
        return Usage(
            max(self.waited_ms, other.waited_ms),
            self.wall_ms + other.wall_ms,
            self.cpu_ms + other.cpu_ms,
            max(self.peak_bytes, other.peak_bytes),
            self.sandbox,
        )
