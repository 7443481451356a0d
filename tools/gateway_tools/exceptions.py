"""What can go wrong between a caller and the system, beside what the layers below raise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

Bound = Literal["key", "address", "new_keys", "wrong_keys"]
"""What may come only so often: calls of a key, requests of an address, keys made, wrong keys."""


class ToolError(Exception):
    """Root of this package's failures."""


class IncompleteError(ToolError):
    """All that is wrong is what is missing. `details`: missing, the names of it."""

    details: dict[str, Any]


class NotBase64Error(ToolError):
    """content_base64 is not base64."""

    def __init__(self) -> None:
        super().__init__("content_base64 is not valid base64")


class OneSourceError(ToolError):
    """Not exactly one way was given to get the FMU."""

    def __init__(self) -> None:
        super().__init__("an upload takes exactly one of content_base64 and path")


class PathNotReadableError(ToolError):
    """The path is outside the allowed folders, missing, or the caller is not on this machine.

    `details`: folders (that paths may lie in; none for a caller elsewhere).
    """

    def __init__(self, folders: Iterable[str] = ()) -> None:
        super().__init__("that path can't be read from here")
        self.details: dict[str, object] = {"folders": list(folders)}


class UnknownToolError(ToolError):
    """No tool of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__("no such tool")
        self.details: dict[str, object] = {"name": name[:64], "tools": known}


class TaskLostError(ToolError):
    """The gateway that worked on an A2A task ended before the task did."""

    def __init__(self) -> None:
        super().__init__("the gateway that worked on this task has ended")


class UnauthorizedError(ToolError):
    """No API key, or one that nobody has."""

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            "this API key is not known here" if given else "this call needs an API key"
        )
        self.given = given


class RateLimitedError(ToolError):
    """Too many calls in a window of time. `details`: bound, limit, window_s, retry_after_s."""

    def __init__(self, bound: Bound, limit: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(f"more than {limit} in {window_s} s")
        self.bound: Final = bound
        self.retry_after_s: Final = retry_after_s
        self.details: dict[str, object] = {
            "bound": bound,
            "limit": limit,
            "window_s": window_s,
            "retry_after_s": retry_after_s,
        }


class MetricsTokenError(ToolError):
    """Metrics were asked for without the operator's token."""

    def __init__(self) -> None:
        super().__init__("metrics are for this gateway's operator")


class TooLargeError(ToolError):
    """The request body is over the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes} bytes")
        self.details: dict[str, object] = {"limit_bytes": limit_bytes}


class TooSlowError(ToolError):
    """The request body doesn't come. `details`: bytes_per_s, the slowest that is waited for."""

    def __init__(self, bytes_per_s: int) -> None:
        super().__init__("the body comes too slowly")
        self.details: dict[str, object] = {"bytes_per_s": bytes_per_s}


class NothingToRunError(IncompleteError):
    """A simulate or quote request names neither a model nor anything paid."""

    def __init__(self) -> None:
        super().__init__("the request names no model")
        self.details = {"missing": ["fmu_id"]}


class InvalidInputError(ToolError):
    """The arguments don't fit the tool's input. `details`: problems, nearest (of unknown names)."""

    def __init__(self, problems: list[dict[str, str]], nearest: dict[str, list[str]]) -> None:
        super().__init__("the arguments don't fit")
        self.details: dict[str, Any] = {"problems": problems, "nearest": nearest}


class MissingInputError(InvalidInputError, IncompleteError):
    """Required arguments are missing, and those given fit. `details`: missing beside problems."""

    def __init__(self, problems: list[dict[str, str]]) -> None:
        super().__init__(problems, {})
        self.details["missing"] = [problem["field"] for problem in problems]


class NotJsonError(ToolError):
    """The request body is no JSON object."""

    def __init__(self) -> None:
        super().__init__("the body is not a JSON object")


class UnknownPathError(ToolError):
    """No such address."""

    def __init__(self, path: str) -> None:
        super().__init__("no such address")
        self.details: dict[str, object] = {"path": path[:200]}


class OnePaymentError(ToolError):
    """Not exactly one thing was named to pay for."""

    def __init__(self) -> None:
        super().__init__("pay takes exactly one of quote_id, session_id and fmu_id")


class OnePackError(ToolError):
    """Not exactly one pack of credits was named."""

    def __init__(self) -> None:
        super().__init__("buying credits takes exactly one of amount_minor and pack")


class NotUnderstoodError(ToolError):
    """A message is no tool call. `details`: reason, tools, example (of a message's object)."""

    def __init__(self, reason: str, tools: list[str], example: dict[str, object]) -> None:
        super().__init__(f"the message is no tool call: {reason}")
        self.details: dict[str, object] = {"reason": reason, "tools": tools, "example": example}


class CursorError(ToolError):
    """The cursor is not one that a list gave out."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this list gave out")


class MixedRequestError(ToolError):
    """A paid quote or token stands for its request; other fields beside it would be ignored."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__("what was paid stands for the whole request")
        self.details: dict[str, object] = {"fields": fields}


class OtherToolError(ToolError):
    """What was paid stands for a call of another tool. `details`: tool."""

    def __init__(self, tool: str) -> None:
        super().__init__("what was paid for is another tool's")
        self.details: dict[str, object] = {"tool": tool}


class NotOfStudiesError(ToolError):
    """Only the result of a single run has this. `details`: asked."""

    def __init__(self, asked: str) -> None:
        super().__init__("the result of a study has no such thing")
        self.details: dict[str, object] = {"asked": asked}


class OneOtherError(ToolError):
    """Not exactly one thing was given to compare with."""

    def __init__(self) -> None:
        super().__init__("a result is compared with exactly one of other_result_id and csv")


class MethodNotAllowedError(ToolError):
    """The address is there, but not for this HTTP method."""

    def __init__(self) -> None:
        super().__init__("this address does not take this method")


class MalformedRequestError(ToolError):
    """The HTTP request itself is broken: a multipart form without boundary, say."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:200])


class RunSettledError(ToolError):
    """The run took so long that it was given up and its payment returned."""

    def __init__(self) -> None:
        super().__init__("the run was given up before its result was stored")
