"""`fmu-gateway ledger audit`: the audit as a person, or a program, reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway_payments.audit import Finding
from gateway_server.settings import Settings, SettingsError, database_url, without_password
from gateway_storage.database import Database, DatabaseUnavailableError
from gateway_storage.migrate import OtherSchemaError
from gateway_tools.ledger_audit import Audit, Total, audit_ledger


def audited(settings: Settings) -> Audit:
    """Audit the settings' database, which is only read: never made, never migrated.

    Raises:
        SettingsError: there is none, or it is at another schema.

    """
    try:
        with existing_database(database_url(settings)) as database:
            return audit_ledger(database, datetime.now(UTC))
    except (DatabaseUnavailableError, OtherSchemaError) as error:
        raise SettingsError([f"DATABASE_URL: {without_password(str(error))}"]) from error


def lines(audit: Audit) -> Iterator[str]:
    """The audit for a person: rules, books, counts, and the verdict last."""
    for finding in audit.findings:
        yield _line(finding)
    yield ""
    for total in audit.totals:
        yield f"{total.role:10} {total.balance!s:>20}  in {total.books} books"
    yield f"transfers  {audit.transfers:>16}"
    for table, counts in audit.counts.items():
        yield f"{table:12} " + (", ".join(f"{n} {state}" for state, n in counts.items()) or "none")
    if audit.waiting_since:
        yield f"the oldest letter waits since {audit.waiting_since:%Y-%m-%d %H:%M:%S} UTC"
    broken = sum(1 for finding in audit.findings if finding.violations)
    yield ""
    yield f"{broken} of {len(audit.findings)} rules are broken" if broken else "every rule holds"


def as_json(audit: Audit) -> str:
    """The audit for a program."""
    told = {
        "sound": audit.sound,
        "at": audit.at.isoformat(),
        "rules": [
            {"rule": f.rule, "violations": f.violations, "first": f.first} for f in audit.findings
        ],
        "totals": [_total(total) for total in audit.totals],
        "transfers": audit.transfers,
        "counts": audit.counts,
        "waiting_since": audit.waiting_since and audit.waiting_since.isoformat(),
    }
    return json.dumps(told, indent=1)


@contextmanager
def existing_database(url: str) -> Iterator[Database]:
    """The database at `url`, which is not made. Raises DatabaseUnavailableError."""
    _, _, path = url.partition(":///")
    if url.startswith("sqlite") and not Path(path).is_file():
        message = f"there is no file {path}"
        raise DatabaseUnavailableError(message)
    database = Database(url)
    try:
        database.require_answer()
        yield database
    finally:
        database.close()


def _line(finding: Finding) -> str:
    if not finding.violations:
        return f"ok    {finding.rule}"
    more = ", ..." if finding.violations > len(finding.first) else ""
    return f"FAIL  {finding.rule}: {finding.violations} ({', '.join(finding.first)}{more})"


def _total(total: Total) -> dict[str, object]:
    return {
        "role": total.role,
        "currency": total.balance.currency,
        "books": total.books,
        "balance_micros": total.balance.amount_micros,
    }
