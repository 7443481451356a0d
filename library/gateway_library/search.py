"""Find a model by what it is about: words, tags, variables, units; typing mistakes forgiven."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway_library.catalogue import Card
from gateway_library.store import Stored
from gateway_simulation.model import Kind

_LONGEST_QUERY: Final = 1000  # characters
_MOST_WORDS: Final = 20
_IGNORED: Final = frozenset(
    {"a", "an", "and", "for", "in", "model", "of", "on", "or", "simulate", "simulation", "the"}
    | {"to", "with"}
)
_NAME, _TAG, _UNIT, _VARIABLE, _TEXT = 10.0, 6.0, 5.0, 3.0, 2.0
_PREFIX: Final = 0.8  # of a word's weight, for a query that is its beginning
_SIMILAR: Final = 0.6  # for a word spelled almost so
_SIMILARITY: Final = 78  # of 100, by rapidfuzz's ratio
_SHORTEST_MISTAKE: Final = 4  # letters; shorter words are too like each other
_SHORTEST_PREFIX: Final = 3
_FULLEST: Final = 0.5  # of the query's words must be found


@dataclass(frozen=True, slots=True)
class Entry:
    """One model that can be found. The text of an upload is its author's: data, not instruction."""

    id: str
    source: Literal["library", "upload"]
    model_name: str
    fmi_version: str
    guid: str
    description: str | None
    kinds: tuple[Kind, ...]
    tags: tuple[str, ...]
    units: tuple[str, ...]
    variables: tuple[str, ...]
    verified_against: str | None
    error: float | None


def library_entry(card: Card) -> Entry:
    """The library model as search sees it."""
    return Entry(
        id=card.id,
        source="library",
        model_name=card.model_name,
        fmi_version=card.fmi_version,
        guid=card.guid,
        description=card.description,
        kinds=card.kinds,
        tags=card.tags,
        units=tuple(sorted({v.unit for v in card.variables if v.unit})),
        variables=tuple(text for v in card.variables for text in (v.name, v.description)),
        verified_against=card.verified_against,
        error=card.error,
    )


def upload_entry(stored: Stored) -> Entry:
    """The account's upload as search sees it."""
    return Entry(
        id=stored.id,
        source="upload",
        model_name=stored.model_name,
        fmi_version=stored.fmi_version,
        guid=stored.guid,
        description=stored.description,
        kinds=stored.kinds,
        tags=(),
        units=stored.units,
        variables=stored.variables,
        verified_against=None,
        error=None,
    )


def search(entries: Iterable[Entry], query: str) -> list[Entry]:
    """The entries that match, best first; all of them, in order of name, for an empty query."""
    found = sorted(entries, key=lambda e: (e.source, e.model_name, e.fmi_version, e.id))
    words = _query_words(query)
    if not words:
        return found
    index = _index(found)
    scores: dict[int, list[float]] = defaultdict(list)
    for word in words:
        for position, score in _matches(word, index).items():
            scores[position].append(score)
    enough = [p for p in sorted(scores) if len(scores[p]) >= _FULLEST * len(words)]
    enough.sort(key=lambda p: -sum(scores[p]))
    return [found[position] for position in enough]


def _query_words(query: str) -> list[str]:
    """Distinct words in order; where all of them are noise, the noise."""
    words = list(dict.fromkeys(_words(query[:_LONGEST_QUERY])))[:_MOST_WORDS]
    return [word for word in words if word not in _IGNORED] or words


def _index(entries: Sequence[Entry]) -> dict[str, dict[int, float]]:
    """For each word the entries that hold it, by position, and the weight of the best place."""
    index: dict[str, dict[int, float]] = defaultdict(dict)
    for position, entry in enumerate(entries):
        for text, weight in _texts(entry):
            for word in _words(text):
                index[word][position] = max(weight, index[word].get(position, 0.0))
        for unit in entry.units:
            index[unit.casefold()][position] = _UNIT
    return index


def _texts(entry: Entry) -> Iterable[tuple[str, float]]:
    yield entry.id, _NAME
    yield entry.model_name, _NAME
    yield entry.description or "", _TEXT
    for tag in entry.tags:
        yield tag, _TAG
    for variable in entry.variables:
        yield variable, _VARIABLE


def _words(text: str) -> Iterable[str]:
    """`BouncingBall` is found as bouncing, ball and bouncingball; `m/s` as it stands."""
    for chunk in text.split():
        if "/" in chunk:
            yield chunk.casefold()
        for word in re.findall(r"\w+", chunk):
            yield word.casefold()
            parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", word)
            if len(parts) > 1:
                yield from (part.casefold() for part in parts)


def _matches(word: str, index: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """The entries that hold something like `word`, and how well."""
    from rapidfuzz import fuzz, process  # noqa: PLC0415  not needed to start a server

    likeness = {word: 1.0} if word in index else {}
    if len(word) >= _SHORTEST_PREFIX:
        likeness |= {w: _PREFIX for w in index if w.startswith(word) and w != word}
    if len(word) >= _SHORTEST_MISTAKE:
        similar = process.extract(
            word, index.keys(), scorer=fuzz.ratio, score_cutoff=_SIMILARITY, limit=20
        )
        for found, ratio, _ in similar:
            likeness.setdefault(found, _SIMILAR * ratio / 100)
    best: dict[int, float] = {}
    for found, factor in likeness.items():
        for position, weight in index[found].items():
            best[position] = max(factor * weight, best.get(position, 0.0))
    return best
