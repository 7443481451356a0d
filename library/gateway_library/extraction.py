"""Extracted models: one folder for each archive, named by its SHA-256, made once.

The folders are a cache. What is gone or damaged is extracted again from the archive.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway_simulation.archive import Inspection, Limits, extract, inspect, load
from gateway_simulation.building import Builder
from gateway_simulation.exceptions import ModelFolderError
from gateway_simulation.model import Model
from gateway_storage.blobs import disk_told

_REMEMBERED: Final = 64  # models whose metadata stays in memory
_GRACE: Final = timedelta(hours=1)  # no run lasts so long: see SIMULATION_TIMEOUT_S
_RETIRED: Final = ".retired"


class ExtractionCache:
    """Hands out models ready to run. Safe for many threads and processes on one folder.

    Where there is a `builder`, models without a binary are compiled by it.
    """

    def __init__(self, folder: Path, limits: Limits, builder: Builder | None = None) -> None:
        self._folder = folder
        self._limits = limits
        self._builder = builder
        self._remembered: OrderedDict[tuple[str, str], Model] = OrderedDict()
        self._lock = threading.Lock()
        self._extracting = threading.Lock()

    def take(
        self,
        model_id: str,
        sha256: str,
        archive: Callable[[], bytes],
        source_sha256: str | None = None,
    ) -> Model:
        """The model of the archive with that hash; `archive` is read only where it must be.

        Raises:
            ArchiveError: the archive cannot be extracted, or its sources not compiled.
            RunError: there is no jail for the compiler, or it is busy.
            StorageUnavailableError: the disk can't keep it.

        """
        known = self._recall(model_id, sha256)
        if known is not None:
            return known
        try:
            model = load(model_id, sha256, self._folder / sha256, source_sha256)
        except ModelFolderError:
            data = archive()
            model = replace(
                self.keep(model_id, data, inspect(data, self._limits)), source_sha256=source_sha256
            )
        self._remember(model)
        return model

    def keep(self, model_id: str, data: bytes, inspection: Inspection) -> Model:
        """The model of an archive just inspected. Raises StorageUnavailableError, as `take`."""
        folder = self._folder / inspection.sha256
        with disk_told():
            with self._extracting:
                found = self._found(model_id, inspection.sha256)
                if found is None and not inspection.recipes:
                    extract(data, inspection, folder, self._limits)
            if found is None and inspection.recipes:  # takes long: others needn't wait for it
                extract(data, inspection, folder, self._limits, self._builder)
            return found or load(model_id, inspection.sha256, folder)

    def retire(self, sha256: str) -> None:
        """Note that nobody needs the model any more. A run may still be using its files."""
        notes = self._folder / _RETIRED
        notes.mkdir(parents=True, exist_ok=True)
        (notes / sha256).touch()

    def retire_all_but(self, needed: Callable[[str], bool]) -> None:
        """Retire what isn't `needed`: other machines may have taken it away."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            noted = (self._folder / _RETIRED / folder.name).exists()
            if not folder.name.startswith(".") and not noted and not needed(folder.name):
                self.retire(folder.name)

    def sweep(self, now: datetime, needed: Callable[[str], bool]) -> None:
        """Delete what was retired an hour ago, but for what is `needed` again."""
        notes = self._folder / _RETIRED
        for note in notes.iterdir() if notes.is_dir() else ():
            if _age(note, now) < _GRACE:
                continue
            if not needed(note.name):
                self._discard(self._folder / note.name)
            note.unlink(missing_ok=True)

    def _found(self, model_id: str, sha256: str) -> Model | None:
        """The model if it is there; one that is damaged is taken away."""
        folder = self._folder / sha256
        for _ in range(2):  # where it is absent, another process may be making it
            with contextlib.suppress(ModelFolderError):
                return load(model_id, sha256, folder)
            if not folder.exists():
                return None
        self._discard(folder)
        return None

    def _discard(self, folder: Path) -> None:
        """Take the folder away in one step, so that nobody ever finds half of it."""
        aside = self._folder / f".discarded-{secrets.token_hex(8)}"
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)

    def _recall(self, model_id: str, sha256: str) -> Model | None:
        with self._lock:
            model = self._remembered.get((model_id, sha256))
        return model if model is not None and model.folder.is_dir() else None

    def _remember(self, model: Model) -> None:
        with self._lock:
            self._remembered[model.id, model.sha256] = model
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


def _age(note: Path, now: datetime) -> timedelta:
    try:
        return timedelta(seconds=now.timestamp() - note.stat().st_mtime)
    except FileNotFoundError:  # another process swept it
        return timedelta(0)
