"""What OpenAPI says of a route: what it takes, with examples, what it answers, how it refuses.

Every refusal is a problem of RFC 9457. The codes that a status can have come from the one table of
failures; the schemas from the models that read requests and write answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from gateway_server.problems import PROBLEM
from gateway_tools.errors import FAILURES, UNEXPECTED, Failure
from gateway_tools.pay import PayOutput
from gateway_tools.quote import OfferView

Schema = dict[str, Any]
Answers = Mapping[int, type[BaseModel] | Any]  # a model, or a union of some; None: no content

WITH_KEY: Final = (400, 401, 429, 500)
"""How every route that needs a key may refuse, beside what it says itself."""
PAYS: Final = (402, 404, 409, 410, 413, 422, 503, 504)
"""How what runs a model may refuse."""
TEXT: Final[Schema] = {"type": "string"}
FILE: Final[Schema] = {"type": "string", "format": "binary"}

_REF: Final = "#/components/schemas/{model}"
_SECURITY: Final[dict[str, list[str]]] = {"key": []}
_PARAMETERS: Final = {
    "fmu_id": ("A model of the library, or one of your own", "msl:BouncingBall"),
    "result_id": ("As an answer named it", "res_…"),
    "quote_id": ("As an answer named it", "qt_…"),
    "session_id": ("As a payment requirement named it", "cs_…"),
    "key_id": ("As the list of keys names it", "key_…"),
    "ticket": ("The last part of an upload address", "…"),
}


class ProblemDocument(BaseModel):
    """A refusal or a failure (RFC 9457)."""

    type: str = Field(description="urn:fmu-gateway:<code>")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; what a program looks at")
    message: str
    remedy: str = Field(description="What to do next, in one sentence")
    untrusted: list[str] = Field(description="Fields that may hold text of a model's author")
    details: dict[str, Any] = Field(description="What helps to correct the call, such as nearest")


class RequirementDocument(BaseModel):
    """A run has to be paid first; nothing was charged (402)."""

    type: str
    title: str
    status: Literal[402]
    detail: str
    code: Literal["payment_required"]
    message: str
    remedy: str
    amount: float = Field(description="Of the first offer, in `currency`, for reading")
    amount_minor: int = Field(description="In the currency's smallest unit, rounded up")
    amount_micros: int = Field(description="Exact, in millionths of the currency")
    currency: str
    methods: list[str]
    quote_id: str
    session_id: str | None
    checkout_url: str | None = Field(description="For a person to open")
    expires_at: str
    offers: list[OfferView]
    next_steps: list[str]
    next_step: str
    existing_result_id: str | None
    already_paid_quote_id: str | None


def contract(  # noqa: PLR0913  what there is to say of a route
    answers: Answers,
    refuses: Iterable[int] = (),
    *,
    body: Any = None,  # noqa: ANN401
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    query: type[BaseModel] | None = None,
    also: Mapping[str, Schema] | None = None,
    with_key: bool = True,
    may_be_empty: bool = False,
) -> dict[str, Any]:
    """The arguments of a route's decorator.

    `body`: a model, or a union of some; `examples` of it by name. `also`: the success as other
    media types than JSON. `may_be_empty`: nothing at all is as good as an empty object.
    """
    extra: dict[str, Any] = {"security": [_SECURITY]} if with_key else {}
    if body is not None:
        extra["requestBody"] = {
            "required": not may_be_empty,
            "content": json_body(body, examples or {}),
        }
    if query is not None:
        extra["parameters"] = list(_query(query))
    refusals = sorted({*refuses, *(WITH_KEY if with_key else (500,))})
    responses: dict[int | str, Any] = {status: _refusal(status) for status in refusals}
    for status, answer in answers.items():
        responses[status] = _success(answer, also or {}) | _as_refusal_too(responses.get(status))
    return {
        "openapi_extra": extra,
        "response_class": Response,  # whose content is what `responses` says
        "response_model": None,
        "responses": responses,
        "status_code": min(answers),
    }


def json_body(model: Any, examples: Mapping[str, Any]) -> Schema:  # noqa: ANN401
    """The content of a body that is the model, or one of a union, as JSON."""
    shown = {"examples": {name: {"value": value} for name, value in examples.items()}}
    return {"application/json": {"schema": inline(model), **(shown if examples else {})}}


def inline(model: Any) -> Schema:  # noqa: ANN401
    """The model's schema without `$defs`, so that it can stand anywhere in the document."""
    schema = TypeAdapter(model).json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})

    def resolved(part: Any) -> Any:  # noqa: ANN401
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(definitions[part["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in part.items()}

    plain: Schema = resolved(schema)
    return plain


def describe(app: FastAPI) -> None:
    """Have the application publish its contract at /openapi.json, written once."""

    def written() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = written  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "POST /keys makes a key"}
    }
    components["responses"] = {str(status): _problem(status) for status in _codes()}
    documents = [(m, "serialization") for m in (ProblemDocument, RequirementDocument, PayOutput)]
    _, schemas = models_json_schema(documents, ref_template=_REF)  # type: ignore[arg-type]
    components.setdefault("schemas", {}).update(schemas["$defs"])
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    told, example = _PARAMETERS[parameter["name"]]
                    parameter |= {"description": told, "example": example}
    return document


def _query(model: type[BaseModel]) -> Iterable[Schema]:
    """A parameter for each field but the ids, which stand in the path."""
    for name, schema in inline(model)["properties"].items():
        if not name.endswith("_id"):
            yield {
                "name": name,
                "in": "query",
                "schema": _said(schema),
                "description": schema.get("description", ""),
            }


def _said(schema: Schema) -> Schema:
    """What can be said in a query: something, or nothing, but not null."""
    kept = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in {"anyOf", "title", "description"}}
    if rest.get("default", ...) is None:
        del rest["default"]
    return rest | (kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else {})


