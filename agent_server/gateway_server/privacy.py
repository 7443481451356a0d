"""Keeps the process's secrets to itself: from other processes of its user, and from its logs."""

from __future__ import annotations

import ctypes
import logging
import re
import resource
import sys
from collections.abc import Iterable
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

_PR_SET_DUMPABLE: Final = 4
_SHORTEST: Final = 8
_MASK: Final = "***"
_SHAPES: Final = (
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",  # API keys
    r"(?<=/uploads/)[\w%-]{8,}",  # tickets
    r"(?<=\.)[0-9a-f]{64}\b",  # payment tokens
    r"\bfg[acr]_[\w-]{20,}",  # OAuth's codes and tokens
    r"\b(?:sk|rk)_(?:test|live)_\w+",
    r"\bwhsec_\w+",
    r"(?i:(?<=\bbearer )[^\s'\"]+)",
    r"(?<=://)[^:/@\s]*:[^@/\s]*(?=@)",  # of databases: user and password
)


def keep_memory_private() -> None:
    """Let no other process of this user read or trace this one, nor a core file keep its memory.

    Children that execute another program aren't affected.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Mask:
    """Blackens secrets in log events: those it is told, and whatever has the shape of one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = (re.escape(one) for one in secrets if len(one) >= _SHORTEST)
        self._pattern: Final = re.compile("|".join((*known, *_SHAPES)))

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event without its secrets; a structlog processor."""
        del logger, method
        return {name: self.masked(value) for name, value in event.items()}

    def masked(self, value: Any) -> Any:  # noqa: ANN401  whatever is logged
        """`value` without its secrets; an object that would show one is replaced by its text."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self._pattern.sub(_MASK, value)
            case dict():
                return {self.masked(name): self.masked(one) for name, one in value.items()}
            case tuple():
                return tuple(map(self.masked, value))
            case list():
                return [self.masked(one) for one in value]
        shown = repr(value)
        masked = self._pattern.sub(_MASK, shown)
        return value if masked == shown else masked


class MaskedRecords(logging.Filter):
    """The same for loggers that write by handlers of their own, as uvicorn's do."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, its secrets blackened."""
        record.msg = self._mask.masked(record.msg)
        record.args = self._mask.masked(record.args)
        if record.exc_info:
            record.exc_text = self._mask.masked(
                logging.Formatter().formatException(record.exc_info)
            )
        return True
