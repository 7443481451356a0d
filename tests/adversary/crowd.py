"""One process of a crowd: ten threads that all want the same money, at the same moment.

What is settled twice, or not at all, shows in the tally; whatever isn't one of our own refusals is
a leak.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from payments.world import priced

from gateway_payments.accounts import Caller
from gateway_payments.exceptions import PaymentError
from gateway_payments.quotes import Priced
from gateway_payments.service import Payments
from gateway_payments.settings import PaymentSettings
from gateway_storage.database import Database

THREADS = 10
ROUNDS = 3  # how often each thread does each thing
LONGEST_S = 120


@dataclass(frozen=True, slots=True)
class Scene:
    """What a crowd fights about, made before it comes. The clock stands still."""

    url: str
    settings: PaymentSettings
    now: datetime
    rich: Caller  # pays by credits, when it is asked
    auto: Caller  # by credits, unasked
    linked: Caller  # on the meter
    limited: Caller  # a key with a budget
    idle: Caller  # has nothing but free runs
    tokens: tuple[str, ...]
    running: tuple[str, ...]
    webhooks: tuple[tuple[str, bytes, str], ...]  # name, body, signature
    cards: tuple[tuple[Caller, str], ...]  # who has paid this quote by card
    disputes: tuple[tuple[bytes, str], ...]  # of each second one of these, opened and won


@dataclass
class Tally:
    """Who won what, how often; what was refused; what should never have been seen."""

    won: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Tally) -> Self:
        for mine, theirs in (
            (self.won, other.won),
            (self.refused, other.refused),
            (self.done, other.done),
            (self.leaked, other.leaked),
        ):
            mine.update(theirs)
        return self


def process(scene: Scene, number: int) -> Tally:
    """Ten threads, each with its work in an order of its own."""
    database = Database(scene.url)
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [
            threads.submit(_thread, scene, database, number * THREADS + n) for n in range(THREADS)
        ]
        total = Tally()
        for each in asked:
            total += each.result(LONGEST_S)
    database.close()
    return total


def _thread(scene: Scene, database: Database, number: int) -> Tally:
    one = _One(scene, database, number)
    todo: list[Callable[[], object]] = [
        one.buy, one.run_unasked, one.run_metered, one.run_limited, one.run_free,
        one.spend_a_token, one.settle_a_run, one.hear_a_webhook, one.send_letters, one.reconcile,
        one.run_what_a_card_paid, one.refund_a_card, one.hear_of_a_dispute,
    ]  # fmt: skip
    todo *= ROUNDS
    one.random.shuffle(todo)
    for act in todo:
        one.tally.done[act.__name__] += 1
        try:
            act()
        except PaymentError as error:
            one.tally.refused[f"{act.__name__}: {type(error).__name__}"] += 1
        except Exception as error:  # noqa: BLE001  whatever it is must not reach a caller
            one.tally.leaked[f"{act.__name__}: {type(error).__name__}: {error}"[:300]] += 1
    return one.tally


class _One:
    """One thread."""

    def __init__(self, scene: Scene, database: Database, number: int) -> None:
        self.scene, self.database = scene, database
        self.payments = Payments(database, scene.settings)
        self.random, self.tally = random.Random(number), Tally()  # noqa: S311  not a secret
        self._number, self._runs = number, 0
        self._turns: Counter[str] = Counter()

    def buy(self) -> None:
        """Quote, pay, claim again, run: of some requests everybody wants the same quote."""
        caller, now = self.scene.rich, self.scene.now
        wanted = priced(f"{self.random.randrange(200):064d}")
        quote = self.payments.quote(caller.account_id, wanted, now)
        paid = self.payments.pay(caller, quote_id=quote.id, offer="credits", now=now)
        again = self.payments.pay(caller, quote_id=quote.id, now=now)
        assert paid.payment_token == again.payment_token, "two tokens for one payment"
        run_id = self._admit(caller, wanted, token=paid.payment_token)
        if run_id and self._end(run_id):
            self.tally.won[f"quote {quote.id}"] += 1

    def run_unasked(self) -> None:
        run_id = self._admit(self.scene.auto)
        if run_id:
            self._end(run_id)

    def run_metered(self) -> None:
        run_id = self._admit(self.scene.linked)
        if run_id:
            self._end(run_id)

    def run_limited(self) -> None:
        run_id = self._admit(self.scene.limited)
        if run_id:
            self._capture(run_id)

    def run_free(self) -> None:
        run_id = self._admit(self.scene.idle)
        if run_id:
            self._capture(run_id)
            self.tally.won["free"] += 1

    def spend_a_token(self) -> None:
        number = self._next("token") % len(self.scene.tokens)
        run_id = self._admit(self.scene.rich, token=self.scene.tokens[number])
        if run_id:
            self._capture(run_id)
            self.tally.won[f"token {number}"] += 1

    def settle_a_run(self) -> None:
        run_id = self.scene.running[self._next("run") % len(self.scene.running)]
        settle = self._capture if self.random.random() < 0.5 else self._release
        if settle(run_id):
            self.tally.won[f"settled {run_id}"] += 1

    def hear_a_webhook(self) -> None:
        turn = self._next("webhook") % len(self.scene.webhooks)
        name, body, signature = self.scene.webhooks[turn]
        if self.payments.handle_webhook(body, signature, self.scene.now):
            self.tally.won[name] += 1

    def run_what_a_card_paid(self) -> None:
        caller, quote_id = self.random.choice(self.scene.cards)
        run_id = self._admit(caller, quote=quote_id)
        if run_id:
            self._end(run_id)

    def refund_a_card(self) -> None:
        _, quote_id = self.random.choice(self.scene.cards[1::2])
        self.payments.refund_any(quote_id, "asked for", self.scene.now)
        self.tally.won[f"refund {quote_id}"] += 1

    def hear_of_a_dispute(self) -> None:
        body, signature = self.random.choice(self.scene.disputes)
        self.payments.handle_webhook(body, signature, self.scene.now)

    def send_letters(self) -> None:
        self.tally.won["letters"] += self.payments.send_letters(self.scene.now)

    def reconcile(self) -> None:
        self.tally.won["letters"] += self.payments.reconcile(self.scene.now).sent

    def _next(self, kind: str) -> int:
        """A number that threads share out among themselves: each one comes ten times in all."""
        self._turns[kind] += 1
        return self._number * ROUNDS + self._turns[kind]

    def _admit(
        self,
        caller: Caller,
        wanted: Priced | None = None,
        *,
        token: str | None = None,
        quote: str | None = None,
    ) -> str | None:
        self._runs += 1
        run_id = f"res_{self._number}_{self._runs}"
        with self.database.write() as db:
            admitted = self.payments.admit(
                db,
                caller,
                run_id,
                wanted or priced(),
                payment_token=token,
                quote_id=quote,
                now=self.scene.now,
            )
        if admitted and caller == self.scene.limited and admitted.offer:
            self.tally.won["limited"] += 1
        return run_id if admitted else None

    def _end(self, run_id: str) -> bool:
        """Deliver most runs, fail the others; whether it was delivered."""
        delivered = self.random.random() < 0.7
        settled = (self._capture if delivered else self._release)(run_id)
        assert settled, "somebody else settled a run of mine"
        return delivered

    def _capture(self, run_id: str) -> bool:
        with self.database.write() as db:
            return self.payments.capture(db, run_id, self.scene.now, 1.0) is not None

    def _release(self, run_id: str) -> bool:
        fault = self.random.random() < 0.2
        with self.database.write() as db:
            settled = self.payments.release(db, run_id, self.scene.now, 1.0, models_fault=fault)
        return settled is not None
