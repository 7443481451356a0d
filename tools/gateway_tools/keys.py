"""The account's API keys and what each may spend: for people, over REST only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_payments import accounts, budgets, ownership
from gateway_payments.budgets import Budget, Standing
from gateway_payments.exceptions import BudgetCurrencyError
from gateway_payments.money import MICROS
from gateway_payments.oauth_grants import Asked
from gateway_tools.context import Context, Gateway

Amount = Annotated[float, Field(strict=True, ge=0, le=1e9)]


class BudgetInput(BaseModel):
    """What a key may spend by itself, in the currency of the prices; absent or null: no limit."""

    model_config = ConfigDict(extra="forbid")

    per_run: Amount | None = Field(default=None, description="Most that one run may cost")
    per_day: Amount | None = Field(default=None, description="Of a day in UTC")
    per_month: Amount | None = Field(default=None, description="Of a calendar month in UTC")
    currency: str | None = Field(default=None, max_length=3, description="Must be the prices'")
    offers: list[Literal["stripe_checkout", "credits", "metered", "x402"]] | None = Field(
        default=None, max_length=10, description="Ways to pay that it may use; null: all"
    )


class ChangeInput(BudgetInput):
    """A key's new budget in place of its old one, or how the account pays, or both."""

    key_id: str | None = Field(default=None, max_length=100, description="Default: this key")
    auto_pay: Literal["credits", "metered"] | None = Field(
        default=None, description="Pay the account's runs so without asking; absent: as it was"
    )


class BudgetView(BaseModel):
    """A key's limits and what is spent of them; null: no limit."""

    per_run: float | None
    per_day: float | None
    per_month: float | None
    currency: str
    offers: list[str] | None = Field(description="Ways to pay that it may use; null: all")
    spent_today: float
    spent_this_month: float
    left_today: float | None
    left_this_month: float | None
    day_ends: datetime
    month_ends: datetime


class ChangeOutput(BaseModel):
    """How it is now."""

    key_id: str
    budget: BudgetView | None = Field(description="Of that key; null: it has none")
    auto_pay: str | None = Field(description="Of the account; null: it is asked each time")


class KeyView(BaseModel):
    """What may be shown of an API key."""

    key_id: str
    label: str
    created_at: datetime
    revoked_at: datetime | None
    budget: BudgetView | None


class KeysOutput(BaseModel):
    """The account's keys."""

    keys: list[KeyView]


class NewKeyInput(BaseModel):
    """A name for the new key, and what it may spend."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(default="", max_length=100)
    budget: BudgetInput | None = Field(default=None, description="null: no limits")


class NewKeyOutput(BaseModel):
    """A fresh key, shown this once."""

    key: str
    key_id: str
    account_id: str


def create(gateway: Gateway) -> NewKeyOutput:
    """A new account and its first key (`POST /keys`)."""
    with gateway.database.write() as db:
        return _new_key(accounts.create_account(db, gateway.clock()))


def list_keys(context: Context) -> KeysOutput:
    """The account's keys (`GET /account/keys`)."""
    with context.gateway.database.read() as db:
        keys = accounts.list_keys(db, context.account_id)
        limited = budgets.standings(db, context.account_id, context.now)
    return KeysOutput(
        keys=[
            KeyView(
                key_id=key.key_id,
                label=key.label,
                created_at=key.created_at,
                revoked_at=key.revoked_at,
                budget=budget_view(limited.get(key.key_id)),
            )
            for key in keys
        ]
    )


def add_key(context: Context, request: NewKeyInput) -> NewKeyOutput:
    """Another key for the same account, limited from its first moment (`POST /account/keys`)."""
    budget = _budget(context, request.budget) if request.budget else None
    with context.gateway.database.write() as db:
        new = ownership.add_key(db, context.caller, request.label, budget, context.now)
    return _new_key(new)


def let_in(context: Context, asked: Asked, request: BudgetInput) -> str | None:
    """Let a program act for the account, within a budget of its own; its authorization code.

    The caller agreed on the sign-in page. None: the program isn't registered any more. Raises
    LimitedKeyError.
    """
    budget = _budget(context, request)
    with context.gateway.database.write() as db:
        return ownership.let_in(db, context.caller, asked, budget, context.now)


def revoke_key(context: Context, key_id: str) -> None:
    """Make a key worthless from now on (`DELETE /account/keys/{key_id}`).

    Raises LimitedKeyError, UnknownKeyError, LastUnlimitedKeyError.
    """
    with context.gateway.database.write() as db:
        ownership.revoke_key(db, context.caller, key_id, context.now)


def change_budget(context: Context, request: ChangeInput) -> ChangeOutput:
    """Limit a key, take its limits away, or let runs be paid unasked (`PUT /account/budget`)."""
    caller, now = context.caller, context.now
    key_id = (caller.key_id or "") if request.key_id is None else request.key_id
    budget = _budget(context, request)
    with context.gateway.database.write() as db:
        ownership.change_budget(db, caller, key_id, budget)
        if "auto_pay" in request.model_fields_set:
            offers = context.gateway.payments.offers_enabled
            ownership.change_auto_pay(db, caller, request.auto_pay, offers)
        auto_pay = accounts.paying(db, caller.account_id).auto_pay
        standing = None if budget is None else budgets.standing(db, key_id, budget, now)
    return ChangeOutput(key_id=key_id, budget=budget_view(standing), auto_pay=auto_pay)


def budget_view(standing: Standing | None) -> BudgetView | None:
    """A budget as its account sees it."""
    if standing is None:
        return None
    budget = standing.budget
    return BudgetView(
        per_run=_units(budget.per_run_micros),
        per_day=_units(budget.per_day_micros),
        per_month=_units(budget.per_month_micros),
        currency=budget.currency,
        offers=None if budget.offers is None else list(budget.offers),
        spent_today=standing.day_micros / MICROS,
        spent_this_month=standing.month_micros / MICROS,
        left_today=_left(budget.per_day_micros, standing.day_micros),
        left_this_month=_left(budget.per_month_micros, standing.month_micros),
        day_ends=standing.day_ends,
        month_ends=standing.month_ends,
    )


def _budget(context: Context, request: BudgetInput) -> Budget | None:
    """The limits asked for; None where none is."""
    currency = context.gateway.payments.currency
    if request.currency is not None and request.currency.lower() != currency:
        raise BudgetCurrencyError(request.currency, currency)
    asked = Budget(
        currency,
        per_run_micros=_micros(request.per_run),
        per_day_micros=_micros(request.per_day),
        per_month_micros=_micros(request.per_month),
        offers=None if request.offers is None else tuple(dict.fromkeys(request.offers)),
    )
    return None if asked == Budget(currency) else asked


def _micros(amount: float | None) -> int | None:
    return None if amount is None else round(amount * MICROS)


def _units(micros: int | None) -> float | None:
    return None if micros is None else micros / MICROS


def _left(most: int | None, spent: int) -> float | None:
    return None if most is None else max(0, most - spent) / MICROS


def _new_key(new: accounts.NewKey) -> NewKeyOutput:
    return NewKeyOutput(key=new.key, key_id=new.key_id, account_id=new.account_id)
