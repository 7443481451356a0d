"""The indexes that searches go through: the library's, and each account's uploads'."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway_library.catalogue import Card, Catalogue
from gateway_library.entries import library_entry, upload_entry
from gateway_library.index import Index
from gateway_library.search import Hits, search
from gateway_library.store import ModelStore

_ACCOUNTS: Final = 256  # whose indexes stay in memory
Edition = tuple[int, datetime | None]


class Finder:
    """Finds models. Each index is made once and again only where something changed."""

    def __init__(self, catalogue: Catalogue, models: ModelStore) -> None:
        self._catalogue = catalogue
        self._models = models
        self._building = threading.Lock()
        self._library: tuple[tuple[Card, ...], Index] | None = None
        self._uploads: OrderedDict[str, tuple[Edition, Index]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, account_id: str, query: str, wanted: Mapping[str, str] | None = None) -> Hits:
        """What matches in the library and among the account's uploads; see `search`."""
        return search((self.library(), self._of_account(account_id)), query, wanted)

    def library(self) -> Index:
        """The library's index. While a newer one is being made, others get the one before."""
        cards, had = self._catalogue.cards, self._library
        if had is not None and had[0] is cards:
            return had[1]
        if not self._building.acquire(blocking=had is None):
            assert had is not None
            return had[1]
        try:
            if self._library is None or self._library[0] is not cards:
                self._library = cards, Index(map(library_entry, cards))
            return self._library[1]
        finally:
            self._building.release()

    def _of_account(self, account_id: str) -> Index:
        edition = self._models.edition(account_id)
        with self._lock:
            had = self._uploads.get(account_id)
        if had is not None and had[0] == edition:
            return had[1]
        index = Index(map(upload_entry, self._models.list(account_id)))
        with self._lock:
            self._uploads[account_id] = edition, index
            self._uploads.move_to_end(account_id)
            while len(self._uploads) > _ACCOUNTS:
                self._uploads.popitem(last=False)
        return index
