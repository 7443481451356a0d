"""An index of words over many entries, made once and asked often.

For each word it has the positions of the entries that hold it and how prominently they do. Numbers
are NumPy arrays: ten thousand entries are weighed in a fraction of a millisecond.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway_library.entries import Entry, states_of
from gateway_library.words import stem_of, words_of

Weights = NDArray[np.float32]
Mask = NDArray[np.bool_]
KeyT = TypeVar("KeyT")

_NAME, _TAG, _UNIT, _PATH, _VARIABLE, _TEXT = 10.0, 6.0, 5.0, 4.0, 3.0, 2.0
_STEM: Final = 0.9  # of a word's weight, for another form of it
_PREFIX: Final = 0.8  # for a word that begins so
_SIMILAR: Final = 0.6  # for a word spelled almost so
_FARTHER: Final = 0.45
_SHORTEST_PREFIX: Final = 3
_SHORTEST_MISTAKE: Final = 4  # letters; shorter words are too like each other
_LONG: Final = 8  # letters of a word that may have two mistakes
_MOST_BEGINNINGS: Final = 200
_MOST_SIMILAR: Final = 10


class Index:
    """The words of some entries, which stand in order of name."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: tuple[Entry, ...] = tuple(sorted(entries, key=_order))
        postings = _postings(self.entries)
        self._places: dict[str, tuple[NDArray[np.int32], Weights]] = {
            word: (
                np.fromiter(found.keys(), np.int32, len(found)),
                np.fromiter(found.values(), np.float32, len(found)),
            )
            for word, found in postings.items()
        }
        self._sorted = sorted(postings)
        self._by_length = _grouped(filter(str.isalpha, postings), len)
        self._by_stem = _grouped(postings, stem_of)
        self.facets = _facets(self.entries)

    def known(self, word: str) -> Weights | None:
        """How prominently each entry holds `word`, in this or another form, or begun with it."""
        likeness = dict.fromkeys(self._by_stem.get(stem_of(word), ()), _STEM)
        if len(word) >= _SHORTEST_PREFIX:
            for other in self._beginning(word):
                likeness.setdefault(other, _PREFIX)
        if word in self._places:
            likeness[word] = 1.0
        return self._weighed(likeness)

    def said(self, word: str) -> Weights | None:
        """The same for a word that must stand there, in any form."""
        return self._weighed(dict.fromkeys(self._by_stem.get(stem_of(word), ()), 1.0))

    def similar(self, word: str) -> Weights | None:
        """The same for the words that somebody may have meant who wrote `word`."""
        from rapidfuzz import process  # noqa: PLC0415  only a mistake needs it
        from rapidfuzz.distance import OSA  # noqa: PLC0415

        if len(word) < _SHORTEST_MISTAKE:
            return None
        most = 2 if len(word) >= _LONG else 1
        likeness: dict[str, float] = {}
        for length in range(len(word) - most, len(word) + most + 1):
            found = process.extract(
                word,
                self._by_length.get(length, ()),
                scorer=OSA.distance,
                score_cutoff=most,
                limit=_MOST_SIMILAR,
            )
            likeness.update({w: _SIMILAR if d <= 1 else _FARTHER for w, d, _ in found})
        return self._weighed(likeness)

    def _beginning(self, word: str) -> Sequence[str]:
        first = bisect_left(self._sorted, word)
        last = bisect_left(self._sorted, word + "\U0010ffff", lo=first)
        return self._sorted[first : min(last, first + _MOST_BEGINNINGS)]

    def _weighed(self, likeness: Mapping[str, float]) -> Weights | None:
        if not likeness:
            return None
        weights = np.zeros(len(self.entries), np.float32)
        found = [self._places[word] for word in likeness]
        factors = np.repeat(
            np.fromiter(likeness.values(), np.float32, len(likeness)),
            [len(places) for places, _ in found],
        )
        places = np.concatenate([places for places, _ in found])
        prominence = np.concatenate([prominence for _, prominence in found])
        np.maximum.at(weights, places, prominence * factors)
        return weights


def _order(entry: Entry) -> tuple[str, str, str]:
    return (entry.model_name, entry.fmi_version, entry.id)


def _postings(entries: Sequence[Entry]) -> dict[str, dict[int, float]]:
    postings: dict[str, dict[int, float]] = defaultdict(dict)
    for position, entry in enumerate(entries):
        for word, weight in _prominence(entry).items():
            postings[word][position] = weight
    return postings


@lru_cache(20_000)
def _prominence(entry: Entry) -> Mapping[str, float]:
    """Each word of the entry and the weight of its best place."""
    found: dict[str, float] = {}
    for text, weight in _texts(entry):
        for word in words_of(text):
            found[word] = max(weight, found.get(word, 0.0))
    for unit in entry.units:
        found[unit.casefold()] = _UNIT
    return found


def _texts(entry: Entry) -> Iterator[tuple[str, float]]:
    for name in (entry.id, entry.model_name):
        path, _, last = name.rpartition(".")
        yield path, _PATH
        yield last, _NAME
    yield entry.description or "", _TEXT
    for tag in (*entry.tags, *entry.domains):
        yield tag, _TAG
    for variable in entry.variables:
        yield variable, _VARIABLE


def _grouped(words: Iterable[str], key: Callable[[str], KeyT]) -> dict[KeyT, list[str]]:
    groups: dict[KeyT, list[str]] = defaultdict(list)
    for word in words:
        groups[key(word)].append(word)
    return groups


def _facets(entries: Sequence[Entry]) -> dict[str, dict[str, Mask]]:
    """For each facet and each of its values, which entries have it."""
    values: dict[str, list[tuple[str, ...]]] = {
        "domain": [(*entry.domains,) for entry in entries],
        "kind": [(*entry.kinds,) for entry in entries],
        "states": [(states,) if (states := states_of(e)) else () for e in entries],
        "source": [(entry.source,) for entry in entries],
        "fmi_version": [(entry.fmi_version,) for entry in entries],
    }
    found: dict[str, dict[str, Mask]] = {}
    for facet, rows in values.items():
        masks: dict[str, Mask] = defaultdict(lambda: np.zeros(len(entries), np.bool_))
        for position, row in enumerate(rows):
            for value in row:
                masks[value][position] = True
        found[facet] = dict(masks)
    return found
