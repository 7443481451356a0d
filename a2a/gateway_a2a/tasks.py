"""Tasks of this process, bounded: the oldest go when an account or all of them hold too much."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from a2a.server.context import ServerCallContext
from a2a.server.tasks import InMemoryTaskStore, TaskStore
from a2a.types.a2a_pb2 import ListTasksRequest, ListTasksResponse, Task

_ACCOUNT_BYTES: Final = 8 * 2**20
_ALL_BYTES: Final = 64 * 2**20
_ALL_TASKS: Final = 5_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """How much a task takes, and whose it is."""

    size: int
    owner: str


class BoundedTasks(TaskStore):
    """The SDK's store in memory, with bounds in bytes and number. Files sent are not kept."""

    def __init__(self) -> None:
        self._tasks = InMemoryTaskStore(owner_resolver=_owner)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep the task without the files that came with its messages; forget the oldest."""
        lean = _without_files(task)
        await self._tasks.save(lean, context)
        with self._lock:
            self._kept[task.id] = _Kept(lean.ByteSize(), _owner(context))
            self._kept.move_to_end(task.id)
            forgotten = self._over(_owner(context))
        for task_id, kept in forgotten:
            await self._tasks.delete(task_id, ServerCallContext(state={"owner": kept.owner}))

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """The caller's task of that id."""
        return await self._tasks.get(task_id, context)

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """The caller's tasks, a page at a time."""
        return await self._tasks.list(params, context)

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget the caller's task."""
        with self._lock:
            self._kept.pop(task_id, None)
        await self._tasks.delete(task_id, context)

    def _over(self, owner: str) -> tuple[tuple[str, _Kept], ...]:
        """Take out the oldest tasks until all bounds hold; the newest one always stays."""
        forgotten = []
        own = [task_id for task_id, kept in self._kept.items() if kept.owner == owner]
        own_bytes = sum(self._kept[task_id].size for task_id in own)
        for task_id in own[:-1]:
            if own_bytes <= _ACCOUNT_BYTES:
                break
            own_bytes -= self._kept[task_id].size
            forgotten.append((task_id, self._kept.pop(task_id)))
        all_bytes = sum(kept.size for kept in self._kept.values())
        while len(self._kept) > 1 and (all_bytes > _ALL_BYTES or len(self._kept) > _ALL_TASKS):
            task_id, kept = self._kept.popitem(last=False)
            all_bytes -= kept.size
            forgotten.append((task_id, kept))
        return tuple(forgotten)


def _owner(context: ServerCallContext) -> str:
    account_id: str = context.state["owner"]
    return account_id


def _without_files(task: Task) -> Task:
    lean = Task()
    lean.CopyFrom(task)
    for message in lean.history:
        for part in message.parts:
            if part.WhichOneof("content") == "raw":
                part.text = f"(a file of {len(part.raw)} bytes)"
    return lean
