"""Budgets, free runs, the outbox, how an account pays, and money that goes back."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from gateway_storage.base import UtcDateTime

revision: Final = "0003"
down_revision: Final = "0002"

_PAYMENT_STATES: Final = (
    "state IN ('begun', 'open', 'processing', 'paid', 'expired', 'failed', 'mismatched', "
    "'dismissed', 'disputed', 'refunded')"
)
_ENTITLEMENT_STATES: Final = "state IN ('issued', 'reserved', 'captured', 'exhausted', 'returned')"


def upgrade() -> None:
    """Add columns, tables and states."""
    _accounts()
    _payments()
    _entitlements()
    _budgets()
    _reversals()
    op.create_table(
        "free_runs",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name="ck_free_runs_used"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_free_runs_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("account_id", "day", name="pk_free_runs"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("first_tried_at", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'stuck', 'dismissed')", name="ck_outbox_state"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"], unique=False)


def _accounts() -> None:
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("auto_pay", sa.String(), nullable=True))
        table.add_column(sa.Column("stripe_customer_id", sa.String(), nullable=True))
        table.add_column(sa.Column("linked_at", UtcDateTime(), nullable=True))
        table.create_unique_constraint("uq_accounts_stripe_customer_id", ["stripe_customer_id"])
        table.create_check_constraint("ck_accounts_auto_pay", "auto_pay IN ('credits', 'metered')")


def _payments() -> None:
    with op.batch_alter_table("payments") as table:
        table.add_column(sa.Column("key_id", sa.String(), nullable=True))
        table.add_column(sa.Column("details", sa.JSON(), nullable=True))
        table.add_column(sa.Column("ask_at", UtcDateTime(), nullable=True))
        table.create_foreign_key("fk_payments_key_id_api_keys", "api_keys", ["key_id"], ["id"])
        table.drop_constraint("ck_payments_state", type_="check")
        table.create_check_constraint("ck_payments_state", _PAYMENT_STATES)
    op.create_index("ix_payments_state_ask_at", "payments", ["state", "ask_at"], unique=False)
    op.execute("UPDATE payments SET ask_at = created_at WHERE state IN ('open', 'processing')")


def _entitlements() -> None:
    with op.batch_alter_table("entitlements") as table:
        table.add_column(sa.Column("returns_to", sa.String(), nullable=True))
        table.add_column(
            sa.Column("our_faults", sa.BigInteger(), nullable=False, server_default="0")
        )
        table.drop_constraint("ck_entitlements_state", type_="check")
        table.create_check_constraint("ck_entitlements_state", _ENTITLEMENT_STATES)


def _reversals() -> None:
    op.create_table(
        "reversals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_reversals_amount"),
        sa.CheckConstraint("kind IN ('refund', 'dispute')", name="ck_reversals_kind"),
        sa.CheckConstraint("state IN ('open', 'taken', 'undone')", name="ck_reversals_state"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_reversals_payment_id_payments"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reversals"),
    )
    op.create_index("ix_reversals_payment_id", "reversals", ["payment_id"], unique=False)


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("per_run_micros", sa.BigInteger(), nullable=True),
        sa.Column("per_day_micros", sa.BigInteger(), nullable=True),
        sa.Column("per_month_micros", sa.BigInteger(), nullable=True),
        sa.Column("offers", sa.JSON(), nullable=True),
        sa.CheckConstraint("per_run_micros >= 0", name="ck_budgets_per_run"),
        sa.CheckConstraint("per_day_micros >= 0", name="ck_budgets_per_day"),
        sa.CheckConstraint("per_month_micros >= 0", name="ck_budgets_per_month"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_budgets_key_id_api_keys"),
        sa.PrimaryKeyConstraint("key_id", name="pk_budgets"),
    )
    op.create_table(
        "spending",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micros >= 0", name="ck_spending_amount"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_spending_key_id_api_keys"),
        sa.PrimaryKeyConstraint("key_id", "period", name="pk_spending"),
    )
