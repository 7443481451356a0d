"""The operators' own FMUs: a folder, watched; what is in it is checked, served and remembered.

`refresh` is called again and again. It looks at names, sizes and times only, and opens what is new
or changed and has been quiet for a moment, so that no half-written file is taken. What it learned
is kept beside the extracted models: a start opens nothing that it knows already.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from gateway_library.examination import Examined, Examiner, listed
from gateway_library.extraction import ExtractionCache
from gateway_library.folder import Glance, Place, look, stamp_of
from gateway_library.operator_card import OperatorCard, OperatorCardError, read_card
from gateway_library.shelf import Known, Offered, Shelf, Trouble, arranged
from gateway_simulation.exceptions import RequestError, RunError
from gateway_simulation.kpis import parse_kpis
from gateway_simulation.model import Model

_FORMAT: Final = 2
_ROUND_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at the folder changed. `more`: there is work left that can be done at once."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is kept between two processes."""

    format: int
    known: dict[str, Known]


_MEMORY: Final = TypeAdapter(_Memory)


class OperatorLibrary:
    """The models of one folder. `shelf` may be read at any time, from any thread.

    `taken` are the names that the folder can't have, since the gateway's own models do. What is
    known is remembered in `memory`.
    """

    def __init__(
        self,
        folder: Path,
        memory: Path,
        cache: ExtractionCache,
        examiner: Examiner,
        taken: frozenset[str] = frozenset(),
    ) -> None:
        self.folder = folder
        self._memory = memory
        self._cache = cache
        self._examiner = examiner
        self._taken = taken
        self._lock = threading.Lock()
        self._before: dict[str, Place] = {}
        self._removed: set[str] = set()
        self._unreadable: dict[str, str] = {}
        self._known = _remembered(memory)
        self._lonely: tuple[str, ...] = ()
        self._stale = False
        self.shelf = self._recalled()

    def was_removed(self, name: str) -> bool:
        """Whether this process served a model of that name that is gone."""
        return name in self._removed

    def refresh(self, *, patient: bool = True) -> Round:
        """Take note of what changed in the folder; about a second's work, then the caller decides.

        With `patient` a file that somebody may be writing to waits for a later round.

        Raises:
            OSError: the folder can't be read; what was known stays.

        """
        with self._lock:
            glance = look(self.folder)
            self._forget(glance)
            self._stale |= glance.lonely_cards != self._lonely
            self._lonely = glance.lonely_cards
            more = False
            ends = time.monotonic() + _ROUND_S
            for name in self._due(glance, patient=patient):
                if time.monotonic() > ends:
                    more = True
                    break
                self._learn(name, glance.places[name])
            self._before = glance.places
            self._cache.sweep(datetime.now(UTC), self._needs)
            if not self._stale:  # the shelf stays the same object: others keep what they made of it
                return Round(more=more)
            before, self.shelf = self.shelf, self._current()
            self._stale = False
            if not more:
                _remember(self._memory, self._known)
            return self._told(before, more=more)

    def take(self, model_id: str, offered: Offered) -> Model:
        """The model, ready to run.

        Raises:
            OSError: it must be extracted anew, and the file is gone or is another one now.

        """
        return self._cache.take(model_id, offered.examined.sha256, lambda: self._read(offered))

    def _read(self, offered: Offered) -> bytes:
        data = (self.folder / offered.file).read_bytes()
        if hashlib.sha256(data).hexdigest() != offered.examined.sha256:
            message = "the file was replaced"
            raise OSError(message)
        return data

    def _recalled(self) -> Shelf:
        """What is known and has not changed since."""
        try:
            glance = look(self.folder)
        except OSError:
            return Shelf()
        self._known = {n: k for n, k in self._known.items() if glance.places.get(n) == k.place}
        self._lonely = glance.lonely_cards
        return self._current()

    def _current(self) -> Shelf:
        shelf = arranged(self._known, self._taken)
        lonely = [Trouble(c, ("there is no FMU of that name beside it",)) for c in self._lonely]
        unreadable = [Trouble(name, (problem,)) for name, problem in self._unreadable.items()]
        return Shelf(shelf.offered, (*shelf.troubles, *unreadable, *lonely))

    def _forget(self, glance: Glance) -> None:
        """Let go of what is no longer there."""
        for name in self._unreadable.keys() - glance.places.keys():
            del self._unreadable[name]
            self._stale = True
        for name in self._known.keys() - glance.places.keys():
            self._replace(name, None)

    def _due(self, glance: Glance, *, patient: bool) -> Iterator[str]:
        now = time.time()
        for name, place in glance.places.items():
            known = self._known.get(name)
            if known is not None and known.place == place:
                continue
            if not patient or place.is_quiet(now) or self._before.get(name) == place:
                yield name

    def _learn(self, name: str, place: Place) -> None:
        before = self._known.get(name)
        try:
            examined = self._examined(name, place, before)
            card = self._card(name, place, before, examined)
        except RunError:  # no core was free: nothing is known of it yet
            return
        except OSError as error:
            told = f"can't be read: {error.strerror or error}"
            self._stale |= self._unreadable.get(name) != told
            self._unreadable[name] = told
            return
        self._unreadable.pop(name, None)
        self._replace(name, Known(place, examined, *card))

    def _replace(self, name: str, known: Known | None) -> None:
        """What is known of a file from now on. A model that nobody needs any more is let go."""
        before = self._known.pop(name, None)
        if known is not None:
            self._known[name] = known
        if before is not None and not self._needs(before.examined.sha256):
            self._cache.retire(before.examined.sha256)
        self._stale = True

    def _examined(self, name: str, place: Place, before: Known | None) -> Examined:
        if before is not None and before.place.fmu == place.fmu:
            return before.examined
        data = (self.folder / name).read_bytes()
        if stamp_of(self.folder / name) != place.fmu:
            message = "somebody is writing to it"
            raise OSError(message)
        return self._examiner.examine(data)

    def _card(
        self, name: str, place: Place, before: Known | None, examined: Examined
    ) -> tuple[OperatorCard | None, tuple[str, ...]]:
        if place.card is None:
            return OperatorCard(), ()
        try:
            card = read_card((self.folder / place.card).read_bytes())
            self._check_kpis(name, card, examined)
        except OperatorCardError as error:
            problems = tuple(f"{Path(place.card).name}: {one}" for one in error.problems)
            return before.card if before else None, problems
        return card, ()

    def _check_kpis(self, name: str, card: OperatorCard, examined: Examined) -> None:
        """Raise OperatorCardError where the model has no such key figures."""
        if not card.kpis or examined.facts is None:
            return
        archive = (self.folder / name).read_bytes
        description = self._cache.take(name, examined.sha256, archive).description
        names = [variable.name for variable in description.variables]
        try:
            parse_kpis(card.kpis, names, [output.name for output in description.outputs])
        except RequestError as error:
            raise OperatorCardError([f"kpis: {error} ({listed(error.details)})"]) from error

    def _needs(self, sha256: str) -> bool:
        return any(known.examined.sha256 == sha256 for known in self._known.values())

    def _told(self, before: Shelf, *, more: bool) -> Round:
        had = {offered.name: offered for offered in before.offered}
        has = {offered.name: offered for offered in self.shelf.offered}
        removed = had.keys() - has.keys()
        self._removed = (self._removed | removed) - has.keys()
        return Round(
            tuple(sorted(name for name, offered in has.items() if had.get(name) != offered)),
            tuple(sorted(removed)),
            tuple(one for one in self.shelf.troubles if one not in before.troubles),
            more,
        )


def _remembered(memory: Path) -> dict[str, Known]:
    """What another process learned; nothing where nothing can be read."""
    try:
        found = _MEMORY.validate_json(memory.read_bytes())
    except (OSError, ValidationError):
        return {}
    return found.known if found.format == _FORMAT else {}


def _remember(memory: Path, known: dict[str, Known]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=memory.parent, prefix=".operators-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(_MEMORY.dump_json(_Memory(_FORMAT, known)))
    Path(temporary).replace(memory)
