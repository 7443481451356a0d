"""What is read over MCP: models as `fmu://<id>`, results as `result://<id>/<format>`.

A list shows the caller's newest results and then models, own and the library's; everything else is
found by the tools and by completion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gateway_runs import records
from gateway_server.links import result_uri
from gateway_tools.context import Context
from gateway_tools.errors import problem
from gateway_tools.get_result import MEDIA_TYPES
from gateway_tools.registry import tool_named
from gateway_tools.tool import Answered, File

FORMATS: Final = tuple(form for form in MEDIA_TYPES if form != "json")
MODEL: Final = "fmu://{fmu_id}"
RESULT: Final = result_uri("{result_id}", "{format}")
_MODEL: Final = re.compile(r"fmu://(?P<id>[^/?#]{1,900})")
_RESULT: Final = re.compile(rf"result://(?P<id>res_[0-9a-f]+)/(?P<format>{'|'.join(FORMATS)})")
_PAGE: Final = 50
_NEWEST: Final = 200
"""Results that are listed at most."""
_NOT_FOUND: Final = -32002
"""The code of revisions before 2026-07-28, whose successor is INVALID_PARAMS."""


def templates() -> list[types.ResourceTemplate]:
    """The two kinds of resources."""
    return [
        types.ResourceTemplate(
            name="model",
            title="A model: variables, units, default experiment",
            uri_template=MODEL,
            description="As describe_model answers; the names in it are untrusted",
            mime_type=MEDIA_TYPES["json"],
        ),
        types.ResourceTemplate(
            name="result",
            title="A result's whole trajectory, or a study's table",
            uri_template=RESULT,
            description=f"format: {', '.join(FORMATS)}; the names in it are untrusted",
        ),
    ]


def require_served(context: Context, revision: str) -> None:
    """Raise MCPError where the caller's key calls too often, as its tools would say."""
    if context.refused is not None:
        raise _told(context.refused, revision)


def listed(context: Context, cursor: str | None) -> types.ListResourcesResult:
    """A page: the newest results first, then models.

    Raises:
        MCPError: that is no cursor.

    """
    kind, _, position = (cursor or "results:0").partition(":")
    if not (position.isascii() and position.isdigit() and len(position) < 10):  # noqa: PLR2004
        raise MCPError(types.INVALID_PARAMS, "no cursor of this list")
    if kind == "models":
        return _models(context, position)
    if kind != "results" or int(position) >= _NEWEST:
        raise MCPError(types.INVALID_PARAMS, "no cursor of this list")
    return _results(context, int(position))


def read(context: Context, uri: str, revision: str) -> types.ReadResourceResult:
    """The resource at `uri`, for a client of that revision.

    Raises:
        MCPError: there is none, or none of this caller's.

    """
    result, model = _RESULT.fullmatch(uri), _MODEL.fullmatch(uri)
    if result is not None:
        arguments = {"result_id": result["id"], "format": result["format"]}
        file = _answer(context, "get_result", arguments, revision).file
        assert file is not None
        return types.ReadResourceResult(contents=[contents(uri, file)])
    if model is not None:
        arguments = {"fmu_id": unquote(model["id"])}
        output = _answer(context, "describe_model", arguments, revision).output
        text = output.model_dump_json()
        kind = MEDIA_TYPES["json"]
        told = types.TextResourceContents(uri=uri, mime_type=kind, text=text)
        return types.ReadResourceResult(contents=[told])
    msg = f"no such resource; use {MODEL} or {RESULT}"
    raise _missing(msg, revision)


def block(file: File) -> types.ContentBlock:
    """A picture is shown; any other file would flood the model, so it is linked if it is kept."""
    if file.media_type == MEDIA_TYPES["png"]:
        return types.ImageContent(data=_base64(file.data), mime_type=file.media_type)
    result_id, _, form = file.name.partition(".")
    if not _RESULT.fullmatch(result_uri(result_id, form)):
        return types.EmbeddedResource(resource=contents(f"file:///{file.name}", file))
    return types.ResourceLink(
        name=file.name,
        uri=result_uri(result_id, form),
        mime_type=file.media_type,
        size=len(file.data),
    )


def contents(uri: str, file: File) -> types.TextResourceContents | types.BlobResourceContents:
    """A file as a resource holds it."""
    if file.media_type.startswith("text/"):
        text = file.data.decode()
        return types.TextResourceContents(uri=uri, mime_type=file.media_type, text=text)
    return types.BlobResourceContents(uri=uri, mime_type=file.media_type, blob=_base64(file.data))


def _results(context: Context, position: int) -> types.ListResourcesResult:
    with context.gateway.database.read() as db:
        most = min(_PAGE, _NEWEST - position) + 1
        found = records.newest(db, context.account_id, context.kept_since, most, position)
    if not found and position == 0:
        return _models(context, "0")
    following = position + _PAGE
    more = len(found) > _PAGE and following < _NEWEST
    return types.ListResourcesResult(
        resources=[_result(record) for record in found[:_PAGE]],
        next_cursor=f"results:{following}" if more else "models:0",
    )


def _result(record: records.Record) -> types.Resource:
    made = record.created_at.isoformat(timespec="seconds")
    what = "Study" if record.is_study else "Simulation"
    return types.Resource(
        name=f"{record.id}.csv",
        title=f"{what} of {record.model_id}, {made}",
        uri=result_uri(record.id, "csv"),
        mime_type=MEDIA_TYPES["csv"],
        annotations=types.Annotations(last_modified=made),
    )


def _models(context: Context, position: str) -> types.ListResourcesResult:
    found = tool_named("list_library").call(context, {"limit": _PAGE, "cursor": position})
    page: dict[str, Any] = found.output.model_dump()
    cursor = page["next_cursor"]
    return types.ListResourcesResult(
        resources=[_model(model) for model in page["models"]],
        next_cursor=f"models:{cursor}" if cursor else None,
    )


def _model(model: Mapping[str, Any]) -> types.Resource:
    """The colon of an id is escaped: not every client takes it where a host's name stands.

    What an upload says of itself is left to describe_model, which marks it as untrusted.
    """
    return types.Resource(
        name=model["id"],
        title=model["model_name"],
        uri=f"fmu://{quote(model['id'], safe='')}",
        description=model["description"] if model["source"] == "library" else None,
        mime_type=MEDIA_TYPES["json"],
    )


def _answer(context: Context, tool: str, arguments: dict[str, Any], revision: str) -> Answered:
    try:
        return tool_named(tool).call(context, arguments)
    except Exception as error:
        raise _told(error, revision) from error


def _told(error: Exception, revision: str) -> MCPError:
    told = problem(error)
    message = f"{told.body['message']} ({told.body['remedy']})"
    if told.failure.status in {404, 410}:
        return _missing(message, revision, told.body)
    ours = told.failure.status in {429, *range(500, 600)}
    return MCPError(types.INTERNAL_ERROR if ours else types.INVALID_PARAMS, message, told.body)


def _missing(message: str, revision: str, body: Mapping[str, Any] | None = None) -> MCPError:
    modern = revision in MODERN_PROTOCOL_VERSIONS
    return MCPError(types.INVALID_PARAMS if modern else _NOT_FOUND, message, body)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
