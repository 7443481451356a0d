"""What must hold in a life of payments: our books, the model's numbers, and the outside's books."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from payments.life.token import TILL
from sqlalchemy import Row, text

from gateway_payments.audit import audit
from gateway_payments.reversals import CERTAIN

if TYPE_CHECKING:
    from payments.life.machine import Life
    from payments.life.model import Run

CENT = 10_000
METERED_CENTS = 7
FORGOTTEN_S = 23 * 3600 - 120  # less what the clock may have gone back
STUCK = "no letter to the outside waits for an operator"
DOUBT = "no payment waits for an operator"


@dataclass
class Books:
    """Our side, as it is written down."""

    payments: list[Row[Any]]
    rights: list[Row[Any]]
    letters: dict[str, str]
    balances: dict[tuple[str, str], int]
    findings: list[str]

    def certain(self, provider: str) -> list[Row[Any]]:
        return [p for p in self.payments if p.provider == provider and p.state in CERTAIN]


def after_each_step(life: Life) -> Books:
    books = _read(life)
    for finding in books.findings:
        rule, _, row = finding.rpartition(": ")
        if rule == STUCK:
            assert _may_be_stuck(life, books, row), f"{row} is stuck"
        elif rule == DOUBT:
            assert _may_be_doubtful(life, books, row), f"{row} is in doubt"
        else:
            raise AssertionError(finding)
    _require_money_came_in(life, books)
    _require_one_run_for_each_payment(life, books)
    _require_few_free_runs(life)
    _require_credits(life, books)
    _require_budgets(life, books)
    _require_told_once(life)
    return books


def in_the_end(life: Life) -> None:
    """Everything has settled: ours and the outside's books say the same."""
    books = after_each_step(life)
    assert not [run for run in life.runs.values() if run.state in {"running", "orphan"}]
    unheard = {event["id"] for event in life.stripe.events} - life.heard - life.lost
    assert not unheard
    assert "waiting" not in books.letters.values()
    _require_nothing_missed(life, books)
    _require_back_on_the_chain(life, books)
    _require_metered_counted(life, books)
    _require_same_as_stripe(life, books)


def _read(life: Life) -> Books:
    with life.world.database.read() as db:
        held = db.execute(text("SELECT account_id, role, balance_micros FROM ledger_accounts"))
        return Books(
            payments=list(db.execute(text("SELECT * FROM payments"))),
            rights=list(db.execute(text("SELECT * FROM entitlements"))),
            letters={r[0]: r[1] for r in db.execute(text("SELECT id, state FROM outbox"))},
            balances={(r[0], r[1]): r[2] for r in held},
            findings=audit(db),
        )


def _may_be_stuck(life: Life, books: Books, letter: str) -> bool:
    """Whether something happened that a machine cannot put right."""
    what, _, name = letter.partition(":")
    if what == "meter":
        run = life.runs[name]
        waited = life.world.now.timestamp() - run.ended
        return _was_unlinked(life, run) or (waited > FORGOTTEN_S and life.troubled)
    payment = next(p for p in books.payments if p.id == name.partition(":")[0])
    if payment.provider == "x402":
        return False
    intent = life.stripe.sessions[payment.external_id]["payment_intent"]
    disputed = any(d["payment_intent"] == intent for d in life.stripe.disputes.values())
    others = [
        r
        for r in life.stripe.refunds.values()
        if r["payment_intent"] == intent
        and (r["metadata"].get("letter") != letter or r["status"] == "failed")
    ]
    return disputed or bool(others)


def _may_be_doubtful(life: Life, books: Books, payment_id: str) -> bool:
    payment = next(p for p in books.payments if p.id == payment_id)
    if payment.provider != "x402" or payment.state != "processing":
        return False
    use = life.outside.token.used.get(_nonce(payment))
    expires_at = datetime.fromisoformat(payment.expires_at).replace(tzinfo=UTC)
    over = expires_at + timedelta(minutes=8) <= life.world.now
    return (over and life.troubled) or (use is not None and use.to not in {TILL, None})


