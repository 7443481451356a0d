"""The library: models built with the gateway, known from one small index file.

Nothing is unpacked or parsed as XML at start; a model is extracted when it is first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway_library.build import INDEX
from gateway_library.exceptions import (
    AmbiguousModelError,
    LibraryNotBuiltError,
    UnknownModelError,
)
from gateway_library.extraction import ExtractionCache
from gateway_simulation.archive import Limits
from gateway_simulation.model import DefaultExperiment, Kind, Model
from gateway_simulation.nearest import nearest

PREFIX: Final = "msl:"
FMI3: Final = "@fmi3"


@dataclass(frozen=True, slots=True)
class CardVariable:
    """One variable, as far as search and overviews need it."""

    name: str
    causality: str
    unit: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Card:
    """What the library says of one FMU.

    `verified_against` is "published trajectory", "analytic" or "independent integration"; `error`
    bounds the deviation found then, relative to each signal's range, and `how` says what was
    compared.
    """

    id: str
    model_name: str
    fmi_version: str
    guid: str
    description: str
    kinds: tuple[Kind, ...]
    tags: tuple[str, ...]
    literature: tuple[str, ...]
    verified_against: str
    error: float | None
    how: str
    source_sha256: str
    sha256: str
    size_bytes: int
    states: tuple[str, ...]
    variables: tuple[CardVariable, ...]
    default_experiment: DefaultExperiment
    path: Path


class Catalogue:
    """The cards of the library, and the way from a name to a model."""

    def __init__(self, cards: tuple[Card, ...], cache: ExtractionCache) -> None:
        self.cards = cards
        self._cache = cache
        self._by_id = {card.id: card for card in cards}
        self._by_last_part: dict[str, list[Card]] = {}
        for card in cards:
            self._by_last_part.setdefault(_last_part(card.id), []).append(card)

    @classmethod
    def load(cls, folder: Path, cache_folder: Path) -> Self:
        """The library built into `folder`; its models are extracted into `cache_folder`.

        Raises:
            LibraryNotBuiltError: no index there, or one that this version cannot read.

        """
        try:
            entries = json.loads((folder / INDEX).read_bytes())
            cards = tuple(_card(folder, entry) for entry in entries)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LibraryNotBuiltError(str(folder)) from error
        return cls(cards, ExtractionCache(cache_folder / "library", Limits()))

    def resolve(self, model_id: str) -> Model:
        """The model, ready to run: `msl:Name`, `Name`, or the last part where it is unambiguous.

        `@fmi3` at the end asks for the FMI 3.0 build.

        Raises:
            UnknownModelError: no such model.
            AmbiguousModelError: several models end in this name.

        """
        card = self.card(model_id)
        return self._cache.take(card.id, card.sha256, card.path.read_bytes, card.source_sha256)

    def card(self, model_id: str) -> Card:
        """The card behind any spelling of a model's id; raises what `resolve` raises."""
        full = PREFIX + model_id.removeprefix(PREFIX)
        found = self._by_id.get(full)
        if found is not None:
            return found
        candidates = self._by_last_part.get(full.removeprefix(PREFIX), [])
        if not candidates:
            raise UnknownModelError(model_id, nearest(full, self._by_id))
        if len(candidates) > 1:
            raise AmbiguousModelError(model_id, tuple(card.id for card in candidates))
        return candidates[0]


def _last_part(card_id: str) -> str:
    """`PID_Controller@fmi3` of `msl:Modelica.Blocks.Examples.PID_Controller@fmi3`."""
    return card_id.removeprefix(PREFIX).rpartition(".")[2]


def _card(folder: Path, entry: Mapping[str, Any]) -> Card:
    name, version = entry["model_name"], entry["fmi_version"]
    return Card(
        id=f"{PREFIX}{name}{FMI3 if version == '3.0' else ''}",
        model_name=name,
        fmi_version=version,
        guid=entry["guid"],
        description=entry["description"],
        kinds=tuple(entry["kinds"]),
        tags=tuple(entry["tags"]),
        literature=tuple(entry["literature"]),
        verified_against=entry["verified_against"],
        error=entry["error"],
        how=entry["how"],
        source_sha256=entry["source_sha256"],
        sha256=entry["sha256"],
        size_bytes=entry["size_bytes"],
        states=tuple(entry["states"]),
        variables=tuple(CardVariable(**variable) for variable in entry["variables"]),
        default_experiment=DefaultExperiment(**entry["default_experiment"]),
        path=folder / entry["file"],
    )
