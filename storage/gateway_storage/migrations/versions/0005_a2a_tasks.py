"""A2A tasks, and where their accounts want to hear of them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from gateway_storage.base import UtcDateTime

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "a2a_tasks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("context_id", sa.String(), nullable=False),
        sa.Column("state", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("status_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("saved_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("phase IN ('working', 'waiting', 'ended')", name="ck_a2a_tasks_phase"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_a2a_tasks_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_a2a_tasks"),
    )
    op.create_index(
        "ix_a2a_tasks_account_id_status_us_id", "a2a_tasks", ["account_id", "status_us", "id"]
    )
    op.create_index("ix_a2a_tasks_phase_saved_at", "a2a_tasks", ["phase", "saved_at"])
    op.create_table(
        "a2a_push_configs",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("saved_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_a2a_push_configs_account_id_accounts"
        ),
        sa.PrimaryKeyConstraint("task_id", "id", name="pk_a2a_push_configs"),
    )
    op.create_index("ix_a2a_push_configs_saved_at", "a2a_push_configs", ["saved_at"])
