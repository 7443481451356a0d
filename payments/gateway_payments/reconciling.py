"""Reconciling: what a crash, a lost webhook or a lost answer left is put right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway_payments import refunds
from gateway_payments.ways import Ways
from gateway_storage.database import Database


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was put right: refunds begun, letters arrived, payments found to be paid."""

    refunded: int
    sent: int
    paid: int


def send_letters(ways: Ways, now: datetime) -> int:
    """Tell Stripe and the chain what waits to be told, some of it; how much arrived."""
    told = ways.stripe.letters.send(now) if ways.stripe else 0
    return told + (ways.x402.send_refunds(now) if ways.x402 else 0)


def reconcile(database: Database, ways: Ways, now: datetime) -> Reconciled:
    """Put right some of it; the next call goes on. Several processes may do this at any time."""
    refunded = refunds.due(database, now)
    sent = send_letters(ways, now)
    paid = ways.stripe.checkout.catch_up(now) if ways.stripe else 0
    settled = ways.x402.reconcile(now) if ways.x402 else 0
    return Reconciled(refunded=refunded, sent=sent, paid=paid + settled)
