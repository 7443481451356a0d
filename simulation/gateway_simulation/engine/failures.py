"""How a run fails inside its process; the server turns these into exceptions of its own."""

from __future__ import annotations

from typing import Any

from gateway_simulation.layout import Status


class EngineError(Exception):
    """A run that can't go on: a status, and members of `layout.RUN` that say more."""

    def __init__(self, status: Status, **fields: Any) -> None:  # noqa: ANN401 - numbers and texts
        super().__init__(status.name.lower())
        self.status = status
        self.fields = fields