def _require_money_came_in(life: Life, books: Books) -> None:
    """Nothing counts as paid that isn't paid outside, to the cent."""
    for payment in books.certain("stripe_checkout"):
        session = life.stripe.sessions[payment.external_id]
        assert (session["status"], session["payment_status"]) == ("complete", "paid")
        assert session["metadata"]["payment_id"] == payment.id
        assert session["amount_total"] * CENT == payment.amount_micros
    for payment in books.certain("x402"):
        use = life.outside.token.used[_nonce(payment)]
        assert (use.to, use.value) == (TILL, payment.amount_micros)


def _require_one_run_for_each_payment(life: Life, books: Books) -> None:
    bought = Counter(right.payment_id for right in books.rights)
    paid = [p.id for p in books.payments if p.state in CERTAIN and p.quote_id is not None]
    assert bought == Counter(paid), "a payment has bought another number of runs than one"
    by_state = {"captured": "delivered", "exhausted": "exhausted"}
    ended = {
        (right.run_id, by_state.get(right.state, "going"), right.amount_micros)
        for right in books.rights
        if right.run_id is not None
    }
    meant = {
        (run_id, "going" if run.state in {"running", "orphan"} else run.state, run.micros)
        for run_id, run in life.runs.items()
        if run.offer and run.state != "failed"
    }
    assert ended == meant, "what was delivered or is owed is not what was paid for"
    for account in life.accounts:
        mine = account.caller.account_id
        earned = sum(run.micros for run in _charged(life) if run.caller.account_id == mine)
        assert books.balances.get((mine, "revenue"), 0) == earned


def _require_few_free_runs(life: Life) -> None:
    taken = Counter(
        (run.caller.account_id, run.began)
        for run in life.runs.values()
        if run.offer is None and (run.state != "failed" or run.models_fault)
    )
    assert all(runs <= life.world.settings.free_runs_per_day for runs in taken.values())


def _require_credits(life: Life, books: Books) -> None:
    """What was given and bought, less what was spent, and what went back of what was bought."""
    returned = {
        right.payment_id
        for right in books.rights
        if right.state == "returned" and right.returns_to != "x402"
    }
    for account in life.accounts:
        mine = account.caller.account_id
        of_mine = [p for p in books.payments if p.account_id == mine and p.state in CERTAIN]
        packs = [p for p in of_mine if p.quote_id is None]
        due = account.granted + sum(p.amount_micros for p in packs)
        for payment in of_mine:
            if payment.provider == "credits" and payment.id not in returned:
                due -= payment.amount_micros
            if payment.provider == "x402" and payment.id in returned:
                due += payment.amount_micros
        less = sum(min(p.amount_micros, _ever_gone(life, p)) for p in packs)
        held = books.balances.get((mine, "credits"), 0)
        assert max(0, due - less) <= held <= due, f"{held} credits where {due} are due"


def _require_budgets(life: Life, books: Books) -> None:
    limits = {10: 2_500_000, 7: 4_000_000}  # a day, a month: the first letters of its date
    spent: Counter[tuple[str, str]] = Counter()
    for payment in books.payments:
        counts = payment.state not in {"failed", "expired", "refunded"}
        if payment.key_id and payment.provider != "stripe_checkout" and counts:
            for length in limits:
                spent[payment.key_id, payment.created_at[:length]] += payment.amount_micros
    for (key_id, period), micros in spent.items():
        if any(p.key_id == key_id and p.account_id == _limited(life) for p in books.payments):
            assert micros <= limits[len(period)], f"{micros} spent in {period}"


def _require_told_once(life: Life) -> None:
    counted = Counter(event["identifier"] for event in life.stripe.meter_events)
    for event in life.stripe.meter_events:
        run = life.runs[event["identifier"]]
        assert run.offer == "metered"
        assert run.state in {"delivered", "exhausted"}
        assert int(event["payload"]["value"]) * METERED_CENTS * CENT == run.micros
    assert all(times == 1 for times in counted.values()), "a run was counted twice"
    asked = Counter(refund["metadata"].get("letter") for refund in life.stripe.refunds.values())
    assert all(times == 1 for letter, times in asked.items() if letter), "refunded twice"


