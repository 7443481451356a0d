"""How a run fails inside its process; the server turns these into exceptions of its own."""

from __future__ import annotations

from gateway_simulation.layout import Status


class EngineError(Exception):
    """A run that can't go on: a status and plain details."""

    def __init__(self, status: Status, **details: object) -> None:
        super().__init__(status.name.lower())
        self.status = status
        self.details = details
