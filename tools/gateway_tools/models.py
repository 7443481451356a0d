"""An account's own uploads as a list (REST's `GET /fmus`, `DELETE /fmus/{id}`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway_tools.context import Context
from gateway_tools.paging import page
from gateway_tools.untrusted import Answer, Untrusted


class UploadsInput(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = Field(default=None, max_length=100)


class UploadView(BaseModel):
    """One upload."""

    id: str
    sha256: str
    model_name: str
    size_bytes: int
    created_at: datetime


class UploadsOutput(Answer):
    """Uploads, newest first."""

    models: Untrusted[list[UploadView]]
    next_cursor: str | None


def list_uploads(context: Context, request: UploadsInput) -> UploadsOutput:
    """What this account has sent."""
    stored = context.gateway.models.list(context.account_id)
    shown, next_cursor = page(stored, request.cursor, request.limit)
    return UploadsOutput(
        models=[
            UploadView(
                id=model.id,
                sha256=model.sha256,
                model_name=model.model_name,
                size_bytes=model.size_bytes,
                created_at=model.created_at,
            )
            for model in shown
        ],
        next_cursor=next_cursor,
    )


def remove_upload(context: Context, model_id: str) -> None:
    """Forget an upload; results made with it stay."""
    context.gateway.models.remove(context.account_id, model_id)