def _require_nothing_missed(life: Life, books: Books) -> None:
    """All that was paid outside is known here, and what isn't, is over."""
    state = {payment.id: payment.state for payment in books.payments}
    for session in life.stripe.sessions.values():
        if session["mode"] == "payment" and session["payment_status"] == "paid":
            assert state[session["metadata"]["payment_id"]] in CERTAIN, "paid and not known"
    for payment in books.payments:
        if payment.provider == "x402":
            use = life.outside.token.used.get(_nonce(payment))
            if use and use.to == TILL:
                assert payment.state in CERTAIN, f"paid on the chain and {payment.state}"
            elif use is None or use.to is None:
                assert payment.state == "failed", f"{payment.state} for ever"
        elif payment.state == "processing":
            session = life.stripe.sessions[payment.external_id]
            assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
        else:
            assert payment.state in CERTAIN | {"failed", "expired"}


def _require_back_on_the_chain(life: Life, books: Books) -> None:
    """What went back that way, and nothing else, is with who paid, to the cent."""
    paid = {payment.id: payment for payment in books.certain("x402")}
    due = Counter(
        (_nonce(paid[right.payment_id])[0], right.amount_micros)
        for right in books.rights
        if right.state == "returned" and right.returns_to == "x402"
    )
    used = life.outside.token.used.items()
    assert due == Counter((use.to, use.value) for (payer, _), use in used if payer == TILL)


def _require_metered_counted(life: Life, books: Books) -> None:
    counted = {event["identifier"] for event in life.stripe.meter_events}
    for run_id, run in life.runs.items():
        if run.offer == "metered" and run.state in {"delivered", "exhausted"}:
            assert run_id in counted or books.letters[f"meter:{run_id}"] == "stuck"


def _require_same_as_stripe(life: Life, books: Books) -> None:
    """What is with the payers, as Stripe has it, and what we have asked it to send there."""
    for account in life.accounts:
        mine, net = account.caller.account_id, 0
        for payment in books.certain("stripe_checkout"):
            if payment.account_id == mine:
                net += payment.amount_micros - _gone(life, books, payment)
        assert books.balances.get((mine, "stripe"), 0) == -net


def _gone(life: Life, books: Books, payment: Row[Any]) -> int:
    asked = books.letters.get(f"refund:{payment.id}")
    back = _back(life, payment, final=True)
    if asked is None:
        return min(int(payment.amount_micros), back)
    owed = any(name.startswith(f"owed:{payment.id}:") for name in books.letters)
    if asked == "sent" and not owed:
        assert back >= payment.amount_micros, "a refund that is called sent is not with its payer"
    return int(payment.amount_micros)


def _ever_gone(life: Life, payment: Row[Any]) -> int:
    return _back(life, payment, final=False)


def _back(life: Life, payment: Row[Any], *, final: bool) -> int:
    intent = life.stripe.sessions[payment.external_id]["payment_intent"]
    made = [r for r in life.stripe.refunds.values() if r["payment_intent"] == intent]
    taken = [d for d in life.stripe.disputes.values() if d["payment_intent"] == intent]
    back = [int(r["amount"]) for r in made if not final or r["status"] == "succeeded"]
    back += [int(d["amount"]) for d in taken if not final or d["status"] != "won"]
    return sum(back) * CENT


def _charged(life: Life) -> list[Run]:
    return [run for run in life.runs.values() if run.state in {"delivered", "exhausted"}]


def _was_unlinked(life: Life, run: Run) -> bool:
    return any(a.unlinked for a in life.accounts if a.caller.account_id == run.caller.account_id)


def _limited(life: Life) -> str:
    return next(a.caller.account_id for a in life.accounts if a.budget)


def _nonce(payment: Row[Any]) -> tuple[str, str]:
    payer, nonce = payment.external_id.split(":")[-2:]
    return payer, nonce
