"""What counts calls and runs, where somebody can ask for the counts."""

from __future__ import annotations

from typing import Protocol

from gateway_simulation.usage import Usage


class Meter(Protocol):
    """Counts. Each argument has few values: names of ours, never a caller's text."""

    def began(self, tool: str) -> None:
        """A tool is called."""
        ...

    def called(self, tool: str, door: str, outcome: str, seconds: float) -> None:
        """A tool has answered."""
        ...

    def ran(self, outcome: str, usage: Usage | None) -> None:
        """A run has ended; without usage no process was begun for it."""
        ...


class Unmetered:
    """Counts nothing: nobody can ask a gateway without HTTP."""

    def began(self, tool: str) -> None:
        """Nothing."""

    def called(self, tool: str, door: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def ran(self, outcome: str, usage: Usage | None) -> None:
        """Nothing."""
