"""Alembic's entry: runs inside the transaction that `migrate` opened."""

from alembic import context

from gateway_storage.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
