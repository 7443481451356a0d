"""Bring the database to this version's schema, or refuse one from the future."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from gateway_storage.database import Database

SCHEMA: Final = "0007"  # the newest file in migrations/versions; a test holds them together


_TURN: Final = 0x464D55  # any number that others on that server don't lock


class SchemaTooNewError(Exception):
    """The database was written by a newer version of the gateway."""


class OtherSchemaError(Exception):
    """The database is not at this version's schema."""

    def __init__(self, found: str | None) -> None:
        there = "holds no gateway" if found is None else f"is at schema {found}"
        super().__init__(f"the database {there}, this version reads schema {SCHEMA}")
        self.found = found


def migrate(database: Database) -> None:
    """Upgrade in one transaction. Alembic is imported only when there is something to do.

    Raises:
        SchemaTooNewError: the database's schema is unknown to this version.

    """
    with database.read() as connection:
        if schema_of(connection) == SCHEMA:
            return
    with database.reshape() as connection:
        _wait_for_others(connection)
        _upgrade(connection, schema_of(connection))  # somebody was faster: nothing to do


def _wait_for_others(connection: Connection) -> None:
    """One gateway at a time; SQLite's writers take turns anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})


def schema_of(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415  a second of import, needed once a release
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        message = f"the database is at schema {current}, this version knows {SCHEMA}: upgrade it"
        raise SchemaTooNewError(message)
    command.upgrade(config, "head")
