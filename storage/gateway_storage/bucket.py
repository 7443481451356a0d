"""Blobs in a bucket of S3 or of a store that speaks its language: several machines share them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from gateway_storage.blobs import (
    BlobNotFoundError,
    Listed,
    StorageUnavailableError,
    checked,
    checked_folder,
    verified,
)

REQUEST_S: Final = 30.0
"""One request to the store, or one part of a large upload, may take so long."""
CONNECT_S: Final = 5.0
RETRY_S: Final = 20.0
"""How long what failed is tried again."""
_RETRIES: Final = 3
_SHOWN: Final = 300
_INSIDES: Final = "\n\nDebug source:"
"""What follows repeats all of it as the library's own objects."""


class BucketBlobs:
    """Blobs under `prefix` in `bucket`.

    Credentials, region and AWS_ENDPOINT_URL come from the environment as for every AWS client, or
    from the machine's role. A put is durable and visible as a whole once the store confirms it.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._store: Final = S3Store(
            bucket,
            prefix=prefix or None,
            config={"endpoint": endpoint} if endpoint else None,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "timeout": timedelta(seconds=REQUEST_S),
                "connect_timeout": timedelta(seconds=CONNECT_S),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_S),
            },
        )

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Store durably, replacing what was there."""
        with _told():
            obstore.put(self._store, checked(key), data)

    def get(self, key: str, sha256: str | None) -> bytes:
        """The bytes, if they have that hash. Raises BlobNotFoundError, BlobDamagedError."""
        with _told():
            try:
                data = bytes(obstore.get(self._store, checked(key)).bytes())
            except FileNotFoundError:
                raise BlobNotFoundError(key) from None
        return verified(key, data, sha256)

    def delete(self, key: str) -> None:
        """Forget the key; no error where nothing is stored."""
        with _told():
            try:
                obstore.delete(self._store, checked(key))
            except FileNotFoundError:
                return

    def listed(self, folder: str) -> Iterator[Listed]:
        """All that is stored under `<folder>/`."""
        with _told():
            for part in obstore.list(self._store, prefix=f"{checked_folder(folder)}/"):
                for found in part:
                    yield Listed(found["path"], found["size"], found["last_modified"])

    def check(self) -> None:
        """Return where the bucket is there and its contents may be listed."""
        with _told():
            next(iter(obstore.list(self._store, prefix="fmus/", chunk_size=1)), None)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:  # the library raises Python's own for some
        told = str(error).partition(_INSIDES)[0]
        raise StorageUnavailableError(told[:_SHOWN]) from error
