"""A small world to pay in: a database, a Stripe account, a clock that only tests move."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from stripe_standin.server import signed
from stripe_standin.sessions import Stripe

from gateway_payments.accounts import Caller, create_account, set_auto_pay
from gateway_payments.admission import Admission, Settled
from gateway_payments.audit import audit
from gateway_payments.budgets import Budget, Period, set_budget, spent
from gateway_payments.ledger import grant_credits
from gateway_payments.money import Money
from gateway_payments.quotes import Priced, Quote
from gateway_payments.requirement import PaymentStatus
from gateway_payments.service import Payments
from gateway_payments.settings import PaymentSettings, StripeSettings
from gateway_storage.base import Base
from gateway_storage.database import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_test"  # noqa: S105
DOLLAR = Money(1_000_000, "usd")


def stripe_settings(api_base: str) -> StripeSettings:
    return StripeSettings(
        secret_key="sk_test_x",  # noqa: S106
        webhook_secret=WEBHOOK_SECRET,
        success_url="http://gateway/payments/success?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://gateway/payments/cancel",
        api_base=api_base,
    )


def priced(sha: str = "a" * 64, work_units: int = 903, result: str | None = None) -> Priced:
    request = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "sha": sha}
    return Priced(request, sha, "msl:BouncingBall", work_units, result)


@dataclass
class World:
    database: Database
    stripe: Stripe
    settings: PaymentSettings
    now: datetime = NOW
    _runs: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.stripe.clock = self._time
        self.payments = Payments(self.database, self.settings)
        self.ada = self.caller()
        self.eve = self.caller()

    @classmethod
    def at(cls, folder: Path, stripe: Stripe, *offers: str) -> World:
        return cls.on(Database(f"sqlite:///{folder}/gateway.sqlite3"), stripe, *offers)

    @classmethod
    def on(cls, database: Database, stripe: Stripe, *offers: str) -> World:
        """A world on any empty database."""
        Base.metadata.create_all(database.engine)
        settings = PaymentSettings(
            secret=b"0" * 32, offers=offers, stripe=stripe_settings(stripe.base_url)
        )
        return cls(database, stripe, settings)

    def restart(self, **changes: Any) -> None:  # noqa: ANN401  any setting
        """A new process on the same database, maybe with other settings."""
        self.settings = replace(self.settings, **changes)
        self.payments = Payments(self.database, self.settings)

    def _time(self) -> float:
        return self.now.timestamp()

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def caller(self) -> Caller:
        with self.database.write() as db:
            key = create_account(db, self.now)
        return Caller(key.account_id, key.key_id)

    def limit(self, caller: Caller, budget: Budget | None) -> None:
        assert caller.key_id
        with self.database.write() as db:
            set_budget(db, caller.key_id, budget)

    def spent(self, caller: Caller) -> dict[Period, int]:
        assert caller.key_id
        with self.database.read() as db:
            return spent(db, caller.key_id, self.now)

    def auto_pay(self, caller: Caller, offer: str | None) -> None:
        with self.database.write() as db:
            set_auto_pay(db, caller.account_id, offer)

    def grant(self, caller: Caller, money: Money = DOLLAR, name: str = "welcome") -> None:
        with self.database.write() as db:
            grant_credits(db, caller.account_id, f"{name}:{caller.account_id}", money, self.now)

    def quote(self, caller: Caller, wanted: Priced | None = None) -> Quote:
        return self.payments.quote(caller.account_id, wanted or priced(), self.now)

    def pay(self, caller: Caller, quote: Quote, offer: str | None = None) -> PaymentStatus:
        return self.payments.pay(caller, quote_id=quote.id, offer=offer, now=self.now)

    def claim(self, caller: Caller, session_id: str | None) -> PaymentStatus:
        return self.payments.pay(caller, session_id=session_id, now=self.now)

    def open_session(self, caller: Caller, quote: Quote) -> str:
        session_id = self.pay(caller, quote, "stripe_checkout").session_id
        assert session_id
        return session_id

    def token(self, caller: Caller, wanted: Priced | None = None) -> str:
        """A token bought with credits given for the purpose."""
        self.grant(caller, name=f"gift {next(self._runs)}")
        bearer = self.pay(caller, self.quote(caller, wanted), "credits").payment_token
        assert bearer
        return bearer

    def webhook(self, event: dict[str, Any]) -> bool:
        body, signature = signed(event, WEBHOOK_SECRET, self.now.timestamp())
        return self.payments.handle_webhook(body, signature, self.now)

    def admit(
        self,
        caller: Caller,
        wanted: Priced | None = None,
        *,
        token: str | None = None,
        quote: str | None = None,
    ) -> Admission | None:
        run_id = f"res_{next(self._runs)}"
        with self.database.write() as db:
            return self.payments.admit(
                db,
                caller,
                run_id,
                wanted or priced(),
                payment_token=token,
                quote_id=quote,
                now=self.now,
            )

    def start(self, caller: Caller, *, token: str | None = None, quote: str | None = None) -> str:
        admission = self.admit(caller, token=token, quote=quote)
        assert admission
        return admission.run_id

    def capture(self, run_id: str) -> Settled | None:
        with self.database.write() as db:
            return self.payments.capture(db, run_id, self.now, 12.5)

    def release(self, run_id: str, *, models_fault: bool = False) -> Settled | None:
        with self.database.write() as db:
            return self.payments.release(db, run_id, self.now, 3.0, models_fault=models_fault)

    def credits(self, caller: Caller) -> int:
        return sum(money.amount_micros for money in self.payments.balance(caller.account_id))

    @contextmanager
    def plans(self) -> Iterator[dict[str, str]]:
        """How SQLite goes about each statement that is made meanwhile, values included."""
        asked: list[str] = []
        plans: dict[str, str] = {}

        def note(connection: Any, *_: object) -> None:  # noqa: ANN401  the driver's own
            connection.set_trace_callback(asked.append)

        event.listen(self.database.engine, "checkout", note)
        yield plans
        event.remove(self.database.engine, "checkout", note)
        with self.database.read() as db:
            driver: Any = db.connection.dbapi_connection
            driver.set_trace_callback(None)
            for sql in asked:
                if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                    plans[sql] = str(driver.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())

    def audit(self) -> list[str]:
        with self.database.read() as db:
            return audit(db)
