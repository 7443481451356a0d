"""Where accounts want to hear of their tasks: kept with the tasks, few and small."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from a2a.server.context import ServerCallContext
from a2a.server.tasks import PushNotificationConfigStore
from a2a.server.tasks.push_notification_config_store import normalize_push_notification_config
from a2a.types.a2a_pb2 import TaskPushNotificationConfig
from a2a.utils.errors import InvalidParamsError
from anyio import to_thread
from sqlalchemy import Connection, delete, func, insert, select

from gateway_a2a.task_rows import PushConfigRow
from gateway_a2a.tasks import in_our_words, owner, storable
from gateway_storage.database import Database

MOST_CONFIGS: Final = 8
"""Of one task."""
MOST_BYTES: Final = 8 * 2**10
"""Of one configuration."""


class PushConfigs(PushNotificationConfigStore):
    """Push notification configurations; only the account that made one can read it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    @in_our_words
    async def set_info(
        self,
        task_id: str,
        notification_config: TaskPushNotificationConfig,
        context: ServerCallContext,
    ) -> TaskPushNotificationConfig:
        """Keep it, in place of one with the same id.

        Raises:
            InvalidParamsError: it is too large, one too many, or can't be sent as HTTP headers.

        """
        config = normalize_push_notification_config(task_id, notification_config)
        _require_sendable(config)
        await to_thread.run_sync(self._set, config, owner(context))
        return config

    @in_our_words
    async def get_info(
        self, task_id: str, context: ServerCallContext
    ) -> list[TaskPushNotificationConfig]:
        """The caller's configurations for the task."""
        found = await to_thread.run_sync(self._of, task_id, owner(context))
        return [config for _, config in found]

    @in_our_words
    async def get_info_for_dispatch(self, task_id: str) -> list[TaskPushNotificationConfig]:
        """All configurations for the task: its own account's, nobody else finds the task."""
        return [config for _, config in await self.addresses(task_id)]

    @in_our_words
    async def addresses(self, task_id: str) -> list[tuple[str, TaskPushNotificationConfig]]:
        """The same, each with its account."""
        return await to_thread.run_sync(self._of, task_id, None)

    @in_our_words
    async def delete_info(
        self, task_id: str, context: ServerCallContext, config_id: str | None = None
    ) -> None:
        """Forget one of the caller's configurations, or all for the task."""
        await to_thread.run_sync(self._delete, task_id, owner(context), config_id)

    def _set(self, config: TaskPushNotificationConfig, account_id: str) -> None:
        mine = (PushConfigRow.task_id == config.task_id, PushConfigRow.id == config.id)
        with self._database.write() as db:
            db.execute(delete(PushConfigRow).where(*mine, PushConfigRow.account_id == account_id))
            _require_room(db, config.task_id)
            db.execute(
                insert(PushConfigRow).values(
                    task_id=config.task_id,
                    id=config.id,
                    account_id=account_id,
                    saved_at=self._clock(),
                    body=config.SerializeToString(),
                )
            )

    def _of(
        self, task_id: str, account_id: str | None
    ) -> list[tuple[str, TaskPushNotificationConfig]]:
        found = select(PushConfigRow.account_id, PushConfigRow.body).where(
            PushConfigRow.task_id == task_id
        )
        if account_id is not None:
            found = found.where(PushConfigRow.account_id == account_id)
        with self._database.read() as db:
            rows = db.execute(found.order_by(PushConfigRow.saved_at, PushConfigRow.id))
            return [(row[0], TaskPushNotificationConfig.FromString(row[1])) for row in rows]

    def _delete(self, task_id: str, account_id: str, config_id: str | None) -> None:
        gone = delete(PushConfigRow).where(
            PushConfigRow.task_id == task_id, PushConfigRow.account_id == account_id
        )
        if config_id is not None:
            gone = gone.where(PushConfigRow.id == config_id)
        with self._database.write() as db:
            db.execute(gone)


def _require_sendable(config: TaskPushNotificationConfig) -> None:
    storable(config.id)
    if config.ByteSize() > MOST_BYTES:
        raise InvalidParamsError(message=f"a configuration takes at most {MOST_BYTES} bytes")
    headers = (config.token, config.authentication.scheme, config.authentication.credentials)
    if not all(text.isascii() and text.isprintable() for text in headers):
        raise InvalidParamsError(message="token, scheme and credentials must be printable ASCII")


def _require_room(db: Connection, task_id: str) -> None:
    there = select(func.count()).select_from(PushConfigRow).where(PushConfigRow.task_id == task_id)
    if db.execute(there).scalar_one() >= MOST_CONFIGS:
        raise InvalidParamsError(message=f"a task takes at most {MOST_CONFIGS} configurations")
