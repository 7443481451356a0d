"""Programs that sign in by OAuth: who they are, what they may do, their codes and tokens."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from gateway_storage.base import UtcDateTime

revision: Final = "0006"
down_revision: Final = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "oauth_clients",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("auth_method", sa.String(), nullable=False),
        sa.Column("refreshes", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_clients"),
    )
    op.create_index("ix_oauth_clients_created_at", "oauth_clients", ["created_at"])
    op.create_table(
        "oauth_grants",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_oauth_grants_key_id_api_keys"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.id"], name="fk_oauth_grants_client_id_oauth_clients"
        ),
        sa.PrimaryKeyConstraint("key_id", name="pk_oauth_grants"),
    )
    op.create_index("ix_oauth_grants_client_id", "oauth_grants", ["client_id"])
    _secrets(
        "oauth_codes",
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("redirect_given", sa.Boolean(), nullable=False),
        sa.Column("challenge", sa.String(), nullable=False),
    )
    _secrets(
        "oauth_tokens",
        sa.Column("kind", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('access', 'refresh')", name="ck_oauth_tokens_kind"),
    )


def _secrets(name: str, *more: sa.schema.SchemaItem) -> None:
    """A table of what speaks for a grant, as hashes."""
    op.create_table(
        name,
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        *more,
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"], ["oauth_grants.key_id"], name=f"fk_{name}_key_id_oauth_grants"
        ),
        sa.PrimaryKeyConstraint("sha256", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_key_id", name, ["key_id"])
