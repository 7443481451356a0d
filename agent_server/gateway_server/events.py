"""A simulation as server-sent events: progress while it runs, then the answer or the problem."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from gateway_payments.proof import Proof
from gateway_server.problems import document
from gateway_tools.context import Gateway

_INTERVAL_S: Final = 0.5


def streamed(
    work: Coroutine[Any, Any, BaseModel], gateway: Gateway, proof: Proof | None
) -> EventSourceResponse:
    """Stream `progress` events until `work` ends, then one `result` or `error` event.

    Before that one, a `payment` event tells what has become of the request's payment: the headers
    are long gone. A client that goes away doesn't stop the run.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_retrieved)
    return EventSourceResponse(_events(task, gateway.timeout_s, proof))


async def _events(
    task: asyncio.Future[BaseModel], timeout_s: float, proof: Proof | None
) -> AsyncIterator[ServerSentEvent]:
    started = time.monotonic()
    yield _progress(0.0, timeout_s)
    while not task.done():
        await asyncio.wait([task], timeout=_INTERVAL_S)
        if not task.done():
            yield _progress(time.monotonic() - started, timeout_s)
    error = task.exception()
    if proof and proof.receipt:
        yield ServerSentEvent(json.dumps(proof.receipt), event="payment")
    if error is None:
        yield ServerSentEvent(task.result().model_dump_json(), event="result")
    else:
        yield ServerSentEvent(json.dumps(document(error)[0]), event="error")


def _retrieved(task: asyncio.Future[BaseModel]) -> None:
    """A failure that nobody waits for any more is the run's, which has recorded it."""
    if not task.cancelled():
        task.exception()


def _progress(elapsed_s: float, timeout_s: float) -> ServerSentEvent:
    elapsed = {"elapsed_s": round(elapsed_s, 2), "timeout_s": timeout_s}
    return ServerSentEvent(json.dumps(elapsed), event="progress")
