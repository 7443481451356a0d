"""What the machine remembers of customers and runs, and what it chooses from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from payments.life.outside import FAULTS

from gateway_payments.accounts import Caller
from gateway_payments.budgets import Budget

OFFERS = ("stripe_checkout", "credits", "metered", "x402")
SHAS = ("a" * 64, "b" * 64, "c" * 64)
PACK = 500
BUDGET = Budget(
    "usd", per_run_micros=1_500_000, per_day_micros=2_500_000, per_month_micros=4 * 10**6
)
WHO = st.integers(0, 1)
TROUBLE = st.lists(st.sampled_from(FAULTS), max_size=4)  # of the next calls to the outside
HOW = st.sampled_from([None, "delivered", "delivered", "theirs", "theirs", "ours"])
WHICH = st.integers(0, 7)  # counted from the newest


@dataclass
class Run:
    """A run as the model has it: running, orphan (its process died), or how it ended."""

    caller: Caller
    sha: str
    offer: str | None
    micros: int
    began: str  # the day
    state: str = "running"
    models_fault: bool = False
    ended: float = 0.0


@dataclass
class Account:
    """What the model remembers of a customer. `purse`: its address on the chain."""

    caller: Caller
    key: str
    purse: str
    budget: Budget | None
    granted: int = 0
    unlinked: bool = False
    faults: Counter[str] = field(default_factory=Counter)


def pick(some: Any, which: int) -> Any:  # noqa: ANN401
    """The newest first: what was just made is what something should be done to."""
    return some[-1 - which % len(some)]
