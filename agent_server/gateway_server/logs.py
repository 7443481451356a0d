"""Logs: one event a line, ours and the libraries', to stderr: stdout is the protocol's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Literal, TextIO

import structlog

from gateway_server.privacy import Mask, MaskedRecords
from gateway_simulation.foreign import readable

_LONGEST: Final = 2000

_WITH_HANDLERS_OF_THEIR_OWN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure_logs(
    form: Literal["console", "json"], secrets: Iterable[str] = (), least: int = logging.INFO
) -> Mask:
    """Send structlog's and the standard library's events to stderr in one form.

    `least` is the lowest level of our own that is shown. None of `secrets` is ever among them, nor
    what looks like a key or a token; the mask that sees to it may be used for other things told.
    """
    mask = Mask(secrets)
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # the traceback alone: locals may hold keys
        mask,
        _on_their_lines,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*common, last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(_Unfailing(sys.stderr)),  # type: ignore[arg-type]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=common,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _WITH_HANDLERS_OF_THEIR_OWN:
        logging.getLogger(name).addFilter(MaskedRecords(mask))
    return mask


class _Unfailing:
    """A stream that loses what can't be written, in place of failing a call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):  # which a closed file raises
            self._stream.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _on_their_lines(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Values on one line, a traceback's lines behind a bar: what is logged can't pose as a log."""
    for name, value in event.items():
        if name == "exception":
            lines = str(value).splitlines()
            event[name] = "\n".join(f"| {_kept(line)}" for line in lines)
        elif isinstance(value, str):
            event[name] = readable(value, _LONGEST)
    return event


def _kept(line: str) -> str:
    """One line of a traceback with its indentation."""
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + readable(text, _LONGEST)
