"""What can go wrong with runs and results."""

from __future__ import annotations

from typing import Any


class RunsError(Exception):
    """Root of this package's failures."""


class UnknownResultError(RunsError):
    """No such result in this account, or it is past its time."""

    def __init__(self, result_id: str) -> None:
        super().__init__("no such result in this account")
        self.details: dict[str, object] = {"result_id": result_id[:64]}


class IdempotencyConflictError(RunsError):
    """The idempotency key stands for another request."""

    def __init__(self) -> None:
        super().__init__("this idempotency_key was used with another request")


class RunInProgressError(RunsError):
    """The same idempotency key is running right now."""

    def __init__(self, result_id: str) -> None:
        super().__init__("a request with this idempotency_key is still running")
        self.details: dict[str, object] = {"result_id": result_id}


class UnknownColumnError(RunsError):
    """The result holds no such variable. `details.nearest` has the closest names."""

    def __init__(self, name: str, nearest: list[str]) -> None:
        super().__init__("the result holds no such variable")
        self.details: dict[str, object] = {"name": name[:200], "nearest": nearest}


class NotReproducibleError(RunsError):
    """Plain FMPy can't get the numbers of this result. `details`: reason."""

    def __init__(self, reason: str) -> None:
        super().__init__("no script can reproduce this result with plain FMPy")
        self.details: dict[str, object] = {"reason": reason}


class InvalidCsvError(RunsError):
    """The text is no table of numbers over time. `details`: line (0: as a whole), reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("the CSV can't be compared with")
        self.details: dict[str, object] = {"line": line, "reason": reason}


class NothingInCommonError(RunsError):
    """Two results share no variable, or no time. `details`: result, other."""

    def __init__(self, message: str, result: list[Any], other: list[Any]) -> None:
        super().__init__(message)
        self.details: dict[str, object] = {"result": result[:20], "other": other[:20]}


class EmptyWindowError(RunsError):
    """The time window holds no point of the result."""

    def __init__(self, start: float, end: float) -> None:
        super().__init__(f"the result runs from {start:g} s to {end:g} s")
        self.details: dict[str, object] = {"start": start, "end": end}
