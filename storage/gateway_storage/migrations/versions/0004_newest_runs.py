"""An account's newest runs are found by an index."""

from __future__ import annotations

from typing import Final

from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_runs_account_id_state_created_at", "runs", ["account_id", "state", "created_at"]
    )
