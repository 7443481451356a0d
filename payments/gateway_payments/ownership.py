"""What only whoever owns an account may do: its keys, their budgets, and how it pays by itself.

A key with a budget may do none of it. Each of these takes the account's row first, so that two
changes at once see each other: two keys can't limit one another, nor both become the last.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from gateway_payments import accounts, budgets, oauth_clients, oauth_grants
from gateway_payments.accounts import ApiKeyRow, Caller, NewKey
from gateway_payments.budgets import Budget, BudgetRow
from gateway_payments.exceptions import (
    LastUnlimitedKeyError,
    NotLinkedError,
    OfferUnavailableError,
)
from gateway_payments.oauth_grants import Asked, OAuthGrantRow

AUTOMATIC = ("credits", "metered")  # offers that need nobody to agree


def add_key(
    db: Connection, caller: Caller, label: str, budget: Budget | None, now: datetime
) -> NewKey:
    """Make another key, from its first moment within `budget`.

    Raises LimitedKeyError, UnknownAccountError, InvalidTextError.
    """
    budgets.require_unlimited(db, caller)
    new = accounts.add_key(db, caller.account_id, label, now)
    if budget is not None:
        budgets.set_budget(db, new.key_id, budget)
    return new


def let_in(
    db: Connection, caller: Caller, asked: Asked, budget: Budget | None, now: datetime
) -> str | None:
    """Let a program act for the account, by a key that it doesn't see; its authorization code.

    None where the program isn't registered any more. Raises LimitedKeyError.
    """
    client = oauth_clients.find(db, asked.client_id)
    if client is None:
        return None
    new = add_key(db, caller, f"{client.name} (OAuth)", budget, now)
    oauth_clients.used(db, client.client_id, now)
    return oauth_grants.begin(db, new.key_id, asked, now)


def revoke_key(db: Connection, caller: Caller, key_id: str, now: datetime) -> None:
    """Make a key worthless from now on.

    Whoever revokes the last good key closes the account. The last one without a budget goes only
    after those that have one: nobody could revoke these any more. Where it leaked, a new one is
    made first. Raises LimitedKeyError, UnknownKeyError, LastUnlimitedKeyError.
    """
    budgets.require_unlimited(db, caller)
    accounts.revoke_key(db, caller.account_id, key_id, now)
    managed = caller.key_id is None or _unlimited(db, caller.account_id)
    if not managed and _good(db, caller.account_id):
        raise LastUnlimitedKeyError(key_id)


def change_budget(db: Connection, caller: Caller, key_id: str, budget: Budget | None) -> None:
    """Give a key of the account this budget, or none.

    Raises LimitedKeyError, UnknownKeyError, and LastUnlimitedKeyError where nobody could take the
    budget away again.
    """
    budgets.require_unlimited(db, caller)
    accounts.require_key(db, caller.account_id, key_id)
    budgets.set_budget(db, key_id, budget)
    if budget is not None and not _unlimited(db, caller.account_id):
        raise LastUnlimitedKeyError(key_id)


def change_auto_pay(
    db: Connection, caller: Caller, offer: str | None, enabled: tuple[str, ...]
) -> None:
    """Let the account's runs be paid by `offer` without asking; None: it is asked each time.

    Raises LimitedKeyError, OfferUnavailableError (not one of the gateway's `enabled` ways that need
    nobody to agree), NotLinkedError (metered, and nobody agreed to be invoiced).
    """
    budgets.require_unlimited(db, caller)
    possible = tuple(kind for kind in AUTOMATIC if kind in enabled)
    if offer is not None and offer not in possible:
        raise OfferUnavailableError(offer, possible)
    if offer == "metered" and not accounts.paying(db, caller.account_id).linked:
        raise NotLinkedError
    accounts.set_auto_pay(db, caller.account_id, offer)


def _unlimited(db: Connection, account_id: str) -> int:
    """How many keys of the account are good, have no budget, and are in somebody's hands."""
    own = ApiKeyRow.id.not_in(select(OAuthGrantRow.key_id))
    return _good(db, account_id, ApiKeyRow.id.not_in(select(BudgetRow.key_id)), own)


def _good(db: Connection, account_id: str, *which: ColumnElement[bool]) -> int:
    """How many keys of the account are good."""
    good = (ApiKeyRow.account_id == account_id, ApiKeyRow.revoked_at.is_(None), *which)
    return db.execute(select(func.count()).select_from(ApiKeyRow).where(*good)).scalar_one()
