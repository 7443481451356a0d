"""The REST door: each route hands a request to a use case and its answer back as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from gateway_server import examples
from gateway_server.auth import allowance_of, let_in, spend_call
from gateway_server.bodies import read_body
from gateway_server.contract import FILE, PAYS, TEXT, contract, json_body
from gateway_server.x402_headers import proof_in, receipt_headers
from gateway_tools import account, billing, describe_model, keys, models, upload_fmu
from gateway_tools.context import Context, Door, Gateway
from gateway_tools.exceptions import OneSourceError, TooLargeError
from gateway_tools.get_result import MEDIA_TYPES
from gateway_tools.observing import observed
from gateway_tools.parsing import parsed
from gateway_tools.quote import StudyToQuote
from gateway_tools.registry import TOOLS
from gateway_tools.requests import RunRequest
from gateway_tools.tool import Answered

_LONGEST_NAMES: Final = 20_000
_PAY_STATUS: Final = {"paid": 200, "pending": 202, "expired": 410}
_FORMATS: Final = {media.partition(";")[0]: form for form, media in MEDIA_TYPES.items()}


def _outputs(name: str) -> Any:  # noqa: ANN401  a type as a value
    tool = TOOLS[name]
    return tool.output if tool.or_output is None else tool.output | tool.or_output


def _reads(name: str, *refuses: int, also: dict[str, Any] | None = None) -> dict[str, Any]:
    """The contract of a route whose query is the tool's input."""
    return contract({200: _outputs(name)}, refuses, query=TOOLS[name].input, also=also)


def _runs(name: str, shown: dict[str, Any]) -> dict[str, Any]:
    """The contract of a route that runs something, and can stream its progress."""
    tool, streamed = TOOLS[name], {"text/event-stream": TEXT}
    answers = {200: _outputs(name)}
    return contract(answers, PAYS, body=tool.input, examples=shown, also=streamed)


_FILES: Final[dict[str, Any]] = {
    media.partition(";")[0]: TEXT if media.startswith("text/") else FILE
    for form, media in MEDIA_TYPES.items()
    if form != "json"
}
_PAYMENTS: Final = dict.fromkeys(_PAY_STATUS.values(), TOOLS["pay"].output)
_PAYING: Final = contract(
    _PAYMENTS,
    (402, 404, 409, 410, 413, 422, 503),
    body=TOOLS["pay"].input,
    examples=examples.PAY,
)
_PAYMENT: Final = contract(_PAYMENTS, (404, 409, 410, 422, 503))
_QUOTED: Final = contract(
    {200: TOOLS["quote"].output},
    (404, 409, 410, 413, 422, 503),
    body=RunRequest | StudyToQuote,
    examples=examples.QUOTE,
)
_CREDITS: Final = contract(
    {202: TOOLS["pay"].output},
    (404, 409, 413, 422, 503),
    body=billing.CreditsInput,
    examples=examples.CREDITS,
)
_REFUND: Final = contract({200: billing.RefundOutput}, (404, 409, 422, 503))
_CUSTOMER: Final = contract({200: billing.CustomerOutput}, (404, 409, 503))
_COMPARES: Final = contract(
    {200: TOOLS["compare_results"].output},
    (404, 413, 422),
    body=TOOLS["compare_results"].input,
    examples=examples.COMPARE,
    also={kind: FILE for kind in _FILES if kind.startswith("image/")},
)
_USAGE: Final = contract(
    {200: account.UsagePage}, (422,), query=account.AccountInput, also={"text/csv": TEXT}
)
_NEW_KEY: Final = contract(
    {201: keys.NewKeyOutput},
    (409, 413, 422),
    body=keys.NewKeyInput,
    examples=examples.KEY,
    may_be_empty=True,
)
_BUDGET: Final = contract(
    {200: keys.ChangeOutput},
    (404, 409, 413, 422),
    body=keys.ChangeInput,
    examples=examples.BUDGET,
    may_be_empty=True,
)
_VARIABLES: Final = contract(
    {200: describe_model.VariablePage}, (404, 410, 422), query=describe_model.VariableQuery
)
_UPLOADS: Final = contract({200: models.UploadsOutput}, (422,), query=models.UploadsInput)
_UPLOADED: Final = contract(
    dict.fromkeys((201, 200), upload_fmu.UploadOutput), (409, 413, 422, 503)
)
_UPLOADED["openapi_extra"]["requestBody"] = {
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": FILE}}
        },
        "application/octet-stream": {"schema": FILE},
        **json_body(upload_fmu.UploadInput, examples.UPLOAD),
    }
}
"""Multipart for forms, the bytes alone, or JSON as the tool takes it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What every route needs."""

    gateway: Gateway
    door: Door

    async def call(self, request: Request, use_case: Callable[[Context], Any]) -> Any:  # noqa: ANN401
        """Do it for the caller, in one of the pool's threads."""
        context = Context(self.gateway, request.state.caller, self.door, request.state.proof)
        return await to_thread.run_sync(use_case, context)

    async def answer(self, request: Request, name: str, arguments: dict[str, Any]) -> Answered:
        """Call a tool as any other door does."""
        tool = TOOLS[name]
        answer: Answered = await self.call(request, lambda context: tool.call(context, arguments))
        return answer

    async def tool(self, request: Request, name: str, arguments: dict[str, Any]) -> BaseModel:
        """What a tool says that gives no file."""
        return (await self.answer(request, name, arguments)).output


