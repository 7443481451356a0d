"""The first schema: accounts, models, quotes, payments, ledger, entitlements, runs."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from gateway_storage.base import UtcDateTime

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "models",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("blob_key", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_models"),
        sa.UniqueConstraint("id", name="uq_models_id"),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_events"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_api_keys_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"], unique=False)
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("may_overdraw", sa.Boolean(), nullable=False),
        sa.Column("balance_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "may_overdraw OR balance_micros >= 0", name="ck_ledger_accounts_balance"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_ledger_accounts_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_accounts"),
        sa.UniqueConstraint("id", "currency", name="uq_ledger_accounts_id_currency"),
    )
    op.create_index(
        "ix_ledger_accounts_account_id", "ledger_accounts", ["account_id"], unique=False
    )
    op.create_table(
        "model_owners",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_model_owners_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["models.sha256"], name="fk_model_owners_sha256_models"
        ),
        sa.PrimaryKeyConstraint("account_id", "sha256", name="pk_model_owners"),
    )
    op.create_index("ix_model_owners_sha256", "model_owners", ["sha256"], unique=False)
    op.create_table(
        "quotes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("work_units", sa.BigInteger(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("because", sa.JSON(), nullable=False),
        sa.Column("open_key", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount_micros >= 0", name="ck_quotes_amount"),
        sa.CheckConstraint("work_units >= 0", name="ck_quotes_work_units"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_quotes_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quotes"),
        sa.UniqueConstraint("open_key", name="uq_quotes_open_key"),
    )
    op.create_index("ix_quotes_account_id", "quotes", ["account_id"], unique=False)
    op.create_table(
        "request_faults",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("faults", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("faults >= 0", name="ck_request_faults_faults"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_request_faults_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("account_id", "request_sha256", name="pk_request_faults"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("model_sha256", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("body_sha256", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("failure_code", sa.String(), nullable=True),
        sa.Column("provenance", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_runs_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint(
            "account_id", "idempotency_key", name="uq_runs_account_id_idempotency_key"
        ),
    )
    op.create_index(
        "ix_runs_account_id_request_sha256", "runs", ["account_id", "request_sha256"], unique=False
    )
    op.create_index("ix_runs_state_created_at", "runs", ["state", "created_at"], unique=False)
    op.create_table(
        "upload_tickets",
        sa.Column("ticket_sha256", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_upload_tickets_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("ticket_sha256", name="pk_upload_tickets"),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("quote_id", sa.String(), nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("checkout_url", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("paid_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('begun', 'open', 'processing', 'paid', 'expired', 'failed', 'mismatched')",
            name="ck_payments_state",
        ),
        sa.CheckConstraint("amount_micros > 0", name="ck_payments_amount"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_payments_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(["quote_id"], ["quotes.id"], name="fk_payments_quote_id_quotes"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.UniqueConstraint("external_id", name="uq_payments_external_id"),
        sa.UniqueConstraint(
            "quote_id", "provider", "attempt", name="uq_payments_quote_id_provider_attempt"
        ),
    )
    op.create_index("ix_payments_account_id", "payments", ["account_id"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("debit_id", sa.String(), nullable=False),
        sa.Column("credit_id", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("amount_micros > 0", name="ck_transfers_amount"),
        sa.CheckConstraint("debit_id <> credit_id", name="ck_transfers_two_books"),
        sa.ForeignKeyConstraint(
            ["credit_id", "currency"],
            ["ledger_accounts.id", "ledger_accounts.currency"],
            name="fk_transfers_credit_id_ledger_accounts",
        ),
        sa.ForeignKeyConstraint(
            ["debit_id", "currency"],
            ["ledger_accounts.id", "ledger_accounts.currency"],
            name="fk_transfers_debit_id_ledger_accounts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
    )
    op.create_index("ix_transfers_credit_id", "transfers", ["credit_id"], unique=False)
    op.create_index("ix_transfers_debit_id", "transfers", ["debit_id"], unique=False)
    op.create_table(
        "usage",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("work_units", sa.BigInteger(), nullable=False),
        sa.Column("offer", sa.String(), nullable=True),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("duration_ms", sa.Double(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('running', 'delivered', 'failed', 'exhausted')", name="ck_usage_outcome"
        ),
        sa.CheckConstraint("price_micros >= 0", name="ck_usage_price"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_usage_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_usage_key_id_api_keys"),
        sa.PrimaryKeyConstraint("run_id", name="pk_usage"),
    )
    op.create_index("ix_usage_page", "usage", ["account_id", "created_at", "run_id"], unique=False)
    op.create_table(
        "entitlements",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("quote_id", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(run_id IS NOT NULL) = (state IN ('reserved', 'captured', 'exhausted'))",
            name="ck_entitlements_run",
        ),
        sa.CheckConstraint(
            "state IN ('issued', 'reserved', 'captured', 'exhausted')", name="ck_entitlements_state"
        ),
        sa.CheckConstraint("amount_micros > 0", name="ck_entitlements_amount"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_entitlements_account_id_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_entitlements_payment_id_payments"
        ),
        sa.ForeignKeyConstraint(
            ["quote_id"], ["quotes.id"], name="fk_entitlements_quote_id_quotes"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_entitlements"),
        sa.UniqueConstraint("payment_id", name="uq_entitlements_payment_id"),
        sa.UniqueConstraint("run_id", name="uq_entitlements_run_id"),
    )
    op.create_index(
        "ix_entitlements_account_state", "entitlements", ["account_id", "state"], unique=False
    )
    op.create_index("ix_entitlements_quote_id", "entitlements", ["quote_id"], unique=False)
