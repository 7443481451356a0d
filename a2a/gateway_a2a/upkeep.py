"""What goes on beside the calls: tasks whose gateway died are ended, and old ones forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog
from a2a.helpers import new_data_part
from a2a.types.a2a_pb2 import (
    Message,
    Role,
    Task,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from anyio import to_thread

from gateway_a2a import task_rows
from gateway_a2a.answers import JSON
from gateway_a2a.push import Notifier
from gateway_a2a.tasks import StoredTasks, parsed
from gateway_storage.database import Database
from gateway_tools.errors import problem
from gateway_tools.exceptions import TaskLostError

KEPT: Final = timedelta(days=7)
SILENT: Final = timedelta(seconds=60)
"""A task at work is saved every second; one that isn't for so long has nobody who works on it."""
_EVERY_S: Final = 30

_log = structlog.get_logger()


class Upkeep:
    """Puts right what a dead gateway left; any gateway on the database may do it at any time."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], tasks: StoredTasks, push: Notifier
    ) -> None:
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._push = push

    async def run(self) -> None:
        """Again and again, until cancelled; a failure waits for the next round."""
        while True:
            try:
                await self.once()
            except Exception:  # noqa: BLE001  the next round may fare better
                _log.exception("a2a_upkeep_failed")
            await anyio.sleep(_EVERY_S)

    async def once(self) -> None:
        """One round."""
        for event in await to_thread.run_sync(lambda: list(self._end_lost())):
            await self._push.send_notification(event.task_id, event)
        await to_thread.run_sync(self._forget)

    def _end_lost(self) -> Iterator[TaskStatusUpdateEvent]:
        with self._database.read() as db:
            lost = task_rows.left(db, self._clock() - SILENT)
        for row in lost:
            task = parsed(row.body)
            task.status.CopyFrom(_lost(task, self._clock()))
            if self._tasks.change(row.account_id, task, row.version):
                _log.warning("a2a_task_lost", task_id=task.id)
                yield TaskStatusUpdateEvent(
                    task_id=task.id, context_id=task.context_id, status=task.status
                )

    def _forget(self) -> None:
        with self._database.write() as db:
            task_rows.forget_outdated(db, self._clock() - KEPT)


def _lost(task: Task, now: datetime) -> TaskStatus:
    body = problem(TaskLostError()).body
    message = Message(
        role=Role.ROLE_AGENT,
        task_id=task.id,
        context_id=task.context_id,
        message_id=f"{task.id}-lost",
        parts=[new_data_part(body, media_type=JSON)],
    )
    status = TaskStatus(state=TaskState.TASK_STATE_FAILED, message=message)
    status.timestamp.FromDatetime(now)
    return status
