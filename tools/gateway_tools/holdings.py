"""Use case of `GET /metrics`: what the database holds, counted. Amounts are in millionths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, TextClause, text

from gateway_storage.database import Database

_PAYMENTS: Final = text("""
    SELECT provider, state, currency, COUNT(*), SUM(amount_micros) FROM payments
    GROUP BY provider, state, currency
""")
_RIGHTS: Final = text("""
    SELECT offer, state, currency, COUNT(*), SUM(amount_micros) FROM entitlements
    GROUP BY offer, state, currency
""")
_LETTERS: Final = text("SELECT state, COUNT(*) FROM outbox GROUP BY state")
_MODELS: Final = text("SELECT COUNT(*), COALESCE(SUM(size_bytes), 0) FROM models")


@dataclass(frozen=True, slots=True)
class Amount:
    """Rows of one offer, state and currency, and their sum."""

    offer: str
    state: str
    currency: str
    count: int
    micros: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """What there is at one moment. `letters`: to Stripe, by state."""

    payments: tuple[Amount, ...]
    entitlements: tuple[Amount, ...]
    letters: dict[str, int]
    models: int
    model_bytes: int


def holdings(database: Database) -> Holdings:
    """Count, while others go on."""
    with database.read() as db:
        models, model_bytes = db.execute(_MODELS).one()
        return Holdings(
            payments=_amounts(db, _PAYMENTS),
            entitlements=_amounts(db, _RIGHTS),
            letters={state: count for state, count in db.execute(_LETTERS)},  # noqa: C416
            models=models,
            model_bytes=int(model_bytes),
        )


def _amounts(db: Connection, query: TextClause) -> tuple[Amount, ...]:
    return tuple(
        Amount(offer, state, currency, count, int(micros))
        for offer, state, currency, count, micros in db.execute(query)
    )
