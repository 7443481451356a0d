"""The SDK's task store on this gateway's database, so that every gateway on it knows every task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import structlog
from a2a.server.cluster.task_store import (
    ConcurrentTaskModificationError,
    StoredTask,
    VersionedTaskStore,
)
from a2a.server.cluster.version import TaskVersion
from a2a.server.context import ServerCallContext
from a2a.server.events import Event
from a2a.types.a2a_pb2 import ListTasksRequest, ListTasksResponse, Task, TaskState
from a2a.utils.constants import DEFAULT_LIST_TASKS_PAGE_SIZE
from a2a.utils.errors import A2AError, InternalError, InvalidParamsError
from a2a.utils.task import (
    ListTasksCursor,
    decode_list_tasks_cursor,
    encode_list_tasks_cursor,
)
from anyio import to_thread

from gateway_a2a import task_rows
from gateway_a2a.task_rows import Phase, Saved, Wanted
from gateway_storage.database import Database

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Any]])

_PHASES: Final[dict[int, Phase]] = {
    TaskState.TASK_STATE_INPUT_REQUIRED: "waiting",
    TaskState.TASK_STATE_AUTH_REQUIRED: "waiting",
    TaskState.TASK_STATE_COMPLETED: "ended",
    TaskState.TASK_STATE_FAILED: "ended",
    TaskState.TASK_STATE_CANCELED: "ended",
    TaskState.TASK_STATE_REJECTED: "ended",
}
_MOST_MICROSECONDS: Final = 2**63 - 1
_LONGEST_ID: Final = 500

_log = structlog.get_logger()


def in_our_words(call: F) -> F:
    """Let nothing through but what callers may read: the SDK tells them any exception's text."""

    @functools.wraps(call)
    async def told(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as the call itself
        try:
            return await call(*args, **kwargs)
        except (A2AError, ConcurrentTaskModificationError):
            raise
        except Exception as error:
            _log.exception("a2a_store_failed")
            raise InternalError from error

    return cast("F", told)


class StoredTasks(VersionedTaskStore):
    """Tasks of accounts, with bounds in bytes and number."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    @in_our_words
    async def save(
        self,
        task: Task,
        *,
        event: Event | None,  # noqa: ARG002  the SDK's
        prev: Task | None,  # noqa: ARG002
        prev_version: TaskVersion,
        context: ServerCallContext,
    ) -> TaskVersion:
        """Keep the task; forget the account's oldest where they are too many."""
        saved = self._saved(task, owner(context))
        return await to_thread.run_sync(self._write, saved, number(prev_version))

    @in_our_words
    async def get(self, task_id: str, context: ServerCallContext) -> StoredTask | None:
        """The caller's task of that id."""
        return await to_thread.run_sync(self._find, owner(context), task_id)

    @in_our_words
    async def list(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """The caller's tasks, a page at a time."""
        return await to_thread.run_sync(self._list, params, owner(context))

    @in_our_words
    async def delete(self, task_id: str, context: ServerCallContext) -> None:
        """Forget the caller's task."""
        await to_thread.run_sync(self._delete, owner(context), task_id)

    def change(self, account_id: str, task: Task, was: int) -> bool:
        """Write the account's task in place of its version `was`; False where that is past."""
        with self._database.write() as db:
            return task_rows.change(db, self._saved(task, account_id), was)

    def _saved(self, task: Task, account_id: str) -> Saved:
        body = task.SerializeToString()
        return Saved(
            id=task.id,
            account_id=account_id,
            context_id=storable(task.context_id),
            state=task.status.state,
            phase=_PHASES.get(task.status.state, "working"),
            status_us=task.status.timestamp.ToMicroseconds(),
            size=len(body),
            saved_at=self._clock(),
            body=body,
        )

    def _write(self, task: Saved, was: int) -> TaskVersion:
        """Not synced by itself: what a call costs and yields is on the disk before its task."""
        with self._database.write_unsynced() as db:
            version: int | None
            if task.state == TaskState.TASK_STATE_CANCELED:
                version = task_rows.cancel(db, task)
            elif was:
                version = was + 1 if task_rows.change(db, task, was) else None
            else:
                version = 1 if task_rows.add(db, task) else None
            if version is None:
                raise ConcurrentTaskModificationError(task.id)
            if version == 1 or task.phase != "working":
                task_rows.make_room(db, task.account_id, keep=task.id)
        return TaskVersion(version)

    def _find(self, account_id: str, task_id: str) -> StoredTask | None:
        storable(task_id)
        with self._database.read() as db:
            row = task_rows.find(db, account_id, task_id)
        return None if row is None else StoredTask(parsed(row.body), TaskVersion(row.version))

    def _list(self, params: ListTasksRequest, account_id: str) -> ListTasksResponse:
        size = params.page_size or DEFAULT_LIST_TASKS_PAGE_SIZE
        wanted = Wanted(
            account_id=account_id,
            context_id=storable(params.context_id) or None,
            state=params.status or None,
            since_us=_since(params),
            after=_place(params.page_token),
            most=size + 1,
        )
        with self._database.read() as db:
            bodies, total = task_rows.page(db, wanted)
        tasks = [parsed(body) for body in bodies]
        more = len(tasks) > size
        return ListTasksResponse(
            tasks=tasks[:size],
            next_page_token=_token(tasks[size - 1]) if more else "",
            page_size=size,
            total_size=total,
        )

    def _delete(self, account_id: str, task_id: str) -> None:
        with self._database.write() as db:
            if task_rows.find(db, account_id, task_id) is not None:
                task_rows.forget(db, [task_id])


def storable(name: str) -> str:
    """A caller's id, where every database can keep it.

    Raises:
        InvalidParamsError: it is too long, or holds a NUL, which Postgres has no text for.

    """
    if len(name) > _LONGEST_ID or "\0" in name:
        raise InvalidParamsError(message=f"an id has at most {_LONGEST_ID} characters, and no NUL")
    return name


def owner(context: ServerCallContext) -> str:
    """Whose call it is."""
    account_id: str = context.state["owner"]
    return account_id


def number(version: TaskVersion) -> int:
    """The version as the row has it; 0: not stored yet."""
    value = version._value  # noqa: SLF001  the SDK's own stores read it so
    assert isinstance(value, int)
    return value


def parsed(body: bytes) -> Task:
    """A row's task."""
    task = Task()
    task.ParseFromString(body)
    return task


def _since(params: ListTasksRequest) -> int | None:
    """Rounded up to the microseconds that rows have."""
    if not params.HasField("status_timestamp_after"):
        return None
    return -(-params.status_timestamp_after.ToNanoseconds() // 1000)


def _place(token: str) -> tuple[int, str] | None:
    if not token:
        return None
    cursor = decode_list_tasks_cursor(token)
    at = None if cursor is None else (cursor.timestamp_ns or 0) // 1000
    if cursor is None or at is None or abs(at) > _MOST_MICROSECONDS:
        raise InvalidParamsError(message="pageToken is not one that a list gave out")
    return at, storable(cursor.task_id)


def _token(task: Task) -> str:
    nanoseconds = task.status.timestamp.ToMicroseconds() * 1000
    return encode_list_tasks_cursor(ListTasksCursor(nanoseconds, task.id))
