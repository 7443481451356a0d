"""Use case of `fmu-gateway ledger audit`: prove the books, and count what is in them.

The rules about money are `gateway_payments.audit`'s; those that hold money and runs together are
here, where both are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, TextClause, text

from gateway_payments import audit, outbox
from gateway_payments.audit import Finding
from gateway_payments.money import Money
from gateway_storage.database import Database
from gateway_storage.migrate import SCHEMA, OtherSchemaError, schema_of

_WITH_RUNS: Final[dict[str, TextClause]] = {
    name: text(query)
    for name, query in {
        "a run and its usage end alike": """
            SELECT r.id FROM runs r LEFT JOIN usage u ON u.run_id = r.id
            WHERE u.run_id IS NULL OR u.outcome <> CASE r.state
                WHEN 'done' THEN 'delivered' WHEN 'expired' THEN 'delivered' WHEN 'failed'
                THEN CASE u.outcome WHEN 'exhausted' THEN 'exhausted' ELSE 'failed' END
                ELSE r.state END
        """,
        "what was admitted is a run of the same account": """
            SELECT u.run_id FROM usage u
            LEFT JOIN runs r ON r.id = u.run_id AND r.account_id = u.account_id
            WHERE r.id IS NULL
        """,
    }.items()
}
_BOOKS: Final = text("""
    SELECT role, currency, COUNT(*), SUM(balance_micros) FROM ledger_accounts
    GROUP BY role, currency ORDER BY currency, role
""")
_COUNTED: Final = {
    "payments": "state",
    "entitlements": "state",
    "usage": "outcome",
    "outbox": "state",
}


@dataclass(frozen=True, slots=True)
class Total:
    """All books of one role and currency together."""

    role: str
    books: int
    balance: Money


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found at one moment. `counts`: rows of each table by state."""

    at: datetime
    findings: tuple[Finding, ...]
    totals: tuple[Total, ...]
    transfers: int
    counts: dict[str, dict[str, int]]
    waiting_since: datetime | None

    @property
    def sound(self) -> bool:
        """Whether every rule holds."""
        return not any(finding.violations for finding in self.findings)


def audit_ledger(database: Database, now: datetime) -> Audit:
    """Look through the whole database as it is at one moment, while others go on using it.

    Raises:
        OtherSchemaError: it isn't this version's; the rules would mean nothing there.

    """
    with database.snapshot() as db:
        schema = schema_of(db)
        if schema != SCHEMA:
            raise OtherSchemaError(schema)
        return Audit(
            at=now,
            findings=audit.examine(db, {**audit.RULES, **_WITH_RUNS}),
            totals=tuple(_totals(db)),
            transfers=db.execute(text("SELECT COUNT(*) FROM transfers")).scalar_one(),
            counts={table: _counted(db, table, by) for table, by in _COUNTED.items()},
            waiting_since=outbox.waiting_since(db),
        )


def _totals(db: Connection) -> list[Total]:
    return [
        Total(role, books, Money(int(micros), currency))
        for role, currency, books, micros in db.execute(_BOOKS)
    ]


def _counted(db: Connection, table: str, column: str) -> dict[str, int]:
    by = f"SELECT {column}, COUNT(*) FROM {table} GROUP BY {column} ORDER BY {column}"  # noqa: S608  our own names
    return {state: count for state, count in db.execute(text(by))}  # noqa: C416  rows, not pairs
