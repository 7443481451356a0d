"""Tool `upload_fmu`: bring a model of one's own."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from gateway_library.store import Added
from gateway_library.tickets import LIFETIME
from gateway_simulation.trial import Trial, tried
from gateway_tools.context import Context
from gateway_tools.exceptions import (
    NotBase64Error,
    OneSourceError,
    PathNotReadableError,
)
from gateway_tools.tool import Tool
from gateway_tools.untrusted import Answer, Untrusted
from gateway_tools.variables import VariableView, views

NAME: Final = "upload_fmu"
DESCRIPTION: Final = """\
Bring your own FMU (FMI 2.0 or 3.0, Linux binary or C sources); only your account sees it. Free.
Give content_base64, path, or nothing: you get a one-time upload_url and a curl line. Returns the
id to simulate. Example: {"path": "pump.fmu"}."""
SHOWN_VARIABLES: Final = 24
SHOWN_LIBRARIES: Final = 50


class UploadInput(BaseModel):
    """One FMU, or nothing to get an address to send it to."""

    model_config = ConfigDict(extra="forbid")

    content_base64: str | None = Field(default=None, description="Small files")
    path: str | None = Field(default=None, description="stdio only")


class UploadOutput(Answer):
    """The stored model, or where to send it."""

    id: str | None = Field(description="Model id for quote, simulate and describe_model")
    already_known: bool = Field(default=False, description="This account had sent it before")
    sha256: str | None = None
    model_name: Untrusted[str | None] = None
    fmi_version: str | None = None
    guid: Untrusted[str | None] = None
    description: Untrusted[str | None] = None
    generation_tool: Untrusted[str | None] = None
    kinds: list[str] = Field(default=[])
    platforms: list[str] = Field(default=[])
    compiled_by: str | None = Field(
        default=None, description="The compiler that built it here: the file had sources only"
    )
    variables: Untrusted[list[VariableView]] = Field(
        default=[], description="Inputs, outputs, parameters"
    )
    variables_omitted: int = 0
    problems: Untrusted[list[str]] = Field(
        default=[], description="What its description breaks of the standard"
    )
    missing_libraries: Untrusted[list[str]] = Field(
        default=[], description="Shared libraries it needs and this gateway lacks: it won't run"
    )
    resets: bool | None = Field(
        default=None,
        description="Whether fmiReset was seen to restore it; where not, every run of a study gets "
        "a fresh instance",
    )
    warnings: list[str] = Field(default=[])
    upload_url: str | None = Field(default=None, description="PUT the file here, once")
    upload_expires_at: datetime | None = None
    next_steps: list[str]


def handle(context: Context, request: UploadInput) -> UploadOutput:
    """Store what came along, or say where to send it."""
    if request.content_base64 is not None and request.path is not None:
        raise OneSourceError
    if request.path is not None:
        return upload(context, _read(context, request.path))
    if request.content_base64 is not None:
        return upload(context, _decode(request.content_base64))
    return _invitation(context)


def upload(context: Context, data: bytes) -> UploadOutput:
    """Check and store an FMU for the caller's account."""
    added = context.gateway.models.add(context.account_id, data, context.now)
    trial = tried(context.gateway.simulator, added.model, context.account_id)
    return _stored(added, trial)


def _stored(added: Added, trial: Trial) -> UploadOutput:
    model, description = added.model, added.model.description
    outside = [v for v in description.variables if v.causality in {"input", "output", "parameter"}]
    return UploadOutput(
        id=model.id,
        already_known=added.already_known,
        sha256=model.sha256,
        model_name=description.model_name,
        fmi_version=description.fmi_version,
        guid=description.guid,
        description=description.description,
        generation_tool=description.generation_tool,
        kinds=list(description.kinds),
        platforms=list(description.platforms),
        compiled_by=description.compiled_by,
        variables=views(outside[:SHOWN_VARIABLES]),
        variables_omitted=max(0, len(outside) - SHOWN_VARIABLES),
        problems=list(added.problems),
        missing_libraries=list(added.missing_libraries[:SHOWN_LIBRARIES]),
        resets=trial.resets,
        warnings=[*added.warnings, *_failure(trial)],
        next_steps=[f'Run it: simulate {{"fmu_id": "{model.id}"}}', "See more: describe_model"],
    )


def _failure(trial: Trial) -> list[str]:
    """Not a reason to refuse the model: other start values may do."""
    return [f"a short trial run failed: {trial.failure}"] if trial.failure else []


def _invitation(context: Context) -> UploadOutput:
    if context.door.upload_link is None:
        raise OneSourceError
    now = context.now
    url = context.door.upload_link(context.gateway.tickets.issue(context.account_id, now))
    return UploadOutput(
        id=None,
        upload_url=url,
        upload_expires_at=now + LIFETIME,
        next_steps=[f"Send the file: curl -T model.fmu '{url}'", "Its answer holds the id"],
    )


def _read(context: Context, path: str) -> bytes:
    if context.door.readable is None:
        raise PathNotReadableError
    return context.door.readable(path)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotBase64Error from None


TOOL: Final = Tool(
    name=NAME,
    title="Upload an FMU",
    description=DESCRIPTION,
    input=UploadInput,
    output=UploadOutput,
    handle=handle,
    tells=("id", "warnings", "upload_url"),
    idempotent=True,
)
