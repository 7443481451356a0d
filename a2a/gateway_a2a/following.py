"""A task that another gateway works on, followed through the database that both share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Final

import anyio
from a2a.server.cluster.event_stream import TaskEventStream, VersionedEvent
from a2a.server.cluster.version import TaskVersion
from a2a.server.events import Event
from a2a.types.a2a_pb2 import Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent
from anyio import to_thread

from gateway_a2a import task_rows
from gateway_a2a.tasks import number, parsed
from gateway_storage.database import Database

_LOOK_EVERY_S: Final = 0.5


class Following(TaskEventStream):
    """Tells what has changed in a task's row as the events that lead there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, task_id: str, event: VersionedEvent) -> None:
        """Nothing to do: the store has written the row already."""

    async def destroy(self, task_id: str) -> None:
        """Nothing is held."""

    async def subscribe(
        self, task_id: str, *, after: TaskVersion
    ) -> AsyncGenerator[VersionedEvent, None]:
        """The task's changes since `after`, until it is forgotten or nobody listens any more."""
        known, at = Task(), number(after)
        while True:
            row = await to_thread.run_sync(self._read, task_id)
            if row is None:
                return
            if row.version > at:
                task, at = parsed(row.body), row.version
                for event in changes(known, task):
                    yield VersionedEvent(event=event, version=TaskVersion(at))
                known = task
            await anyio.sleep(_LOOK_EVERY_S)

    def _read(self, task_id: str) -> task_rows.Version | None:
        with self._database.read() as db:
            return task_rows.version_of(db, task_id)


def changes(before: Task, after: Task) -> Iterator[Event]:
    """What leads from one state of a task to a later one: new artifacts, then its status."""
    known = {artifact.artifact_id: artifact for artifact in before.artifacts}
    for artifact in after.artifacts:
        if known.get(artifact.artifact_id) != artifact:
            yield TaskArtifactUpdateEvent(
                task_id=after.id, context_id=after.context_id, artifact=artifact, last_chunk=True
            )
    if before.status != after.status or before.metadata != after.metadata:
        yield TaskStatusUpdateEvent(
            task_id=after.id,
            context_id=after.context_id,
            status=after.status,
            metadata=after.metadata,
        )
