"""What an operator sees of a call: an event in the log, what the meter counts, a span of the trace.

Without an exporter a span costs next to nothing; see docs/operations.md.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from structlog.contextvars import bound_contextvars, get_contextvars

from gateway_simulation.usage import Usage
from gateway_tools.context import Context
from gateway_tools.errors import failure_of

DONE: Final = "done"
"""The outcome of what didn't fail; a failure's is its code."""

_log = structlog.get_logger()
_tracer = trace.get_tracer("fmu_gateway")


def new_request_id() -> str:
    """What everything logged for one request carries."""
    return secrets.token_hex(16)


@contextmanager
def observed(context: Context, tool: str) -> Iterator[None]:
    """A call of `tool`: whatever is logged meanwhile names it, its door and its account."""
    door, began, outcome = context.door.name, time.perf_counter(), DONE
    with (
        bound_contextvars(
            request_id=get_contextvars().get("request_id") or new_request_id(),
            tool=tool,
            door=door,
            account_id=context.account_id,
        ),
        spanned(f"tool {tool}", tool=tool, door=door),
    ):
        context.gateway.meter.began(tool)
        try:
            yield
        except BaseException as error:
            outcome = failure_of(error).code
            raise
        finally:
            seconds = time.perf_counter() - began
            context.gateway.meter.called(tool, door, outcome, seconds)
            _log.info("tool_called", outcome=outcome, wall_ms=round(seconds * 1000, 3))


@contextmanager
def spanned(name: str, **attributes: str) -> Iterator[None]:
    """A part of a call as a span; of a failure it tells the code, not the words."""
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", failure_of(error).code)
            span.set_status(StatusCode.ERROR)
            raise


def account_for(context: Context, run_id: str, outcome: str, usage: Usage | None) -> None:
    """Tell the operator what the run took; nothing, where no process was begun for it."""
    took = {**asdict(usage), "wall_ms": round(usage.wall_ms, 3)} if usage else {}
    context.gateway.meter.ran(outcome, usage)
    _log.info("run_finished", run_id=run_id, account_id=context.account_id, outcome=outcome, **took)
