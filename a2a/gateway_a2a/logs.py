"""The SDK's log without its callers' mistakes: they are answered, and would fill it with text."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = (
    "a2a.compat.v0_3.jsonrpc_adapter",
    "a2a.server.routes.jsonrpc_dispatcher",
    "a2a.utils.error_handlers",
    "a2a.utils.push_url_validator",
    "a2a.utils.version_validator",
)
_MISTAKES: Final = ("Failed to parse", "Failed to validate")


def quieten() -> None:
    """Let through only what went wrong on our side."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_ours)


def _ours(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR and not str(record.msg).startswith(_MISTAKES)
