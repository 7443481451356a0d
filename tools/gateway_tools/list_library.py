"""Tool `list_library`: find a model, among the library's and one's own."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_library.domains import Domain
from gateway_library.entries import Entry, States
from gateway_library.search import LONGEST_QUERY, Hits
from gateway_tools.context import Context
from gateway_tools.paging import page
from gateway_tools.tool import Tool
from gateway_tools.untrusted import Answer, Untrusted

NAME: Final = "list_library"
DESCRIPTION: Final = """\
Find a model in the verified library and your own uploads, best match first, by what it does,
tag, variable or unit. Free. Next: describe_model. Example: {"query": "bouncing ball"}."""
SHOWN_TAGS: Final = 4
"""Of a model; the search knows them all."""
_FACETS: Final = {"domain", "kind", "states", "source", "fmi_version"}


class LibraryInput(BaseModel):
    """What is looked for."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(default="", max_length=10_000, description="Empty: everything")
    domain: Domain | None = None
    kind: Literal["co_simulation", "model_exchange"] | None = None
    states: States | None = Field(default=None, description="Continuous states")
    fmi_version: Literal["2.0", "3.0"] | None = None
    source: Literal["library", "upload"] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 8
    cursor: str | None = Field(default=None, max_length=100)


class ModelView(BaseModel):
    """One model."""

    id: str
    model_name: str
    fmi_version: str
    guid: str
    description: str | None
    source: Literal["library", "upload"]
    kinds: list[str]
    tags: list[str] = Field(description="The first of them")
    verified_against: str | None = Field(description="How the library knows that it is right")
    error: float | None = Field(
        description="No larger error was found then, relative to each signal's range"
    )


class LibraryOutput(Answer):
    """Models, best match first."""

    models: Untrusted[list[ModelView]]
    total: int
    facets: dict[str, dict[str, int]] = Field(
        default={},
        description="Where more follow: how many by domain, kind and states that would narrow",
    )
    next_cursor: str | None
    next_steps: list[str]


def handle(context: Context, request: LibraryInput) -> LibraryOutput:
    """Search the library and what the account has uploaded."""
    wanted = request.model_dump(include=_FACETS, exclude_none=True)
    found = context.gateway.finder.find(context.account_id, request.query, wanted)
    shown, next_cursor = page(found, request.cursor, request.limit)
    return LibraryOutput(
        models=[_view(entry) for entry in shown],
        total=len(found),
        facets=_narrowing(found) if next_cursor else {},
        next_cursor=next_cursor,
        next_steps=_next_steps([entry.id for entry in shown], request.query),
    )


def _narrowing(found: Hits) -> dict[str, dict[str, int]]:
    """What some of the models have, and others don't."""
    told = {
        name: {value: count for value, count in counts.items() if count < len(found)}
        for name, counts in found.facets.items()
    }
    return {name: counts for name, counts in told.items() if counts}


def _view(entry: Entry) -> ModelView:
    return ModelView(
        id=entry.id,
        model_name=entry.model_name,
        fmi_version=entry.fmi_version,
        guid=entry.guid,
        description=entry.description,
        source=entry.source,
        kinds=list(entry.kinds),
        tags=list(entry.tags[:SHOWN_TAGS]),
        verified_against=entry.verified_against,
        error=entry.error,
    )


def _next_steps(ids: list[str], query: str) -> list[str]:
    cut = f"Only the first {LONGEST_QUERY} characters were looked at: use fewer words"
    told = [cut] if len(query) > LONGEST_QUERY else []
    if not ids:
        return [*told, "Nothing matches: use other words, or upload_fmu a model of your own"]
    return [*told, f'See its variables: describe_model {{"fmu_id": "{ids[0]}"}}']


TOOL: Final = Tool(
    name=NAME,
    title="Find a model",
    description=DESCRIPTION,
    input=LibraryInput,
    output=LibraryOutput,
    handle=handle,
    tells=("models",),
    read_only=True,
    idempotent=True,
)
