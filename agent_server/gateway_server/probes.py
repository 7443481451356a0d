"""What an operator's machines ask: whether the gateway lives, can work, and what it has done."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway_server.contract import contract
from gateway_server.metrics import Metrics
from gateway_server.readiness import ReadinessProbe
from gateway_simulation.solvers import available_engines, shortcomings
from gateway_storage.database import RestartNeededError
from gateway_tools.context import Gateway
from gateway_tools.exceptions import MetricsTokenError

_BEARER: Final = "bearer "


class Health(BaseModel):
    """What the gateway is."""

    status: Literal["ok", "restart_needed"]
    reason: str | None = Field(default=None, description="Why it must be started again")
    version: str
    engines: list[str] = Field(description="That run models")
    shortcomings: list[str]
    sandbox: str = Field(description="The tier that runs get")
    payments: list[str] = Field(description="Ways to pay; empty: runs are free")
    library_models: int
    time: datetime = Field(description="By the server's clock, which is the one that counts")


class Ready(BaseModel):
    """Whether requests can be taken."""

    status: Literal["ready", "unavailable"]
    checks: dict[str, Literal["ok", "failing"]] = Field(
        description="database, storage, sandbox and disk"
    )


def probe_router(gateway: Gateway, probe: ReadinessProbe) -> APIRouter:
    """`/health` and `/ready`: open to all, and so without anything private."""
    router = APIRouter()

    @router.get("/health", **contract({200: Health, 503: Health}, with_key=False))
    async def health() -> Response:
        """Whether the process is well, and what it runs models with; 503: restart it."""
        told = health_of(gateway)
        return JSONResponse(told, status_code=200 if told["status"] == "ok" else 503)

    @router.get("/ready", **contract({200: Ready, 503: Ready}, with_key=False))
    async def ready() -> Response:
        """Whether it can take requests: database, storage, sandbox and disk; else 503."""
        found = await probe.look()
        return JSONResponse(found.told, status_code=200 if found.ready else 503)

    return router


def metrics_router(metrics: Metrics, token: str) -> APIRouter:
    """`/metrics`, for whoever has METRICS_TOKEN."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def show(request: Request) -> Response:
        """All counts, in Prometheus' text format."""
        given = request.headers.get("authorization", "")
        if not _is_bearer(given, token):
            raise MetricsTokenError
        text = await to_thread.run_sync(metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def health_of(gateway: Gateway) -> dict[str, Any]:
    """What `GET /health` says; it waits for nothing."""
    return {
        **_wellness(gateway),
        "version": gateway.version,
        "engines": list(available_engines()),
        "shortcomings": list(shortcomings()),
        "sandbox": sandbox_of(gateway),
        "payments": list(gateway.payments.offers_enabled),
        "library_models": len(gateway.catalogue.cards),
        "time": datetime.now(UTC).isoformat(),
    }


def _wellness(gateway: Gateway) -> dict[str, str]:
    """Ill is only what a restart cures; that a database elsewhere is silent, `/ready` says."""
    try:
        gateway.database.require_writable()
    except RestartNeededError as error:
        return {"status": "restart_needed", "reason": str(error)}
    return {"status": "ok"}


def sandbox_of(gateway: Gateway) -> str:
    """The tier that runs get, `none` where nothing is run."""
    tier = gateway.simulator.last_tier
    return "none" if tier is None else tier.name.lower()


def _is_bearer(header: str, token: str) -> bool:
    if not header.lower().startswith(_BEARER):
        return False
    return hmac.compare_digest(header[len(_BEARER) :].strip().encode(), token.encode())
