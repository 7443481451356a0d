"""Both stores of blobs keep the same promises: a folder, and a bucket of a real server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from s3_server import BUCKET, S3, s3_server

import gateway_storage.bucket
from gateway_storage.blobs import (
    BlobDamagedError,
    BlobNotFoundError,
    Blobs,
    FolderBlobs,
    StorageUnavailableError,
)
from gateway_storage.bucket import BucketBlobs
from gateway_storage.garbage import GRACE, collect

KEY: Final = "results/res_1.parquet"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> BucketBlobs:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return BucketBlobs(BUCKET, f"prefix/{abs(hash(request.node.name))}")


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    store: Blobs = (
        FolderBlobs(tmp_path / "blobs")
        if request.param == "folder"
        else request.getfixturevalue("bucket")
    )
    store.check()
    return store


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_was_put_is_got_until_it_is_deleted(blobs: Blobs) -> None:
    blobs.put(KEY, b"first")
    blobs.put(KEY, b"second")
    assert blobs.get(KEY, sha256(b"second")) == blobs.get(KEY, None) == b"second"
    blobs.delete(KEY)
    blobs.delete(KEY)
    with pytest.raises(BlobNotFoundError):
        blobs.get(KEY, None)


def test_a_large_blob_is_whole(blobs: Blobs) -> None:
    data = bytes(range(256)) * 80_000  # sent in parts
    blobs.put(KEY, data)
    assert blobs.get(KEY, sha256(data)) == data


def test_what_isn_t_what_was_written_is_not_given_out(blobs: Blobs) -> None:
    blobs.put(KEY, b"other bytes")
    with pytest.raises(BlobDamagedError):
        blobs.get(KEY, sha256(b"the bytes"))


def test_what_is_stored_is_listed_with_its_size_and_time(blobs: Blobs) -> None:
    assert list(blobs.listed("results")) == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    blobs.put(KEY, b"1234")
    blobs.put("fmus/a.fmu", b"1")
    (found,) = blobs.listed("results")
    assert (found.key, found.size_bytes) == (KEY, 4)
    assert before < found.stored_at < before + timedelta(minutes=1)


@pytest.mark.parametrize("key", ["../x", "results/../../x", "/etc/passwd", "results/", "a/b/c", ""])
def test_a_key_that_could_leave_the_store_is_refused(blobs: Blobs, key: str) -> None:
    for act in (lambda: blobs.put(key, b""), lambda: blobs.get(key, None)):
        with pytest.raises(ValueError, match="not a blob key"):
            act()
    with pytest.raises(ValueError, match="not a folder"):
        next(iter(blobs.listed("../x")), None)


def test_only_what_nothing_refers_to_is_collected_and_not_before_its_time(blobs: Blobs) -> None:
    keys = [f"results/res_{number}.parquet" for number in range(3)]
    for key in keys:
        blobs.put(key, b"x")
    asked: list[str] = []

    def referenced(found: list[str]) -> list[str]:
        asked.extend(found)
        return keys[:1]

    now = datetime.now(UTC)
    assert collect(blobs, "results", now, referenced) == 0
    assert asked == []
    assert collect(blobs, "results", now + GRACE + timedelta(minutes=1), referenced) == 2
    assert sorted(asked) == keys
    assert [found.key for found in blobs.listed("results")] == keys[:1]


def test_a_bucket_or_a_key_that_is_wrong_is_told(
    s3: S3, bucket: BucketBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.check()
    with pytest.raises(StorageUnavailableError, match="NoSuchBucket"):
        BucketBlobs("nowhere", "").check()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(StorageUnavailableError, match="SignatureDoesNotMatch"):
        BucketBlobs(BUCKET, "").check()
    assert s3.environment["AWS_SECRET_ACCESS_KEY"] not in str(bucket)


def test_a_store_that_is_silent_or_gone_is_given_up(
    s3: S3, monkeypatch: pytest.MonkeyPatch, bucket: BucketBlobs
) -> None:
    bucket.put(KEY, b"x")
    monkeypatch.setattr(gateway_storage.bucket, "REQUEST_S", 0.2)
    monkeypatch.setattr(gateway_storage.bucket, "RETRY_S", 0.5)
    impatient = BucketBlobs(BUCKET, "p")
    with s3.silent():
        for act in (
            lambda: impatient.put(KEY, b"y"),
            lambda: impatient.get(KEY, None),
            lambda: impatient.delete(KEY),
            lambda: list(impatient.listed("results")),
            impatient.check,
        ):
            with pytest.raises(StorageUnavailableError):
                act()
    assert bucket.get(KEY, sha256(b"x")) == b"x"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError):
        BucketBlobs(BUCKET, "").get(KEY, None)


def test_a_folder_that_can_t_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    blobs = FolderBlobs(tmp_path / "file")
    for act in (lambda: blobs.put(KEY, b""), lambda: blobs.get(KEY, None), blobs.check):
        with pytest.raises(StorageUnavailableError):
            act()


def test_what_is_deleted_while_sizes_are_counted_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    assert blobs.sizes() == {}
    for key in ("probe/gone", "probe/kept", "results/kept"):
        blobs.put(key, b"12345")
    scandir = os.scandir

    @contextmanager
    def then_deleted(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(folder) as found:
            entries = list(found)
        if Path(folder).name == "probe":
            blobs.delete("probe/gone")
        yield iter(entries)

    monkeypatch.setattr(os, "scandir", then_deleted)
    assert blobs.sizes() == {"probe": 5, "results": 5}
