"""Small results lie in the database; those in blobs stay where they are."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "small_results",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("trajectory", sa.LargeBinary(), nullable=False),
        sa.Column("accuracy", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_small_results_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", name="pk_small_results"),
    )
