"""The audit: what must hold over the whole database, whatever has happened to it.

Each rule is one query for the rows that break it. They are joins on keys and sums by group, so that
a million transfers are looked through in seconds.

That each free run was free by right is not among them: whether the service was free that day, or
how many runs it gave away, is in the settings of that day, which the database doesn't know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, TextClause, text

_SHOWN: Final = 5

RULES: Final[dict[str, TextClause]] = {
    name: text(query)
    for name, query in {
        "a balance is what came in less what went out": """
            SELECT a.id FROM ledger_accounts a
            LEFT JOIN (SELECT credit_id, SUM(amount_micros) AS micros FROM transfers
                GROUP BY credit_id) i ON i.credit_id = a.id
            LEFT JOIN (SELECT debit_id, SUM(amount_micros) AS micros FROM transfers
                GROUP BY debit_id) o ON o.debit_id = a.id
            WHERE a.balance_micros <> COALESCE(i.micros, 0) - COALESCE(o.micros, 0)
        """,
        "only the world outside is below zero": """
            SELECT id FROM ledger_accounts
            WHERE balance_micros < 0
                AND role NOT IN ('stripe', 'x402', 'metered', 'grants', 'refunded')
        """,
        "what a payment brought in is on the ledger": """
            SELECT p.id FROM payments p LEFT JOIN transfers t ON t.id = 'pay:' || p.id
            WHERE p.state IN ('paid', 'disputed', 'refunded') AND (t.id IS NULL
                OR p.amount_micros <> t.amount_micros OR p.currency <> t.currency)
        """,
        "the ledger knows of no payment that was not made": """
            SELECT t.id FROM transfers t
            LEFT JOIN payments p ON p.id = substr(t.id, 5)
                AND p.state IN ('paid', 'disputed', 'refunded')
            WHERE t.id LIKE 'pay:%' AND p.id IS NULL
        """,
        "a paid payment has bought one entitlement": """
            SELECT p.id FROM payments p LEFT JOIN entitlements e ON e.payment_id = p.id
            WHERE p.state IN ('paid', 'disputed', 'refunded') AND p.quote_id IS NOT NULL
                AND (e.id IS NULL
                    OR p.amount_micros <> e.amount_micros OR p.account_id <> e.account_id)
        """,
        "an entitlement was paid for": """
            SELECT e.id FROM entitlements e JOIN payments p ON p.id = e.payment_id
            WHERE p.state NOT IN ('paid', 'disputed', 'refunded')
        """,
        "what was spent is earned": """
            SELECT e.id FROM entitlements e
            LEFT JOIN transfers t ON t.id = CASE e.state
                WHEN 'captured' THEN 'capture:' ELSE 'exhaust:' END || e.run_id
            WHERE e.state IN ('captured', 'exhausted')
                AND (t.id IS NULL OR e.amount_micros <> t.amount_micros)
        """,
        "what was earned was spent": """
            SELECT t.id FROM transfers t
            LEFT JOIN entitlements e ON e.run_id = substr(t.id, 9) AND t.id = CASE e.state
                WHEN 'captured' THEN 'capture:' WHEN 'exhausted' THEN 'exhaust:' END || e.run_id
            WHERE t.credit_id LIKE 'revenue:%' AND e.id IS NULL
        """,
        "what is deferred is owed for entitlements not yet spent": """
            SELECT a.id FROM ledger_accounts a
            LEFT JOIN (SELECT account_id, currency, SUM(amount_micros) AS micros FROM entitlements
                WHERE state IN ('issued', 'reserved') GROUP BY account_id, currency) e
                ON e.account_id = a.account_id AND e.currency = a.currency
            WHERE a.role = 'deferred' AND a.balance_micros <> COALESCE(e.micros, 0)
        """,
        "an entitlement in use or spent names a run with the same outcome": """
            SELECT e.id FROM entitlements e LEFT JOIN usage u ON u.run_id = e.run_id
            WHERE e.run_id IS NOT NULL AND (u.run_id IS NULL OR u.outcome <>
                CASE e.state WHEN 'reserved' THEN 'running' WHEN 'captured' THEN 'delivered'
                ELSE 'exhausted' END)
        """,
        "a run that is paid for holds an entitlement until it ends": """
            SELECT u.run_id FROM usage u LEFT JOIN entitlements e ON e.run_id = u.run_id
            WHERE u.offer IS NOT NULL AND u.outcome <> 'failed' AND e.id IS NULL
        """,
        "a run that is free holds nothing and costs nothing": """
            SELECT u.run_id FROM usage u LEFT JOIN entitlements e ON e.run_id = u.run_id
            WHERE u.offer IS NULL
                AND (e.id IS NOT NULL OR u.price_micros <> 0 OR u.outcome = 'exhausted')
        """,
        "no more free runs are counted than were had": """
            SELECT f.account_id || ' ' || f.day FROM free_runs f
            LEFT JOIN (SELECT account_id, substr(CAST(created_at AS TEXT), 1, 10) AS day,
                    COUNT(*) AS runs FROM usage WHERE offer IS NULL
                GROUP BY account_id, substr(CAST(created_at AS TEXT), 1, 10)) u
                ON u.account_id = f.account_id AND u.day = f.day
            WHERE f.used > COALESCE(u.runs, 0)
        """,
        "usage shows what was charged": """
            SELECT u.run_id FROM usage u LEFT JOIN entitlements e ON e.run_id = u.run_id
            WHERE u.price_micros <> CASE WHEN u.outcome IN ('delivered', 'exhausted')
                THEN COALESCE(e.amount_micros, 0) ELSE 0 END
        """,
        "the books of a currency sum to zero": """
            SELECT currency FROM ledger_accounts GROUP BY currency HAVING SUM(balance_micros) <> 0
        """,
        "what a chain paid for names its transaction": """
            SELECT id FROM payments WHERE provider = 'x402'
                AND state IN ('paid', 'disputed', 'refunded')
                AND CAST(details AS TEXT) NOT LIKE '%"transaction": "0x%'
        """,
        "money that went back was taken from what it had bought": """
            SELECT e.id FROM entitlements e LEFT JOIN payments p ON p.id = e.payment_id
            WHERE e.state = 'returned' AND p.state NOT IN ('refunded', 'disputed')
        """,
        "a metered run that was charged is told to Stripe once": """
            SELECT u.run_id FROM usage u LEFT JOIN outbox o ON o.id = 'meter:' || u.run_id
            WHERE u.offer = 'metered' AND u.outcome IN ('delivered', 'exhausted') AND o.id IS NULL
        """,
        "Stripe's meter is told of charged runs only": """
            SELECT o.id FROM outbox o
            LEFT JOIN usage u ON u.run_id = substr(o.id, 7) AND o.id = 'meter:' || u.run_id
            WHERE o.kind = 'meter_event'
                AND (u.run_id IS NULL OR u.outcome NOT IN ('delivered', 'exhausted'))
        """,
        "what a key has spent under a budget is what its payments took": """
            SELECT s.key_id || ' ' || s.period FROM spending s
            LEFT JOIN (SELECT p.key_id, substr(CAST(p.created_at AS TEXT), 1, 10) AS day,
                    SUM(p.amount_micros) AS micros FROM payments p
                WHERE p.key_id IS NOT NULL AND p.provider <> 'stripe_checkout'
                    AND p.state NOT IN ('expired', 'failed', 'dismissed', 'refunded')
                GROUP BY p.key_id, substr(CAST(p.created_at AS TEXT), 1, 10)) t
                ON t.key_id = s.key_id AND substr(t.day, 1, length(s.period)) = s.period
            GROUP BY s.key_id, s.period, s.amount_micros
            HAVING s.amount_micros <> COALESCE(SUM(t.micros), 0)
        """,
        "what Stripe took back is on the ledger, and never more than was paid": """
            SELECT p.id FROM payments p
            JOIN (SELECT payment_id, SUM(CASE state WHEN 'undone' THEN 0 ELSE amount_micros END)
                    AS asked FROM reversals GROUP BY payment_id) r ON r.payment_id = p.id
            WHERE (CASE WHEN r.asked < p.amount_micros THEN r.asked ELSE p.amount_micros END) <>
                (SELECT COALESCE(SUM(t.amount_micros), 0) FROM reversals x
                 JOIN transfers t ON t.id = x.kind || ':' || x.id WHERE x.payment_id = p.id)
              - (SELECT COALESCE(SUM(t.amount_micros), 0) FROM reversals x
                 JOIN transfers t ON t.id = CASE x.kind
                    WHEN 'refund' THEN 'refund_failed:' ELSE 'dispute_won:' END || x.id
                 WHERE x.payment_id = p.id)
        """,
        "a card's payment says whether all of it went back": """
            SELECT p.id FROM payments p
            LEFT JOIN (SELECT payment_id, SUM(amount_micros) AS asked FROM reversals
                WHERE state <> 'undone' GROUP BY payment_id) r ON r.payment_id = p.id
            WHERE p.provider = 'stripe_checkout' AND p.state IN ('paid', 'disputed', 'refunded')
                AND (p.state = 'paid') <> (COALESCE(r.asked, 0) < p.amount_micros)
        """,
        "money went back only of what was paid": """
            SELECT r.id FROM reversals r JOIN payments p ON p.id = r.payment_id
            WHERE p.state NOT IN ('paid', 'disputed', 'refunded')
        """,
        "a right is good only while its money is here": """
            SELECT e.id FROM entitlements e JOIN payments p ON p.id = e.payment_id
            WHERE e.state = 'issued' AND p.state IN ('disputed', 'refunded')
        """,
        "a refund of ours is asked for": """
            SELECT r.id FROM reversals r LEFT JOIN outbox o ON o.id = 'refund:' || r.payment_id
            WHERE r.id = r.payment_id AND o.id IS NULL
        """,
        "what goes back on a chain is sent, once": """
            SELECT t.id FROM transfers t LEFT JOIN outbox o ON o.id = 'refund:' || substr(t.id, 11)
            WHERE t.id LIKE 'give_back:%' AND t.credit_id LIKE 'x402:%' AND o.id IS NULL
        """,
        "nothing is sent back on a chain that wasn't booked": """
            SELECT o.id FROM outbox o LEFT JOIN transfers t ON t.credit_id LIKE 'x402:%'
                AND t.id = 'give_back:' || substr(o.id, 8)
            WHERE o.kind = 'x402_refund' AND t.id IS NULL
        """,
        "who pays by the meter has a customer at Stripe that agreed": """
            SELECT id FROM accounts WHERE (auto_pay = 'metered' OR linked_at IS NOT NULL)
                AND (linked_at IS NULL OR stripe_customer_id IS NULL)
        """,
        "no letter to the outside waits for an operator": """
            SELECT id FROM outbox WHERE state = 'stuck'
        """,
        "no payment waits for an operator": """
            SELECT id FROM payments WHERE state = 'mismatched'
                OR (state = 'processing' AND CAST(details AS TEXT) LIKE '%"doubt": "%')
        """,
    }.items()
}


# one statement: tests ask for it after each step of very many histories
_ALL: Final = text(
    " UNION ALL ".join(
        f"SELECT {number}, r.* FROM ({query}) r"  # noqa: S608
        for number, query in enumerate(RULES.values())
    )
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule: how many rows break it, and the ids of some of them. None is well."""

    rule: str
    violations: int
    first: tuple[str, ...]


def examine(db: Connection, rules: Mapping[str, TextClause]) -> tuple[Finding, ...]:
    """Each rule with what breaks it. All in one transaction: a snapshot, where it has to be one."""
    return tuple(_finding(db, rule, query) for rule, query in rules.items())


def audit(db: Connection) -> list[str]:
    """The rules that do not hold, each with the row that breaks it; empty when all is well."""
    rules = list(RULES)
    return [f"{rules[number]}: {row}" for number, row in db.execute(_ALL)]


def _finding(db: Connection, rule: str, query: TextClause) -> Finding:
    broken = 0
    first: list[str] = []
    for broken, row in enumerate(db.execute(query), start=1):
        if broken <= _SHOWN:
            first.append(str(row[0]))
    return Finding(rule, broken, tuple(first))
