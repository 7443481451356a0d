"""Tool `account`: balance and usage; and for people the keys behind it."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway_payments import accounts
from gateway_payments.money import Money
from gateway_payments.usage import Usage
from gateway_tools.context import Context, Gateway
from gateway_tools.pay import BalanceView
from gateway_tools.tool import Tool

NAME: Final = "account"
DESCRIPTION: Final = """\
Show this account: prepaid balance, what runs cost here and how they can be paid, and the latest
runs with model, time, work and price. Free. Use it before spending, or to tell the user what was
spent. Example: {"limit": 5}."""


class AccountInput(BaseModel):
    """How much of the usage to show."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 10
    cursor: str | None = Field(default=None, max_length=300, description="From next_cursor")


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
    limits: dict[str, float] = Field(description="Of one simulation")


class KeyView(BaseModel):
    """What may be shown of an API key."""

    key_id: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


class KeysOutput(BaseModel):
    """The account's keys."""

    keys: list[KeyView]


class NewKeyInput(BaseModel):
    """A name for the new key."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(default="", max_length=100)


class NewKeyOutput(BaseModel):
    """A fresh key, shown this once."""

    key: str
    key_id: str
    account_id: str


def handle(context: Context, request: AccountInput) -> AccountOutput:
    """Balance, offers and the latest runs."""
    gateway, usage = context.gateway, list_usage(context, request)
    balance, *others = gateway.payments.balance(context.account_id)
    return AccountOutput(
        account_id=context.account_id,
        balance=_balance(balance),
        other_balances=[_balance(money) for money in others],
        offers=list(gateway.payments.offers_enabled),
        limits={
            "simulation_timeout_s": gateway.timeout_s,
            "memory_mb": gateway.memory_mb,
            "output_points": gateway.run_limits.output_points,
        },
        usage=usage.usage,
        next_cursor=usage.next_cursor,
    )


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


def create(gateway: Gateway) -> NewKeyOutput:
    """A new account and its first key (`POST /keys`)."""
    with gateway.database.write() as db:
        return _new_key(accounts.create_account(db, gateway.clock()))


def list_keys(context: Context) -> KeysOutput:
    """The account's keys (`GET /account/keys`)."""
    with context.gateway.database.read() as db:
        keys = accounts.list_keys(db, context.account_id)
    return KeysOutput(
        keys=[
            KeyView(
                key_id=key.key_id,
                label=key.label,
                created_at=key.created_at,
                revoked_at=key.revoked_at,
            )
            for key in keys
        ]
    )


def add_key(context: Context, request: NewKeyInput) -> NewKeyOutput:
    """Another key for the same account (`POST /account/keys`)."""
    with context.gateway.database.write() as db:
        return _new_key(accounts.add_key(db, context.account_id, request.label, context.now))


def revoke_key(context: Context, key_id: str) -> None:
    """Make a key worthless from now on (`DELETE /account/keys/{key_id}`)."""
    with context.gateway.database.write() as db:
        accounts.revoke_key(db, context.account_id, key_id, context.now)


def _new_key(new: accounts.NewKey) -> NewKeyOutput:
    return NewKeyOutput(key=new.key, key_id=new.key_id, account_id=new.account_id)


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
    read_only=True,
    idempotent=True,
)
