"""What needs no key: accounts, uploads by ticket, Stripe's webhook, pages for people."""

from __future__ import annotations

from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway_payments.accounts import Caller
from gateway_server import icon, payment_pages
from gateway_server.auth import allowance_of
from gateway_server.contract import FILE, TEXT, contract
from gateway_server.guide import llms_txt
from gateway_server.headers import docs_policy
from gateway_server.rest import Rest, answered, uploaded, uploading
from gateway_tools import keys, upload_fmu
from gateway_tools.context import Context


class Received(BaseModel):
    """What became of an event of Stripe's."""

    received: bool
    applied: bool = Field(description="Whether it changed something: it may have come before")


_UPLOADED: Final = contract(
    dict.fromkeys((201, 200), upload_fmu.UploadOutput), (404, 409, 413, 422, 503), with_key=False
)
_UPLOADED["openapi_extra"]["requestBody"] = {
    "content": {"application/octet-stream": {"schema": FILE}}
}
_WEBHOOK: Final = contract({200: Received}, (400, 404, 409, 413), with_key=False)
_WEBHOOK["openapi_extra"]["requestBody"] = {
    "content": {"application/json": {"schema": {"type": "object"}}}
}


def public_router(rest: Rest) -> APIRouter:
    """Their routes."""
    router = APIRouter()
    for add in (_account_routes, _docs_routes, _upload_routes, _payment_routes):
        add(router, rest)
    return router


def _account_routes(router: APIRouter, rest: Rest) -> None:
    @router.post("/keys", **contract({201: keys.NewKeyOutput}, with_key=False))
    async def create_key(request: Request) -> Response:
        """Make an account and its first API key; the key is shown this once."""
        await allowance_of(request.scope).spend("new_keys")
        return answered(await to_thread.run_sync(keys.create, rest.gateway), status=201)


def _docs_routes(router: APIRouter, _: Rest) -> None:
    @router.get(icon.PATH, include_in_schema=False)
    async def picture() -> Response:
        """What clients show beside the gateway's name."""
        return Response(icon.SVG, media_type=icon.MEDIA_TYPE)

    @router.get("/llms.txt", **contract({200: None}, also={"text/plain": TEXT}, with_key=False))
    async def guide() -> Response:
        """How an agent uses this gateway."""
        return PlainTextResponse(llms_txt())

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        page = get_swagger_ui_html(openapi_url="/openapi.json", title="FMU Gateway")
        page.headers["Content-Security-Policy"] = docs_policy(bytes(page.body))
        return page


def _upload_routes(router: APIRouter, rest: Rest) -> None:
    @router.put("/uploads/{ticket}", **_UPLOADED)
    async def send_upload(request: Request, ticket: str) -> Response:
        """Send an FMU to a one-time address that upload_fmu gave out."""
        tickets, clock = rest.gateway.tickets, rest.gateway.clock
        await to_thread.run_sync(lambda: tickets.check(ticket, clock()))
        data = await request.body()

        def work() -> upload_fmu.UploadOutput:
            with tickets.redeemed(ticket, clock()) as account_id:
                caller = Caller(account_id, key_id=None)
                return uploading(Context(rest.gateway, caller, rest.door), data)

        return uploaded(await to_thread.run_sync(work))


def _payment_routes(router: APIRouter, rest: Rest) -> None:
    @router.post("/webhooks/stripe", **_WEBHOOK)
    async def stripe_webhook(request: Request) -> Response:
        """Stripe's events; the signature is checked."""
        raw, signature = await request.body(), request.headers.get("stripe-signature", "")

        def work() -> bool:
            return rest.gateway.payments.handle_webhook(raw, signature, rest.gateway.clock())

        return JSONResponse({"received": True, "applied": await to_thread.run_sync(work)})

    @router.get(payment_pages.SUCCESS_PATH, include_in_schema=False)
    async def success(session_id: str = "") -> Response:
        receipt = await to_thread.run_sync(rest.gateway.payments.receipt, session_id)
        return payment_pages.success(receipt)

    @router.get(payment_pages.CANCEL_PATH, include_in_schema=False)
    async def cancelled() -> Response:
        return payment_pages.cancelled()

    @router.get(payment_pages.LINKED_PATH, include_in_schema=False)
    async def linked() -> Response:
        return payment_pages.linked()
