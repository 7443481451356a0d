"""How far a call is, told while it goes on: in the metadata of status updates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

from a2a.server.tasks import TaskUpdater
from a2a.types.a2a_pb2 import TaskState, TaskStatusUpdateEvent

from gateway_simulation.watch import Watch

T = TypeVar("T")

KEY: Final = "progress"
EVERY_S: Final = 1.0


async def told(work: Awaitable[T], updater: TaskUpdater, watch: Watch, timeout_s: float) -> T:
    """What `work` comes to; meanwhile its task says every second how far it is.

    Where the caller cancels the task, here or at another gateway, its runs are ended.
    """
    started = time.monotonic()
    running = asyncio.ensure_future(work)
    running.add_done_callback(_retrieved)
    try:
        while not running.done():
            await asyncio.wait([running], timeout=EVERY_S)
            if not running.done():
                elapsed_s = round(time.monotonic() - started, 2)
                far = {"share": round(watch.share, 3), "elapsed_s": elapsed_s}
                metadata = {KEY: {**far, "timeout_s": timeout_s}}
                await updater.update_status(TaskState.TASK_STATE_WORKING, metadata=metadata)
    except asyncio.CancelledError:
        watch.cancel()
        raise
    return running.result()


def is_progress(event: TaskStatusUpdateEvent) -> bool:
    """Whether the event says no more than that."""
    return event.status.state == TaskState.TASK_STATE_WORKING and KEY in event.metadata


def _retrieved(running: asyncio.Future[T]) -> None:
    """A failure that nobody waits for any more is the run's, which has recorded it."""
    if not running.cancelled():
        running.exception()
