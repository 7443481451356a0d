"""Ids of one's own in place of those that stand for them in examples: res_…, qt_…, cs_…, key_…."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

BALL: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 3}


def filled(http: httpx.Client, example: dict[str, Any]) -> dict[str, Any]:
    """The example with ids of this account in place of those that stand for them."""
    text = json.dumps(example, ensure_ascii=False)
    while "_…" in text:
        kind = text.partition("_…")[0].rpartition('"')[2]
        text = text.replace(f"{kind}_…", MAKES[kind](http), 1)
    request: dict[str, Any] = json.loads(text)
    return request


def a_result(http: httpx.Client) -> str:
    return str(http.post("/simulate", json=BALL).raise_for_status().json()["result_id"])


def a_quote(http: httpx.Client) -> str:
    return str(http.post("/quotes", json=BALL).raise_for_status().json()["quote_id"])


def a_session(http: httpx.Client) -> str:
    paying = {"quote_id": a_quote(http), "offer": "stripe_checkout"}
    return str(http.post("/pay", json=paying).raise_for_status().json()["session_id"])


def a_key(http: httpx.Client) -> str:
    return str(http.post("/account/keys").raise_for_status().json()["key_id"])


MAKES: Final = {"res": a_result, "qt": a_quote, "cs": a_session, "key": a_key}


def pay_for(http: httpx.Client, request: dict[str, Any]) -> None:
    """Pay the quote that the request names alone, with credits."""
    if "quote_id" in request:
        paying = {"quote_id": request["quote_id"], "offer": "credits"}
        http.post("/pay", json=paying).raise_for_status()