def rest_router(rest: Rest) -> APIRouter:
    """All routes that need a key; it is checked before anything of a body is read."""

    async def authenticated(request: Request) -> None:
        caller = await let_in(rest.gateway, request.scope)
        await spend_call(request.scope, caller)
        request.state.caller = caller
        request.state.proof = proof_in(request.headers)

    router = APIRouter(dependencies=[Depends(authenticated)])
    for add in (_library_routes, _money_routes, _run_routes, _account_routes):
        add(router, rest)
    return router


def _library_routes(router: APIRouter, rest: Rest) -> None:
    @router.get("/library", **_reads("list_library", 422))
    async def library(request: Request) -> Response:
        """Search the library and one's own uploads."""
        return answered(await rest.tool(request, "list_library", dict(request.query_params)))

    @router.post("/fmus", **_UPLOADED)
    async def upload_fmu_(request: Request) -> Response:
        """Upload an FMU: multipart field `file`, raw bytes, or JSON as the tool takes it."""
        if request.headers.get("content-type", "").startswith("application/json"):
            arguments = await read_body(request)
            stored = await rest.tool(request, "upload_fmu", arguments)
        else:
            data = await _file(request)
            stored = await rest.call(request, lambda context: uploading(context, data))
        return uploaded(stored)

    @router.get("/fmus", **_UPLOADS)
    async def list_uploads(request: Request) -> Response:
        """One's own uploads."""
        asked = parsed(models.UploadsInput, dict(request.query_params))
        return answered(await rest.call(request, lambda c: models.list_uploads(c, asked)))

    @router.get("/fmus/{fmu_id}", **_reads("describe_model", 404, 410, 422))
    async def describe_model_(request: Request, fmu_id: str) -> Response:
        """A model and the first page of its variables."""
        arguments = {**request.query_params, "fmu_id": fmu_id}
        return answered(await rest.tool(request, "describe_model", arguments))

    @router.get("/fmus/{fmu_id}/variables", **_VARIABLES)
    async def list_variables(request: Request, fmu_id: str) -> Response:
        """A page of a model's variables."""
        asked = parsed(describe_model.VariableQuery, {**request.query_params, "fmu_id": fmu_id})
        return answered(await rest.call(request, lambda c: describe_model.list_variables(c, asked)))

    @router.delete("/fmus/{fmu_id}", **contract({204: None}, (404, 422)))
    async def remove_upload(request: Request, fmu_id: str) -> Response:
        """Forget an upload; results made with it stay."""
        await rest.call(request, lambda context: models.remove_upload(context, fmu_id))
        return Response(status_code=204)


