"""The inbox of webhooks: each event is noted in the transaction in which it takes effect."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.insertion import insert_once
from gateway_storage.base import Base


class WebhookEventRow(Base):
    """An event that has been handled. Events of other products of the same account are not kept."""

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    external_id: Mapped[str]
    received_at: Mapped[datetime]


def first_time(
    db: Connection, event_id: str, event_type: str, external_id: str, now: datetime
) -> bool:
    """Note the event. False if it was noted before: then it has had its effect."""
    row = {"id": event_id, "type": event_type, "external_id": external_id, "received_at": now}
    return insert_once(db, WebhookEventRow, row)
