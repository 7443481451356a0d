"""How far a call is, told while it goes on: in the metadata of status updates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

from a2a.server.tasks import TaskUpdater
from a2a.types.a2a_pb2 import TaskState, TaskStatusUpdateEvent

T = TypeVar("T")

KEY: Final = "progress"
EVERY_S: Final = 1.0


async def told(work: Awaitable[T], updater: TaskUpdater, timeout_s: float) -> T:
    """What `work` comes to; meanwhile its task says every second that it is being worked on.

    Where the caller cancels the task, `work` isn't waited for any more, and goes on to its end.
    """
    started = time.monotonic()
    running = asyncio.ensure_future(work)
    running.add_done_callback(_retrieved)
    while not running.done():
        await asyncio.wait([running], timeout=EVERY_S)
        if not running.done():
            elapsed = {"elapsed_s": round(time.monotonic() - started, 2), "timeout_s": timeout_s}
            await updater.update_status(TaskState.TASK_STATE_WORKING, metadata={KEY: elapsed})
    return running.result()


def is_progress(event: TaskStatusUpdateEvent) -> bool:
    """Whether the event says no more than that."""
    return event.status.state == TaskState.TASK_STATE_WORKING and KEY in event.metadata


def _retrieved(running: asyncio.Future[T]) -> None:
    """A failure that nobody waits for any more is the run's, which has recorded it."""
    if not running.cancelled():
        running.exception()