def _money_routes(router: APIRouter, rest: Rest) -> None:
    @router.post("/quotes", **_QUOTED)
    async def quote(request: Request) -> Response:
        """Price a run or a study; takes what POST /simulate or POST /studies takes."""
        arguments = await read_body(request)
        return answered(await rest.tool(request, "quote", arguments))

    @router.post("/pay", **_PAYING)
    async def pay(request: Request) -> Response:
        """Pay a quote, or ask how a payment stands: 200 paid, 202 pending, 410 expired."""
        arguments = await read_body(request)
        return _payment(request, await rest.tool(request, "pay", arguments))

    @router.get("/payments/checkout/{session_id}", **_PAYMENT)
    async def claim_payment(request: Request, session_id: str) -> Response:
        """How a Checkout session stands; with the payment token once it is paid."""
        status = await rest.tool(request, "pay", {"session_id": session_id})
        return _payment(request, status)

    @router.post("/credits", **_CREDITS)
    async def buy_credits(request: Request) -> Response:
        """Buy a pack of credits: a Checkout page for a person."""
        asked = parsed(billing.CreditsInput, await read_body(request))
        bought = await rest.call(request, lambda c: billing.buy_credits(c, asked))
        return _payment(request, bought)

    @router.post("/payments/{quote_id}/refund", **_REFUND)
    async def refund(request: Request, quote_id: str) -> Response:
        """Get back what was paid for a run that we failed to deliver."""
        return answered(await rest.call(request, lambda c: billing.refund(c, quote_id)))


def _run_routes(router: APIRouter, rest: Rest) -> None:
    @router.post("/simulate", **_runs("simulate", examples.SIMULATE))
    async def simulate(request: Request) -> Response:
        """Run a model. With `Accept: text/event-stream` progress events come before the answer."""
        return await _run(request, rest, "simulate")

    @router.post("/studies", **_runs("run_study", examples.STUDY))
    async def run_study(request: Request) -> Response:
        """Run a model many times. Streams as POST /simulate does."""
        return await _run(request, rest, "run_study")

    @router.get("/results/{result_id}", **_reads("get_result", 404, 413, 422, also=_FILES))
    async def get_result(request: Request, result_id: str) -> Response:
        """A result, or a slice of it, in the format of `?format=` or the Accept header."""
        arguments = {**_slice(request), "result_id": result_id}
        return _whole(await rest.answer(request, "get_result", arguments))

    @router.post("/compare", **_COMPARES)
    async def compare_results(request: Request) -> Response:
        """Two results, or a result and a CSV: how far they are apart, or a plot of both."""
        arguments = await read_body(request)
        return _whole(await rest.answer(request, "compare_results", arguments))


