"""The hashes of results that are blobs, so that a read knows what was written."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"


def upgrade() -> None:
    """Create the table. Results that are blobs already have no row in it and are read unchecked."""
    op.create_table(
        "large_results",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("trajectory_sha256", sa.String(), nullable=False),
        sa.Column("accuracy_sha256", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_large_results_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", name="pk_large_results"),
    )
