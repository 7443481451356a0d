"""Runs models in processes of their own (being written)."""

from __future__ import annotations

from gateway_simulation.run import CanonicalRun
from gateway_simulation.trajectory import Trajectory


class Simulator:
    """Runs canonical runs, each in a process of its own. Many threads may call `run` at once."""

    tier = "process"

    def __init__(self, *, timeout_s: float, memory_mb: int, concurrency: int | None = None) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the worker ahead of the first run."""
        raise NotImplementedError

    def run(self, run: CanonicalRun) -> Trajectory:
        """The trajectory of `run`. Raises RunError."""
        raise NotImplementedError

    def close(self) -> None:
        """End the worker and every run; nothing stays behind."""
        raise NotImplementedError