def _account_routes(router: APIRouter, rest: Rest) -> None:
    @router.get("/account", **_reads("account", 422))
    async def account_(request: Request) -> Response:
        """Balance, ways to pay, limits and the latest runs."""
        return answered(await rest.tool(request, "account", dict(request.query_params)))

    @router.get("/usage", **_USAGE)
    async def list_usage(request: Request) -> Response:
        """The account's runs, newest first; CSV with `Accept: text/csv`."""
        asked = parsed(account.AccountInput, dict(request.query_params))
        page = await rest.call(request, lambda context: account.list_usage(context, asked))
        if "text/csv" in request.headers.get("accept", ""):
            return Response(account.usage_csv(page), media_type="text/csv")
        return answered(page)

    @router.get("/account/keys", **contract({200: keys.KeysOutput}))
    async def list_keys(request: Request) -> Response:
        """The account's API keys, without their secrets."""
        return answered(await rest.call(request, keys.list_keys))

    @router.post("/account/keys", **_NEW_KEY)
    async def add_key(request: Request) -> Response:
        """Another key for the same account."""
        await allowance_of(request.scope).spend("new_keys")
        asked = parsed(keys.NewKeyInput, await read_body(request))
        new = await rest.call(request, lambda context: keys.add_key(context, asked))
        return answered(new, status=201)

    @router.put("/account/budget", **_BUDGET)
    async def change_budget(request: Request) -> Response:
        """Limit what a key may spend, or have runs paid without asking."""
        asked = parsed(keys.ChangeInput, await read_body(request))
        return answered(await rest.call(request, lambda c: keys.change_budget(c, asked)))

    @router.post("/account/stripe-customer", **_CUSTOMER)
    async def link_customer(request: Request) -> Response:
        """Let runs be put on a monthly invoice: a page on which a person agrees."""
        return answered(await rest.call(request, billing.link_customer))

    @router.delete("/account/keys/{key_id}", **contract({204: None}, (404, 409, 422)))
    async def revoke_key(request: Request, key_id: str) -> Response:
        """Make a key worthless."""
        await rest.call(request, lambda context: keys.revoke_key(context, key_id))
        return Response(status_code=204)


def answered(answer: BaseModel, status: int = 200) -> Response:
    """An answer as JSON."""
    return Response(answer.model_dump_json(), status_code=status, media_type="application/json")


def uploading(context: Context, data: bytes) -> upload_fmu.UploadOutput:
    """The tool's work for a file that came as it is."""
    with observed(context, upload_fmu.NAME):
        return upload_fmu.upload(context, data)


def uploaded(stored: BaseModel) -> Response:
    """201 for a new model, 200 for a known one or an upload address."""
    assert isinstance(stored, upload_fmu.UploadOutput)
    return answered(stored, status=201 if stored.id and not stored.already_known else 200)


async def _run(request: Request, rest: Rest, name: str) -> Response:
    """The answer of a tool that runs something, streamed where that is asked for."""
    arguments = await read_body(request)
    if "text/event-stream" in request.headers.get("accept", ""):
        from gateway_server.events import streamed  # noqa: PLC0415  few ask for it

        return streamed(rest.tool(request, name, arguments), rest.gateway, request.state.proof)
    answer = answered(await rest.tool(request, name, arguments))
    answer.headers.update(receipt_headers(request.state.proof))
    return answer


def _whole(answer: Answered) -> Response:
    """The file where one was asked for, else what is said."""
    if answer.file is None:
        return answered(answer.output)
    return Response(
        answer.file.data,
        media_type=answer.file.media_type,
        headers={"Content-Disposition": f'inline; filename="{answer.file.name}"'},
    )


def _payment(request: Request, status: BaseModel) -> Response:
    plain, receipt = status.model_dump(mode="json"), receipt_headers(request.state.proof)
    return JSONResponse(plain, status_code=_PAY_STATUS[plain["status"]], headers=receipt)


async def _file(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if file is None or isinstance(file, str):
            raise OneSourceError
        return await file.read()


def _slice(request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query_params)
    named = request.query_params.getlist("variables")
    if named:
        text = ",".join(named)
        if len(text) > _LONGEST_NAMES:
            raise TooLargeError(_LONGEST_NAMES)
        arguments["variables"] = [name.strip() for name in _names(text)]
    if "format" not in arguments:
        accepted = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
        arguments["format"] = _FORMATS.get(accepted, "json")
    return arguments


def _names(text: str) -> Iterator[str]:
    """The names between commas; the one in `x[1,2]` stays."""
    start = depth = 0
    for position, character in enumerate(text):
        depth = max(0, depth + (character in "[(") - (character in "])"))
        if character == "," and not depth:
            yield text[start:position]
            start = position + 1
    yield text[start:]
