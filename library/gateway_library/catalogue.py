"""The library: models built with the gateway, known from one small index file, and operators' own.

Nothing is unpacked or parsed as XML at start; a model is extracted when it is first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway_library.build import INDEX
from gateway_library.domains import Domain, domains_of
from gateway_library.examination import CardVariable
from gateway_library.exceptions import (
    AmbiguousModelError,
    LibraryNotBuiltError,
    RemovedModelError,
    UnknownModelError,
)
from gateway_library.extraction import ExtractionCache
from gateway_library.operators import OperatorLibrary
from gateway_library.shelf import Offered, Shelf
from gateway_simulation.archive import Limits
from gateway_simulation.model import DefaultExperiment, Kind, Model
from gateway_simulation.nearest import nearest

PREFIX: Final = "msl:"
FMI3: Final = "@fmi3"


@dataclass(frozen=True, slots=True)
class Card:
    """What the library says of one FMU.

    `verified_against` is "published trajectory", "analytic", "independent integration" or, for an
    operator's, "measurement" or nothing; `error` bounds the deviation found then, relative to each
    signal's range, and `how` says what was compared. `source_sha256` is None where we don't have
    the source. `notes` and `kpis` are what an operator wants its users to know and to ask for.
    """

    id: str
    model_name: str
    fmi_version: str
    guid: str
    description: str
    kinds: tuple[Kind, ...]
    tags: tuple[str, ...]
    literature: tuple[str, ...]
    verified_against: str | None
    error: float | None
    how: str | None
    source_sha256: str | None
    sha256: str
    size_bytes: int
    n_states: int
    variables: tuple[CardVariable, ...]
    default_experiment: DefaultExperiment
    path: Path
    domains: tuple[Domain, ...] = ()
    notes: str | None = None
    kpis: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _View:
    """All there is at one moment, by every way to name it."""

    shelf: Shelf | None
    cards: tuple[Card, ...]
    offered: Mapping[str, Offered]
    by_id: Mapping[str, Card]
    by_last_part: Mapping[str, tuple[Card, ...]]


class Catalogue:
    """The cards of the library, and the way from a name to a model.

    `built` are the gateway's own, extracted into `cache`.
    """

    def __init__(
        self,
        built: tuple[Card, ...],
        cache: ExtractionCache,
        operators: OperatorLibrary | None = None,
    ) -> None:
        self.operators = operators
        self._built = built
        self._cache = cache
        self._view = _viewed(built)

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

    def with_operators(self, operators: OperatorLibrary) -> Self:
        """The same and the operators' own models."""
        return type(self)(self._built, self._cache, operators)

    @property
    def cards(self) -> tuple[Card, ...]:
        """All cards. The tuple is the same one until something changes."""
        return self._current().cards

    @property
    def own_names(self) -> frozenset[str]:
        """What the gateway's own models are called: names that an operator's can't have."""
        ids = (card.id.removeprefix(PREFIX) for card in self._built)
        return frozenset(name for full in ids for name in (full, full.removesuffix(FMI3)))

    def resolve(self, model_id: str) -> Model:
        """The model, ready to run: `msl:Name`, `Name`, or the last part where it is unambiguous.

        `@fmi3` at the end asks for the FMI 3.0 build, which also goes without it where there is
        no other.

        Raises:
            UnknownModelError: no such model.
            RemovedModelError: its operator took it away or replaced it just now.
            AmbiguousModelError: several models end in this name.

        """
        view = self._current()
        card = self._found(view, model_id)
        offered = view.offered.get(card.id)
        if self.operators is None or offered is None:
            return self._cache.take(card.id, card.sha256, card.path.read_bytes, card.source_sha256)
        try:
            return self.operators.take(card.id, offered)
        except OSError as error:
            raise RemovedModelError(card.id) from error

    def card(self, model_id: str) -> Card:
        """The card behind any spelling of a model's id; raises what `resolve` raises."""
        return self._found(self._current(), model_id)

    def _found(self, view: _View, model_id: str) -> Card:
        full = PREFIX + model_id.removeprefix(PREFIX)
        found = view.by_id.get(full)
        if found is not None:
            return found
        name = full.removeprefix(PREFIX)
        candidates = view.by_last_part.get(name, ())
        if len(candidates) > 1:
            raise AmbiguousModelError(model_id, tuple(card.id for card in candidates))
        if candidates:
            return candidates[0]
        if self.operators is not None and self.operators.was_removed(name):
            raise RemovedModelError(model_id)
        raise UnknownModelError(model_id, nearest(full, view.by_id))

    def _current(self) -> _View:
        view = self._view
        if self.operators is not None and view.shelf is not self.operators.shelf:
            shelf = self.operators.shelf
            view = self._view = _viewed(self._built, self.operators.folder, shelf)
        return view


def _viewed(built: tuple[Card, ...], folder: Path = Path(), shelf: Shelf | None = None) -> _View:
    offered = {PREFIX + one.name: one for one in (shelf.offered if shelf is not None else ())}
    cards = (*built, *(_operators_card(folder, one) for one in offered.values()))
    by_last_part: dict[str, tuple[Card, ...]] = {}
    by_id = {card.id: card for card in cards}
    short = {card.id.removesuffix(FMI3): card for card in cards}
    named = short | by_id  # a model that is FMI 3.0 only has its plain name, too
    for name, card in named.items():
        last = _last_part(name)
        by_last_part[last] = (*by_last_part.get(last, ()), card)
    return _View(shelf, cards, offered, named, by_last_part)


def _last_part(card_id: str) -> str:
    """`PID_Controller@fmi3` of `msl:Modelica.Blocks.Examples.PID_Controller@fmi3`."""
    return card_id.removeprefix(PREFIX).rpartition(".")[2]


def _card(folder: Path, entry: Mapping[str, Any]) -> Card:
    name, version = entry["model_name"], entry["fmi_version"]
    variables = tuple(CardVariable(**variable) for variable in entry["variables"])
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
        n_states=entry["n_states"],
        variables=variables,
        default_experiment=DefaultExperiment(**entry["default_experiment"]),
        path=folder / entry["file"],
        domains=domains_of(name, entry["tags"], (v.unit for v in variables if v.unit)),
    )


def _operators_card(folder: Path, offered: Offered) -> Card:
    card, examined, facts = offered.card, offered.examined, offered.examined.facts
    assert facts is not None  # or it would not be offered
    verified = card.verified
    units = (v.unit for v in facts.variables if v.unit)
    return Card(
        id=PREFIX + offered.name,
        model_name=facts.model_name,
        fmi_version=facts.fmi_version,
        guid=facts.guid,
        description=card.description or facts.description,
        kinds=facts.kinds,
        tags=card.tags,
        literature=card.literature,
        verified_against=verified.against if verified else None,
        error=verified.error if verified else None,
        how=verified.how if verified else None,
        source_sha256=None,
        sha256=examined.sha256,
        size_bytes=examined.size_bytes,
        n_states=facts.n_states,
        variables=facts.variables,
        default_experiment=facts.default_experiment,
        path=folder / offered.file,
        domains=card.domains or domains_of(offered.name, card.tags, units),
        notes=card.notes,
        kpis=card.kpis,
    )
