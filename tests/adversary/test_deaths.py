"""kill -9 at each point named in docs/payments.md: afterwards one delivered run, or the right back.

`-rP` prints the crash table: what the database said right after the death, and at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from adversary.shop import REQUEST, Shop, stripe_process
from conftest import WEBHOOK_SECRET, running_gateway
from fmus import compiled

from gateway_server import background

pytestmark = pytest.mark.adversary


@dataclass(frozen=True, slots=True)
class Death:
    """Where it dies. `life`: what was done until then; `after`: what the client does."""

    place: str
    when: str
    life: Callable[[Shop, Death], None]
    after: Callable[[Shop], None]
    says: dict[str, dict[str, int]]  # the database, right after


def _asks_for_a_page(shop: Shop, death: Death) -> None:
    shop.dies(death.place, death.when, lambda url: shop.post("/simulate", REQUEST, url))


def _person_pays(shop: Shop) -> None:
    """Asks again, has a person pay, claims without any webhook, runs."""
    need = shop.ask("/simulate", REQUEST)
    shop.known["session"] = need["session_id"]
    mine = [s for s in shop.at_stripe()["sessions"].values() if _is_of(s, need["quote_id"])]
    assert [s["id"] for s in mine] == [need["session_id"]], "two pages for one quote"
    _pay_on_the_page(shop)
    _claim_and_run(shop)


def _is_of(session: dict[str, Any], quote_id: str) -> bool:
    return bool(session["client_reference_id"] == quote_id)


def _pay_on_the_page(shop: Shop) -> None:
    url = f"{shop.stripe}/control/sessions/{shop.known['session']}/complete"
    shop.known["event"] = json.dumps(httpx.post(url, json={}).json()["event"])


def _claim_and_run(shop: Shop) -> None:
    token = shop.ask("/pay", {"session_id": shop.known["session"]})["payment_token"]
    assert shop.ask("/simulate", {"payment_token": token})["result_id"]
    assert shop.ask("/simulate", {"payment_token": token})["code"] == "payment_token_spent"


def _hears_the_webhook(shop: Shop, death: Death) -> None:
    shop.known["session"] = shop.ask("/simulate", REQUEST)["session_id"]
    _pay_on_the_page(shop)
    shop.dies(death.place, death.when, shop.webhook)


def _webhook_again(shop: Shop) -> None:
    again = shop.webhook()
    assert again
    assert again.status_code == 200
    _claim_and_run(shop)


def _no_webhook_again(shop: Shop) -> None:
    _claim_and_run(shop)


def _quotes(shop: Shop) -> None:
    shop.give_credits()
    shop.known["quote"] = shop.ask("/quotes", REQUEST)["quote_id"]


def _pays_by_credits(shop: Shop, death: Death) -> None:
    _quotes(shop)
    paying = {"quote_id": shop.known["quote"], "offer": "credits"}
    shop.dies(death.place, death.when, lambda url: shop.post("/pay", paying, url))


def _pays_again(shop: Shop) -> None:
    paid = shop.ask("/pay", {"quote_id": shop.known["quote"], "offer": "credits"})
    assert paid["status"] == "paid"
    assert shop.ask("/simulate", {"quote_id": shop.known["quote"]})["result_id"]
    assert shop.ask("/simulate", {"quote_id": shop.known["quote"]})["code"] == "payment_token_spent"


def _runs(shop: Shop, death: Death) -> None:
    _quotes(shop)
    shop.ask("/pay", {"quote_id": shop.known["quote"], "offer": "credits"})
    shop.dies(death.place, death.when, lambda url: shop.post("/simulate", _run(shop), url))


def _run(shop: Shop) -> dict[str, Any]:
    return {"quote_id": shop.known["quote"], "idempotency_key": "once"}


def _runs_again(shop: Shop) -> None:
    first, again = shop.ask("/simulate", _run(shop)), shop.ask("/simulate", _run(shop))
    assert first["result_id"] == again["result_id"]


def _runs_a_model_that_spins(shop: Shop, death: Death) -> None:
    shop.give_credits()
    files = {"file": ("spins.fmu", compiled.fmu("spins"))}
    with shop.healthy.http(shop.where) as http:
        spins = http.post("/fmus", files=files).json()["id"]
    quote = shop.ask("/quotes", {"fmu_id": spins, "stop_time": 1.0})["quote_id"]
    shop.known["quote"] = quote
    shop.ask("/pay", {"quote_id": quote, "offer": "credits"})
    shop.dies(death.place, death.when, lambda url: shop.post("/simulate", {"quote_id": quote}, url))


def _runs_another(shop: Shop) -> None:
    token = shop.ask("/pay", {"quote_id": shop.known["quote"]})["payment_token"]
    assert shop.ask("/simulate", {**REQUEST, "payment_token": token})["result_id"]


def _runs_on_the_meter(shop: Shop, death: Death) -> None:
    shop.link()
    asked = {**REQUEST, "idempotency_key": "once"}
    shop.dies(death.place, death.when, lambda url: shop.post("/simulate", asked, url))


def _was_counted_once(shop: Shop) -> None:
    asked = {**REQUEST, "idempotency_key": "once"}
    result = shop.ask("/simulate", asked)["result_id"]
    shop.keep_up()
    events = shop.at_stripe()["meter_events"]
    (usage,) = [u for u in shop.read("/usage")["usage"] if u["outcome"] == "delivered"]
    assert [e["identifier"] for e in events].count(usage["run_id"]) == 1
    assert usage["run_id"] == result


def _tells_the_meter(shop: Shop, death: Death) -> None:
    shop.link()
    assert shop.ask("/simulate", {**REQUEST, "idempotency_key": "once"})["result_id"]
    shop.upkeep_dies(death.place, death.when)


def _refunds(shop: Shop, death: Death) -> None:
    need = shop.ask("/simulate", REQUEST)
    shop.known |= {"session": need["session_id"], "quote": need["quote_id"]}
    _pay_on_the_page(shop)
    shop.ask("/pay", {"session_id": shop.known["session"]})
    system = shop.healthy.embedded.gateway
    system.payments.refund_any(shop.known["quote"], "asked for", system.clock())
    shop.upkeep_dies(death.place, death.when)


def _was_refunded_once(shop: Shop) -> None:
    stripe = shop.at_stripe()
    intent = stripe["sessions"][shop.known["session"]]["payment_intent"]
    back = [r["amount"] for r in stripe["refunds"].values() if r["payment_intent"] == intent]
    assert back == [100]
    assert shop.ask("/simulate", {"quote_id": shop.known["quote"]})["code"] == "payment_returned"


_CHECKOUT = "gateway_payments.providers.stripe_checkout:StripeCheckout"
_BEGUN = {"payments": {"begun": 1}}
_OPEN = {"payments": {"open": 1}}
_ISSUED = {"payments": {"paid": 1}, "rights": {"issued": 1}, "transfers": {"pay": 1}}
_HELD = {**_ISSUED, "rights": {"reserved": 1}, "runs": {"running": 1}}
_SPENT = {
    "payments": {"paid": 1},
    "rights": {"captured": 1},
    "runs": {"done": 1},
    "transfers": {"capture": 1, "pay": 1},
}
_TO_TELL = {**_SPENT, "letters": {"waiting": 1}}
_GOING_BACK = {
    "payments": {"refunded": 1},
    "rights": {"returned": 1},
    "transfers": {"pay": 1, "refund": 1, "withdraw": 1},
    "letters": {"waiting": 1},
}
DEATHS = {
    "before a Checkout session is created": Death(
        f"{_CHECKOUT}._open_session", "before", _asks_for_a_page, _person_pays, _BEGUN
    ),
    "a session is created, its id not noted": Death(
        "gateway_payments.payments:move", "before", _asks_for_a_page, _person_pays, _BEGUN
    ),
    "its id is noted, the answer lost": Death(
        f"{_CHECKOUT}._open_session", "after", _asks_for_a_page, _person_pays, _OPEN
    ),
    "paid, before the webhook is read": Death(
        f"{_CHECKOUT}.heed", "before", _hears_the_webhook, _no_webhook_again, _OPEN
    ),
    "inside the webhook's transaction": Death(
        "gateway_payments.settlement:close_quote",
        "after",
        _hears_the_webhook,
        _webhook_again,
        _OPEN,
    ),
    "after the webhook's transaction": Death(
        f"{_CHECKOUT}.heed", "after", _hears_the_webhook, _webhook_again, _ISSUED
    ),
    "inside the transaction that pays by credits": Death(
        "gateway_payments.providers.instant:close_quote", "after", _pays_by_credits, _pays_again, {}
    ),
    "paid by credits, the answer lost": Death(
        "gateway_payments.providers.instant:Instant.begin",
        "after",
        _pays_by_credits,
        _pays_again,
        _ISSUED,
    ),
    "inside T1": Death("gateway_runs.records:begin", "after", _runs, _runs_again, _ISSUED),
    "after T1, before the run": Death(
        "gateway_tools.simulate:_run", "before", _runs, _runs_again, _HELD
    ),
    "while the model runs": Death(
        "gateway_simulation.runner:Simulator.run",
        "amid",
        _runs_a_model_that_spins,
        _runs_another,
        _HELD,
    ),
    "the result is stored, before T2": Death(
        "gateway_tools.simulate:deliver", "before", _runs, _runs_again, _HELD
    ),
    "inside T2": Death(
        "gateway_payments.service:Payments.capture", "after", _runs, _runs_again, _HELD
    ),
    "after T2, before the answer": Death(
        "gateway_tools.simulate:deliver", "after", _runs, _runs_again, _SPENT
    ),
    "after T2, before Stripe's meter is told": Death(
        "gateway_tools.simulate:deliver", "after", _runs_on_the_meter, _was_counted_once, _TO_TELL
    ),
    "the meter's letter is taken, not sent": Death(
        "gateway_payments.courier:Courier._try",
        "before",
        _tells_the_meter,
        _was_counted_once,
        _TO_TELL,
    ),
    "the meter is told, that not noted": Death(
        "gateway_payments.outbox:sent", "before", _tells_the_meter, _was_counted_once, _TO_TELL
    ),
    "the refund's letter is taken, not sent": Death(
        "gateway_payments.courier:Courier._try",
        "before",
        _refunds,
        _was_refunded_once,
        _GOING_BACK,
    ),
    "Stripe has refunded, that not noted": Death(
        "gateway_payments.outbox:sent", "before", _refunds, _was_refunded_once, _GOING_BACK
    ),
}


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Shop]]:
    """Makes shops: accounts of one healthy gateway, whose own upkeep stays out of the way."""
    folder = tmp_path_factory.mktemp("deaths")
    with stripe_process() as stripe, pytest.MonkeyPatch.context() as patched:
        patched.setattr(background, "_EVERY_S", 3600)
        environment = {
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": "sk_test_gateway",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe,
            "STRIPE_SUCCESS_URL": "http://shop.example/?session_id={CHECKOUT_SESSION_ID}",
            "STRIPE_CANCEL_URL": "http://shop.example/",
            "GATEWAY_SECRET": "0" * 32,
            "PAYMENT_OFFERS": "stripe_checkout,credits,metered",
        }
        with running_gateway(folder, environment, None) as healthy:
            yield lambda name: Shop(healthy, stripe, folder / name)


@pytest.mark.parametrize("point", DEATHS)
def test_killed_there_it_delivers_once_or_gives_the_right_back(
    gateways: Callable[[str], Shop], point: str, tmp_path: Path
) -> None:
    shop, death = gateways(tmp_path.name), DEATHS[point]
    death.life(shop, death)
    before = _some(shop.state())
    assert shop.audit() == []
    assert before == death.says
    shop.keep_up()
    death.after(shop)
    shop.keep_up()
    after = _some(shop.state())
    assert shop.audit() == []
    if death.after is _was_refunded_once:
        assert after == {**_GOING_BACK, "letters": {"sent": 1}}
    else:
        assert after["rights"] == {"captured": 1}
        assert after["transfers"] == {"pay": 1, "capture": 1}
        assert after["runs"]["done"] == 1
    print(f"| {point} | {_told(before)} | {_told(after)} |")  # noqa: T201


def _some(state: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {table: counts for table, counts in state.items() if counts}


def _told(state: dict[str, dict[str, int]]) -> str:
    return (
        "; ".join(
            f"{table} " + ", ".join(f"{n} {what}" for what, n in counts.items())
            for table, counts in state.items()
        )
        or "nothing"
    )
