"""The whole life of payments, in any order, among adversaries: a machine for Hypothesis.

Whatever goes wrong outside (see `Outside`), and wherever the process dies, after every step the
books agree with the model and with the outside's own books; `judge.py` says how.
"""

from __future__ import annotations

import gc
import logging
import time

import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    rule,
    run_state_machine_as_test,
)
from payments.life.judge import after_each_step, in_the_end
from payments.life.model import (
    HOW,
    OFFERS,
    SHAS,
    TROUBLE,
    WHO,
)
from payments.life.runs import Runs

STEPS = 40


class Life(Runs):
    """All of it, looked at after each step and in the end."""

    @rule(
        who=WHO,
        sha=st.sampled_from(SHAS),
        offer=st.sampled_from(OFFERS),
        how=HOW,
        trouble=TROUBLE,
    )
    def from_quote_to_result(
        self, who: int, sha: str, offer: str, how: str | None, trouble: list[str]
    ) -> None:
        """All that it takes, in one go."""
        self.quote(who, sha)
        match offer:
            case "x402":
                self.sign(0, 3000, trouble, send=True)
            case "stripe_checkout":
                self.buy_by_card(0, trouble, slow=False)
                self.news_in_order(1, trouble)
            case _:
                self.pay(0, offer, trouble)
        before = len(self.runs)
        self.run_by_quote(0)
        if how and len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)

    @rule(
        who=WHO,
        sha=st.sampled_from(SHAS),
        how=st.sampled_from(["ours", "theirs"]),
        calm=st.integers(0, 8),
        trouble=TROUBLE,
    )
    def fail_what_the_chain_paid(
        self, who: int, sha: str, how: str, calm: int, trouble: list[str]
    ) -> None:
        """And have the money sent back, in spite of all trouble after a few calm calls."""
        self.quote(who, sha)
        self.sign(0, 3000, [], send=True)
        before = len(self.runs)
        self.run_by_quote(0)
        if len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)
        self.send_letters(["well"] * calm + trouble)

    @rule(trouble=TROUBLE)
    def reconcile(self, trouble: list[str]) -> None:
        with self.process(trouble):
            self.world.payments.reconcile(self.world.now)

    @rule(trouble=TROUBLE)
    def send_letters(self, trouble: list[str]) -> None:
        with self.process(trouble):
            self.world.payments.send_letters(self.world.now)

    @invariant()
    def all_is_well(self) -> None:
        if self.accounts:
            after_each_step(self)

    def teardown(self) -> None:
        try:
            if self.accounts:
                self._settle_down()
                in_the_end(self)
        finally:
            self.world.payments.close()
            self.world.database.engine.dispose()
            self.around.close()

    def _settle_down(self) -> None:
        """The adversaries tire; whatever was to come comes, and time passes."""
        self._restarted()
        for lasts in (0, 400, 2 * 3600, 8 * 3600, 25 * 3600, 2 * 3600):
            self.world.later(seconds=lasts)
            self.recover()
            for event in list(self.stripe.events):
                if event["id"] not in self.heard | self.lost:
                    self._hear(event)
            for _ in range(2):
                self.world.payments.reconcile(self.world.now)


class LifeOverSockets(Life):
    """As `Life`, with Stripe's stand-in behind a real connection."""

    socket = True


def live(first: int, histories: int, machine: type[Life] = Life) -> float:
    """Live so many histories from this seed on; how many seconds that took."""
    began = time.monotonic()
    chosen = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(first)(machine), settings=chosen)
    return time.monotonic() - began


def quiet() -> None:
    """Have nothing logged and little collected, for a process that lives thousands of lives."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable()
