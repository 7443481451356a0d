"""`fmu-gateway backup` and `restore`, as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gateway_server.compose import open_blobs
from gateway_server.ledger_report import existing_database
from gateway_server.settings import (
    Settings,
    SettingsError,
    database_url,
    secret,
    secret_file,
    without_password,
)
from gateway_storage.blobs import StorageUnavailableError
from gateway_storage.database import Database, DatabaseUnavailableError
from gateway_storage.migrate import OtherSchemaError, SchemaTooNewError
from gateway_tools.backup import BackupError, Manifest, back_up, restore


def backed_up(settings: Settings, file: Path, *, with_blobs: bool) -> Manifest:
    """Back up the settings' gateway, which may be serving.

    Raises:
        SettingsError: there is none, it is at another schema, or its storage doesn't answer.

    """
    kept = secret(settings) if secret_file(settings) else None
    try:
        with existing_database(database_url(settings)) as database:
            blobs = open_blobs(settings) if with_blobs else None
            return back_up(database, blobs, kept, file, datetime.now(UTC))
    except (DatabaseUnavailableError, OtherSchemaError) as error:
        raise SettingsError([f"DATABASE_URL: {without_password(str(error))}"]) from error
    except StorageUnavailableError as error:
        raise SettingsError([f"STORAGE_URL: {error}"]) from error


def restored(settings: Settings, file: Path) -> Manifest:
    """Bring a backup to where the settings say, which must be empty.

    Raises:
        SettingsError: it is not, can't be used, or the file is no backup.

    """
    try:
        database = Database(database_url(settings))
        try:
            database.check()
            return restore(file, database, open_blobs(settings), secret_file(settings))
        finally:
            database.close()
    except DatabaseUnavailableError as error:
        raise SettingsError([f"DATABASE_URL: {without_password(str(error))}"]) from error
    except StorageUnavailableError as error:
        raise SettingsError([f"STORAGE_URL: {error}"]) from error
    except (BackupError, SchemaTooNewError) as error:
        raise SettingsError([f"restore: {error}"]) from error
