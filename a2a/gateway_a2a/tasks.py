"""Tasks of this process, bounded: the oldest go when an account or all of them hold too much."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from a2a.server.context import ServerCallContext
from a2a.server.tasks import InMemoryTaskStore, TaskStore
from a2a.types.a2a_pb2 import ListTasksRequest, ListTasksResponse, Task

_ACCOUNT_BYTES: Final = 8 * 2**20
_ALL_BYTES: Final = 64 * 2**20
_ALL_TASKS: Final = 5_000


class BoundedTasks(TaskStore):
    """The SDK's store in memory, with bounds in bytes and number. Files sent are not kept."""

    def __init__(self) -> None:
        self._tasks = InMemoryTaskStore(owner_resolver=_owner)
        self._all = _Sizes()
        self._own: dict[str, _Sizes] = {}
        self._owners: dict[str, str] = {}
        self._lock = threading.Lock()

    async def save(self, task: Task, context: ServerCallContext) -> None:
        """Keep the task without the files that came with its messages; forget the oldest."""
        lean, owner = _without_files(task), _owner(context)
        await self._tasks.save(lean, context)
        with self._lock:
            self._forget(task.id)
            self._note(task.id, owner, lean.ByteSize())
            forgotten = self._over(owner)
        for task_id, whose in forgotten:
            await self._tasks.delete(task_id, ServerCallContext(state={"owner": whose}))

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """The caller's task of that id."""
        return await self._tasks.get(task_id, context)

    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """The caller's tasks, a page at a time."""
        return await self._tasks.list(params, context)

    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget the caller's task."""
        with self._lock:
            if self._owners.get(task_id) == _owner(context):
                self._forget(task_id)
        await self._tasks.delete(task_id, context)

    def _over(self, owner: str) -> tuple[tuple[str, str], ...]:
        """Take out the oldest tasks until all bounds hold, with their owners; the newest stays."""
        own, everybody, forgotten = self._own[owner], self._all, []
        while len(own) > 1 and own.total > _ACCOUNT_BYTES:
            forgotten.append((own.oldest, self._forget(own.oldest)))
        while len(everybody) > 1 and (everybody.total > _ALL_BYTES or len(everybody) > _ALL_TASKS):
            forgotten.append((everybody.oldest, self._forget(everybody.oldest)))
        return tuple(forgotten)

    def _note(self, task_id: str, owner: str, size: int) -> None:
        self._owners[task_id] = owner
        self._all.add(task_id, size)
        self._own.setdefault(owner, _Sizes()).add(task_id, size)

    def _forget(self, task_id: str) -> str:
        """Whose task it was; nobody's where it wasn't known."""
        owner = self._owners.pop(task_id, "")
        if owner:
            self._all.remove(task_id)
            self._own[owner].remove(task_id)
            if not len(self._own[owner]):
                del self._own[owner]
        return owner


class _Sizes:
    """Tasks with what each takes [bytes], oldest first; the sum is always known."""

    def __init__(self) -> None:
        self._by_task: OrderedDict[str, int] = OrderedDict()
        self.total = 0

    def __len__(self) -> int:
        return len(self._by_task)

    @property
    def oldest(self) -> str:
        return next(iter(self._by_task))

    def add(self, task_id: str, size: int) -> None:
        self._by_task[task_id] = size
        self.total += size

    def remove(self, task_id: str) -> None:
        self.total -= self._by_task.pop(task_id)


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