def _success(answer: Any, also: Mapping[str, Schema]) -> dict[str, Any]:  # noqa: ANN401
    told = {} if answer is None else {"model": answer}
    return told | ({"content": {kind: {"schema": s} for kind, s in also.items()}} if also else {})


def _refusal(status: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{status}", "description": HTTPStatus(status).phrase}


def _as_refusal_too(refusal: dict[str, Any] | None) -> dict[str, Any]:
    """A status that is an answer of this route can be a refusal as well: expired, or gone."""
    return {} if refusal is None else {"content": {PROBLEM: {"schema": _ref(ProblemDocument)}}}


def _problem(status: int) -> dict[str, Any]:
    schema = _ref(ProblemDocument)
    if status == 402:  # noqa: PLR2004
        schema = {"anyOf": [_ref(RequirementDocument), schema]}
    headers = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds to wait"}}
    first = next(iter(_codes()[status].values()))
    return {
        "description": _codes_of(status),
        "content": {PROBLEM: {"schema": schema, "example": _example(first)}},
        **({"headers": headers} if any(f.retry_after_s for f in _failures(status)) else {}),
    }


def _example(failure: Failure) -> dict[str, Any]:
    title = failure.code.replace("_", " ")
    return {
        "type": f"urn:fmu-gateway:{failure.code}",
        "title": title,
        "status": failure.status,
        "detail": title,
        "code": failure.code,
        "message": title,
        "remedy": failure.remedy,
        "untrusted": ["details"],
        "details": {},
    }


def _codes() -> dict[int, dict[str, Failure]]:
    """All failures by their status and code."""
    found: dict[int, dict[str, Failure]] = {}
    for failure in (*FAILURES.values(), UNEXPECTED):
        found.setdefault(failure.status, {})[failure.code] = failure
    return found


def _failures(status: int) -> Iterable[Failure]:
    return _codes()[status].values()


def _codes_of(status: int) -> str:
    return "Codes: " + ", ".join(sorted(_codes()[status]))


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=model.__name__)}
