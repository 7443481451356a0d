"""Find a model by what it is about: words, tags, variables, units; typing mistakes forgiven.

Each word of a query is looked for as it stands, in other forms, as a beginning, and where nobody
has such a word, as a misspelling. What people call otherwise stands in `vocabulary.toml`. A word
counts the more the fewer models have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from gateway_library.domains import vocabulary
from gateway_library.entries import Entry
from gateway_library.index import Index, Mask, Weights
from gateway_library.words import stem_of, words_of

LONGEST_QUERY: Final = 1000  # characters that are looked at
_MOST_WORDS: Final = 20
_IGNORED: Final = frozenset(
    {"a", "an", "and", "example", "examples", "for", "in", "model", "models", "of", "on", "or"}
    | {"simulate", "simulation", "that", "the", "to", "with"}
)
_SYNONYM: Final = 0.5  # of a word's weight, for what a card says instead
_LONGEST_PHRASE: Final = 3  # words
_FULLEST: Final = 0.5  # of the query's words must be found


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Entry]):
    """What was found, best first, and how many of it there are by each facet's values."""

    facets: Mapping[str, Mapping[str, int]]
    _indexes: tuple[Index, ...]
    _positions: NDArray[np.intp]

    def __len__(self) -> int:
        """How many were found."""
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        """The entry in that place, or some of them."""
        if isinstance(index, slice):
            return [self._entry(int(position)) for position in self._positions[index]]
        return self._entry(int(self._positions[index]))

    def _entry(self, position: int) -> Entry:
        for index in self._indexes:
            if position < len(index.entries):
                return index.entries[position]
            position -= len(index.entries)
        raise IndexError


def search(indexes: Sequence[Index], query: str, wanted: Mapping[str, str] | None = None) -> Hits:
    """What matches `query` in all of `indexes`; everything, in order of name, for an empty one.

    `wanted` asks for values of facets: domain, kind, states, source, fmi_version.
    """
    asked = tuple(indexes)
    found = _having(asked, wanted or {})
    words = _query_words(query)
    scores = _scores(asked, words) if words else None
    if scores is not None:
        found &= scores > 0
    (positions,) = np.nonzero(found)
    if scores is not None:
        positions = positions[np.argsort(-scores[positions], kind="stable")]
    return Hits(_counts(asked, found), asked, positions)


def _query_words(query: str) -> list[str]:
    """Distinct words in order; where all of them are noise, the noise."""
    words = list(dict.fromkeys(words_of(query[:LONGEST_QUERY])))[:_MOST_WORDS]
    return [word for word in words if word not in _IGNORED] or words


def _scores(indexes: tuple[Index, ...], words: list[str]) -> Weights:
    """How well each entry matches; 0 where it holds too few of the words."""
    slots = [_rated(_word(indexes, word)) for word in words]
    for first, length, phrases in _synonyms(words):
        for phrase in phrases:
            rated = _rated(_phrase(indexes, phrase)) * np.float32(_SYNONYM)
            for place in range(first, first + length):
                slots[place] = np.maximum(slots[place], rated)
    table = np.stack(slots)
    enough = np.count_nonzero(table, axis=0) >= _FULLEST * len(words)
    return np.where(enough, table.sum(axis=0), np.float32(0))


def _word(indexes: tuple[Index, ...], word: str) -> Weights:
    known = [index.known(word) for index in indexes]
    if all(weights is None for weights in known):
        known = [index.similar(word) for index in indexes]
    return _joined(indexes, known)


def _phrase(indexes: tuple[Index, ...], phrase: tuple[str, ...]) -> Weights:
    """The weight of its least prominent word: all of them must be there."""
    words = [_joined(indexes, [index.said(word) for index in indexes]) for word in phrase]
    weakest: Weights = np.minimum.reduce(words)
    return weakest


def _joined(indexes: tuple[Index, ...], weights: Sequence[Weights | None]) -> Weights:
    return np.concatenate(
        [
            np.zeros(len(index.entries), np.float32) if found is None else found
            for index, found in zip(indexes, weights, strict=True)
        ]
    )


def _rated(weights: Weights) -> Weights:
    """What few have counts more than what many have."""
    having = np.count_nonzero(weights)
    return weights * np.float32(np.log1p(len(weights) / having)) if having else weights


def _synonyms(words: list[str]) -> Iterator[tuple[int, int, list[tuple[str, ...]]]]:
    """Where in the query something stands that cards call otherwise, and how they call it."""
    stems = [stem_of(word) for word in words]
    for length in range(1, _LONGEST_PHRASE + 1):
        for first in range(len(stems) - length + 1):
            phrases = _table().get(tuple(stems[first : first + length]))
            if phrases:
                yield first, length, phrases


@cache
def _table() -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    return {
        tuple(stem_of(word) for word in said.split()): [tuple(p.split()) for p in phrases]
        for said, phrases in vocabulary()["synonyms"].items()
    }


def _having(indexes: tuple[Index, ...], wanted: Mapping[str, str]) -> Mask:
    found = np.ones(sum(len(index.entries) for index in indexes), np.bool_)
    for facet, value in wanted.items():
        found &= _mask(indexes, facet, value)
    return found


def _counts(indexes: tuple[Index, ...], found: Mask) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for facet in ("domain", "kind", "states"):
        values = sorted({value for index in indexes for value in index.facets[facet]})
        counted = {v: int(np.count_nonzero(found & _mask(indexes, facet, v))) for v in values}
        counts[facet] = {value: count for value, count in counted.items() if count}
    return counts


def _mask(indexes: tuple[Index, ...], facet: str, value: str) -> Mask:
    return np.concatenate(
        [
            index.facets[facet].get(value, np.zeros(len(index.entries), np.bool_))
            for index in indexes
        ]
    )
