"""Tool `account`: balance, what may be spent, and usage."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway_payments import accounts, budgets
from gateway_payments.money import Money
from gateway_payments.usage import Usage
from gateway_tools.context import Context
from gateway_tools.keys import BudgetView, budget_view
from gateway_tools.pay import BalanceView
from gateway_tools.tool import Tool

NAME: Final = "account"
DESCRIPTION: Final = """\
Show balance, auto_pay, what this key may still spend, latest runs with their price. Free.
Example: {"limit": 5}."""


class AccountInput(BaseModel):
    """How much of the usage to show."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 10
    cursor: str | None = Field(default=None, max_length=300)


class UsageView(BaseModel):
    """One run."""

    run_id: str
    at: datetime
    key_id: str | None
    fmu_id: str
    outcome: str
    duration_ms: float | None
    work_units: int
    offer: str | None = Field(description="How it was paid; null: it was free")
    price: float
    price_micros: int
    currency: str


class UsagePage(BaseModel):
    """Some runs, newest first."""

    usage: list[UsageView]
    next_cursor: str | None


class AccountOutput(UsagePage):
    """The account."""

    account_id: str
    balance: BalanceView = Field(description="Prepaid credits in the currency of the prices")
    other_balances: list[BalanceView] = Field(description="Credits in other currencies")
    offers: list[str] = Field(description="Ways to pay here; empty: runs are free")
    auto_pay: str | None = Field(
        description="The offer that pays for runs without asking; null: each is asked for"
    )
    linked: bool = Field(description="Whether a Stripe customer agreed to be invoiced (metered)")
    free_runs_left: int | None = Field(description="Today (UTC); null: none are given here")
    budget: BudgetView | None = Field(description="What this key may spend; null: no limit")
    limits: dict[str, float] = Field(description="Of one simulation")


def handle(context: Context, request: AccountInput) -> AccountOutput:
    """Balance, offers and the latest runs."""
    gateway, usage = context.gateway, list_usage(context, request)
    balance, *others = gateway.payments.balance(context.account_id)
    paying, budget = _spending(context)
    return AccountOutput(
        account_id=context.account_id,
        balance=_balance(balance),
        other_balances=[_balance(money) for money in others],
        offers=list(gateway.payments.offers_enabled),
        auto_pay=paying.auto_pay,
        linked=paying.linked,
        free_runs_left=gateway.payments.free_runs_left(context.account_id, context.now),
        budget=budget,
        limits={
            "simulation_timeout_s": gateway.timeout_s,
            "memory_mb": gateway.memory_mb,
            "output_points": gateway.run_limits.output_points,
        },
        usage=usage.usage,
        next_cursor=usage.next_cursor,
    )


def _spending(context: Context) -> tuple[accounts.Paying, BudgetView | None]:
    """How the account pays, and what the caller's key may spend."""
    caller = context.caller
    with context.gateway.database.read() as db:
        paying = accounts.paying(db, caller.account_id)
        budget = budgets.find_budget(db, caller.key_id)
        if budget is None or caller.key_id is None:
            return paying, None
        return paying, budget_view(budgets.standing(db, caller.key_id, budget, context.now))


def list_usage(context: Context, request: AccountInput) -> UsagePage:
    """The account's runs, newest first (REST's `GET /usage`)."""
    page = context.gateway.payments.usage(context.account_id, request.cursor, request.limit)
    return UsagePage(usage=[_usage(row) for row in page.rows], next_cursor=page.next_cursor)


def usage_csv(page: UsagePage) -> str:
    """The page as CSV, one line a run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(UsageView.model_fields))
    writer.writeheader()
    writer.writerows(row.model_dump(mode="json") for row in page.usage)
    return text.getvalue()


def _balance(money: Money) -> BalanceView:
    return BalanceView(
        amount=money.amount, amount_micros=money.amount_micros, currency=money.currency
    )


def _usage(row: Usage) -> UsageView:
    return UsageView(
        run_id=row.run_id,
        at=row.created_at,
        key_id=row.key_id,
        fmu_id=row.model_id,
        outcome=row.outcome,
        duration_ms=row.duration_ms,
        work_units=row.work_units,
        offer=row.offer,
        price=row.price.amount,
        price_micros=row.price.amount_micros,
        currency=row.price.currency,
    )


TOOL: Final = Tool(
    name=NAME,
    title="Account",
    description=DESCRIPTION,
    input=AccountInput,
    output=AccountOutput,
    handle=handle,
    tells=("balance", "budget", "usage"),
    read_only=True,
    idempotent=True,
)
