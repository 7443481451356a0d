"""Uploads: stored once, seen only by whoever sent them, whatever happens at the same time."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fmus import sources
from postgres import fresh_database
from sqlalchemy import insert

from gateway_library.exceptions import (
    ModelIdTakenError,
    NoSuchUploadError,
    QuotaExceededError,
    TicketInvalidError,
    UnknownModelError,
)
from gateway_library.extraction import ExtractionCache
from gateway_library.store import ModelRow, ModelStore, Quota
from gateway_library.tickets import LIFETIME, Tickets
from gateway_payments.accounts import AccountRow
from gateway_simulation.archive import Limits
from gateway_simulation.building import Builder
from gateway_simulation.exceptions import ArchiveError
from gateway_storage.base import Base
from gateway_storage.blobs import BlobDamagedError, FolderBlobs
from gateway_storage.database import Database
from gateway_storage.garbage import GRACE

NOW = datetime.now(UTC)
QUOTA_BYTES = 10**9
ANNE, BERT = "acc_anne", "acc_bert"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    Base.metadata.create_all(database.engine)
    with database.write() as db:
        for account in (ANNE, BERT):
            db.execute(insert(AccountRow).values(id=account, created_at=NOW))
    yield database
    database.close()


def unpacked(tmp_path: Path, builder: Builder | None = None) -> ExtractionCache:
    return ExtractionCache(tmp_path / "cache" / "uploads", Limits(), builder)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> ModelStore:
    return ModelStore(
        database,
        FolderBlobs(tmp_path / "blobs"),
        unpacked(tmp_path),
        Limits(),
        Quota(3, QUOTA_BYTES),
    )


@pytest.fixture(scope="session")
def fmu(built: Path) -> bytes:
    return (built / "BouncingBall.fmu").read_bytes()


def test_a_model_of_sources_is_compiled_again_where_the_cache_was_emptied(
    database: Database, fmu: bytes, tmp_path: Path
) -> None:
    def opened() -> ModelStore:
        blobs, cache = FolderBlobs(tmp_path / "blobs"), unpacked(tmp_path, Builder())
        return ModelStore(database, blobs, cache, Limits())

    added = opened().add(ANNE, sources.stripped(fmu), NOW).model
    (library,) = added.folder.glob("binaries/*/*")
    before = library.read_bytes()
    shutil.rmtree(tmp_path / "cache")
    again = opened().get(ANNE, added.id)
    assert again.description == added.description
    assert library.read_bytes() == before


def blobs(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "blobs").glob("fmus/*"))


def folders(tmp_path: Path) -> list[str]:
    return sorted(
        p.name for p in (tmp_path / "cache" / "uploads").iterdir() if not p.name.startswith(".")
    )


def test_an_upload_gets_the_id_of_its_hash_and_can_be_run(store: ModelStore, fmu: bytes) -> None:
    added = store.add(ANNE, fmu, NOW)
    assert added.model.id == f"fmu_{added.model.sha256[:16]}"
    assert not added.already_known
    model = store.get(ANNE, added.model.id)
    assert model.description.model_name == "BouncingBall"
    assert list(model.folder.glob("binaries/*/*"))


def test_sent_again_it_is_known_and_stored_once(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    first = store.add(ANNE, fmu, NOW)
    again = store.add(ANNE, fmu, NOW + timedelta(days=1))
    assert again.already_known
    assert again.model.id == first.model.id
    assert len(blobs(tmp_path)) == len(folders(tmp_path)) == len(store.list(ANNE)) == 1


def test_an_account_learns_nothing_from_what_another_has_sent(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model = store.add(ANNE, fmu, NOW).model
    assert store.list(BERT) == []
    with pytest.raises(UnknownModelError) as raised:
        store.get(BERT, model.id)
    assert raised.value.nearest == ()
    with pytest.raises(UnknownModelError):
        store.remove(BERT, model.id)
    later = NOW + timedelta(days=1)
    assert not store.add(BERT, fmu, later).already_known
    assert store.list(BERT)[0].created_at == later
    assert len(blobs(tmp_path)) == 1


def test_the_list_is_newest_first_and_says_what_was_stored(
    store: ModelStore, fmu: bytes, built: Path
) -> None:
    newer = (built / "VanDerPol@fmi3.fmu").read_bytes()
    store.add(ANNE, fmu, NOW)
    store.add(ANNE, newer, NOW + timedelta(seconds=1))
    first, second = store.list(ANNE)
    assert (first.model_name, second.model_name) == ("VanDerPol", "BouncingBall")
    assert (first.fmi_version, first.size_bytes) == ("3.0", len(newer))
    assert "mu" in first.variables
    assert second.units == ("m", "m/s", "m/s2", "s")
    assert second.kinds == ("co_simulation", "model_exchange")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" * 100])
def test_what_is_refused_leaves_nothing_behind(
    store: ModelStore, tmp_path: Path, data: bytes
) -> None:
    with pytest.raises(ArchiveError):
        store.add(ANNE, data, NOW)
    assert store.list(ANNE) == []
    assert not (tmp_path / "blobs").exists()
    assert not (tmp_path / "cache").exists()


def test_twenty_senders_at_once_store_one_model(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(20) as pool:
        senders = [ANNE, BERT] * 10
        outcomes = list(pool.map(lambda account: store.add(account, fmu, NOW), senders))
    assert sum(not outcome.already_known for outcome in outcomes) == 2
    assert len(blobs(tmp_path)) == len(folders(tmp_path)) == 1
    assert len(store.list(ANNE)) == len(store.list(BERT)) == 1


def test_sending_and_removing_at_once_never_loses_a_model_that_is_owned(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    def remove_and_send(account: str) -> None:
        model_id = store.add(account, fmu, NOW).model.id
        for _ in range(10):
            store.remove(account, model_id)
            store.add(account, fmu, NOW)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remove_and_send, (ANNE, BERT)))
    (path,) = blobs(tmp_path)
    assert path.read_bytes() == fmu
    shutil.rmtree(tmp_path / "cache")
    model_id = store.list(ANNE)[0].id
    assert store.get(ANNE, model_id).folder == store.get(BERT, model_id).folder


def test_removing_what_is_not_there_suggests_no_other(store: ModelStore, fmu: bytes) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    with pytest.raises(NoSuchUploadError) as refused:
        store.remove(ANNE, f"{model_id[:-1]}z")
    assert refused.value.nearest == ()
    assert store.get(ANNE, model_id)


def test_one_owner_less_leaves_it_to_the_other(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    store.add(BERT, fmu, NOW)
    store.remove(ANNE, model_id)
    with pytest.raises(UnknownModelError):
        store.get(ANNE, model_id)
    assert store.get(BERT, model_id).folder.is_dir()
    assert len(blobs(tmp_path)) == 1


def test_the_last_owner_takes_the_archive_along_but_a_run_keeps_its_files(
    store: ModelStore, fmu: bytes, built: Path, tmp_path: Path
) -> None:
    other = (built / "Dahlquist.fmu").read_bytes()
    model = store.add(ANNE, fmu, NOW).model
    store.remove(ANNE, model.id)
    assert blobs(tmp_path) == []
    store.add(ANNE, other, NOW)
    store.collect(datetime.now(UTC) + timedelta(minutes=50))
    assert model.folder.is_dir()
    store.collect(datetime.now(UTC) + timedelta(minutes=70))
    assert not model.folder.exists()
    assert len(folders(tmp_path)) == 1


def test_a_model_that_came_back_is_not_swept_away(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model = store.add(ANNE, fmu, NOW).model
    store.remove(ANNE, model.id)
    store.add(BERT, fmu, NOW)
    store.add(BERT, fmu, datetime.now(UTC) + timedelta(days=1))
    assert model.folder.is_dir()
    assert len(blobs(tmp_path)) == 1


def test_a_lost_cache_is_made_again_from_the_archive(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    assert store.get(ANNE, model_id).folder.is_dir()
    shutil.rmtree(tmp_path / "cache")
    assert list(store.get(ANNE, model_id).folder.glob("binaries/*/*"))


def test_many_first_readers_of_a_lost_cache_all_get_the_model(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    shutil.rmtree(tmp_path / "cache")
    with ThreadPoolExecutor(10) as pool:
        models = list(pool.map(lambda _: store.get(ANNE, model_id), range(20)))
    assert all(list(model.folder.glob("binaries/*/*")) for model in models)


def test_two_files_with_one_id_are_a_conflict(
    store: ModelStore, database: Database, fmu: bytes, tmp_path: Path
) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    store.remove(ANNE, model_id)
    row = {
        "sha256": "f" * 64,
        "id": model_id,
        "blob_key": "fmus/other.fmu",
        "size_bytes": 1,
        "model_name": "Other",
        "summary": {},
        "created_at": NOW,
    }
    with database.write() as db:
        db.execute(insert(ModelRow).values(**row))
    with pytest.raises(ModelIdTakenError):
        store.add(ANNE, fmu, NOW)
    assert blobs(tmp_path) == []
    assert store.list(ANNE) == []


def test_a_misspelt_id_is_answered_with_ones_own_nearest(store: ModelStore, fmu: bytes) -> None:
    model_id = store.add(ANNE, fmu, NOW).model.id
    with pytest.raises(UnknownModelError) as raised:
        store.get(ANNE, model_id[:-1] + "x")
    assert raised.value.nearest == (model_id,)


def test_an_upload_address_works_once_and_only_for_a_while(database: Database) -> None:
    tickets = Tickets(database)
    ticket = tickets.issue(ANNE, NOW)
    assert tickets.redeem(ticket, NOW) == ANNE
    for spoilt, when in (
        (ticket, NOW),
        ("forged", NOW),
        (tickets.issue(ANNE, NOW), NOW + LIFETIME),
    ):
        with pytest.raises(TicketInvalidError):
            tickets.redeem(spoilt, when)


def _variant(fmu: bytes, number: int) -> bytes:
    """Another archive of the same model."""
    made = io.BytesIO(fmu)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(f"resources/{number}.txt", "x" * number)
    return made.getvalue()


def test_an_account_keeps_only_so_many_models_and_sending_one_again_is_free(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    sent = [_variant(fmu, number) for number in range(4)]
    for data in sent[:3]:
        store.add(ANNE, data, NOW)
    with pytest.raises(QuotaExceededError) as raised:
        store.add(ANNE, sent[3], NOW)
    assert raised.value.details == {"bound": "models", "limit": 3, "used": 3, "needed": 1}
    assert len(blobs(tmp_path)) == 3
    assert len(folders(tmp_path)) == 3
    assert store.add(ANNE, sent[0], NOW).already_known
    store.add(BERT, sent[3], NOW)
    with pytest.raises(QuotaExceededError):  # what others keep is no way around it
        store.add(ANNE, sent[3], NOW)
    store.remove(ANNE, store.list(ANNE)[0].id)
    assert not store.add(ANNE, sent[3], NOW).already_known


def test_an_account_keeps_only_so_many_bytes(
    database: Database, fmu: bytes, tmp_path: Path
) -> None:
    quota = Quota(100, 2 * len(fmu) - 1)
    store = ModelStore(
        database, FolderBlobs(tmp_path / "blobs"), unpacked(tmp_path), Limits(), quota
    )
    store.add(ANNE, fmu, NOW)
    other = _variant(fmu, 1)
    with pytest.raises(QuotaExceededError) as raised:
        store.add(ANNE, other, NOW)
    used = {"limit": quota.size_bytes, "used": len(fmu), "needed": len(other)}
    assert raised.value.details == {"bound": "bytes", **used}


@pytest.mark.parametrize("server", ["sqlite", "postgres"])
def test_uploads_at_once_stay_within_the_quota(
    server: str, database: Database, fmu: bytes, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if server == "postgres":
        database = Database(fresh_database(request.getfixturevalue("postgres_url")))
        Base.metadata.create_all(database.engine)
        with database.write() as db:
            db.execute(insert(AccountRow).values(id=ANNE, created_at=NOW))
    store = ModelStore(
        database, FolderBlobs(tmp_path / "blobs"), unpacked(tmp_path), Limits(), Quota(3, 10**9)
    )

    def attempt(number: int) -> bool:
        try:
            store.add(ANNE, _variant(fmu, number), NOW)
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 3
    assert len(store.list(ANNE)) == len(blobs(tmp_path)) == 3
    database.close()


def test_a_stored_archive_that_was_damaged_is_noticed_and_mended_by_sending_it_again(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    model = store.add(ANNE, fmu, NOW).model
    (blob,) = blobs(tmp_path)
    for harm in (lambda: blob.write_bytes(fmu[:-1] + b"x"), blob.unlink):
        harm()
        shutil.rmtree(tmp_path / "cache")
        with pytest.raises((BlobDamagedError, UnknownModelError)):
            store.get(ANNE, model.id)
        assert store.add(ANNE, fmu, NOW).already_known
        assert blob.read_bytes() == fmu
        shutil.rmtree(tmp_path / "cache")
        assert store.get(ANNE, model.id).sha256 == model.sha256


def test_what_no_model_is_goes_after_a_day_and_what_is_needed_stays(
    store: ModelStore, fmu: bytes, tmp_path: Path
) -> None:
    store.add(ANNE, fmu, NOW)
    (needed,) = blobs(tmp_path)
    strays = [needed.with_name(name) for name in ("stray.fmu", ".0123456789abcdef")]
    for stray in strays:
        stray.write_bytes(b"left by a crash")
    now = datetime.now(UTC)
    assert store.collect(now) == 0  # an upload under way may have stored it
    assert store.collect(now + GRACE + timedelta(minutes=1)) == 2
    assert blobs(tmp_path) == [needed]


def test_what_another_machine_took_away_is_unpacked_here_no_longer_than_an_hour(
    store: ModelStore, database: Database, fmu: bytes, tmp_path: Path
) -> None:
    here = ModelStore(
        database,
        FolderBlobs(tmp_path / "blobs"),
        ExtractionCache(tmp_path / "here" / "uploads", Limits()),
        Limits(),
    )
    model = store.add(ANNE, fmu, NOW).model
    folder = here.get(ANNE, model.id).folder
    store.remove(ANNE, model.id)
    now = datetime.now(UTC)
    here.collect(now)
    assert folder.is_dir()  # a run may be using it
    here.collect(now + timedelta(hours=2))
    assert not folder.exists()
