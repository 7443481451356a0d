"""Completion: what an argument of a resource template or a prompt may be, as it is typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from gateway_library.exceptions import LibraryError
from gateway_runs import records
from gateway_server.mcp_prompts import Names, question_named
from gateway_server.mcp_resources import FORMATS, MODEL, RESULT
from gateway_simulation.exceptions import SimulationError
from gateway_tools.context import Context

_MOST: Final = 100
"""Values that an answer may hold."""
_RESULTS: Final = 500
"""The newest results among which is looked."""
_LONGEST: Final = 300
_OF_TEMPLATES: Final[dict[str, dict[str, Names | None]]] = {
    MODEL: {"fmu_id": "model"},
    RESULT: {"result_id": "result", "format": None},
}


def completed(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    """What begins with, or else holds, what was typed; only of the caller's own.

    Raises:
        MCPError: there is no such template, prompt or argument.

    """
    beside = (params.context.arguments if params.context else None) or {}
    typed = params.argument.value[:_LONGEST]
    found = _values(context, _names(params), typed, beside)
    return types.CompleteResult(
        completion=types.Completion(
            values=found[:_MOST], total=len(found), has_more=len(found) > _MOST
        )
    )


def _names(params: types.CompleteRequestParams) -> Names | None:
    """What the argument's value names; None: a format."""
    name = params.argument.name
    match params.ref:
        case types.PromptReference():
            found: dict[str, Names | None] = {
                argument.name: argument.names
                for argument in question_named(params.ref.name).arguments
            }
        case types.ResourceTemplateReference():
            found = _OF_TEMPLATES.get(params.ref.uri, {})
    if name not in found:
        raise MCPError(types.INVALID_PARAMS, "no such argument to complete")
    return found[name]


def _values(
    context: Context, names: Names | None, typed: str, beside: Mapping[str, str]
) -> list[str]:
    match names:
        case None:
            return _matching(FORMATS, typed)
        case "model":
            return _models(context, typed)
        case "result":
            with context.gateway.database.read() as db:
                found = records.newest(db, context.account_id, context.kept_since, _RESULTS)
            return _matching((record.id for record in found), typed)
        case "parameter" | "input" | "output":
            return _matching(_variables(context, beside.get("fmu_id", ""), names), typed)
        case "words":
            return []


def _models(context: Context, typed: str) -> list[str]:
    """By id; where no id holds it, by what the models are about."""
    find = context.gateway.finder.find
    ids = _matching((entry.id for entry in find(context.account_id, "")), typed)
    return ids or [entry.id for entry in find(context.account_id, typed)[:_MOST]]


def _variables(context: Context, fmu_id: str, causality: str) -> list[str]:
    """Those of the model that the prompt is about, if it is named already."""
    try:
        model = context.gateway.model(context.account_id, fmu_id)
    except (SimulationError, LibraryError):
        return []
    return [v.name for v in model.description.variables if v.causality == causality]


def _matching(values: Iterable[str], typed: str) -> list[str]:
    """What begins with it comes first, then what holds it elsewhere."""
    wanted = typed.casefold()
    holding = [value for value in values if wanted in value.casefold()]
    return sorted(holding, key=lambda value: not value.casefold().startswith(wanted))
