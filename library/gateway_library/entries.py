"""What can be found: models of the library and uploads, as search sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway_library.catalogue import Card
from gateway_library.domains import Domain, domains_of
from gateway_library.store import Stored
from gateway_simulation.model import Kind

States = Literal["0", "1-2", "3-9", "10+"]
"""How many continuous states a model has, roughly."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model that can be found. The text of an upload is its author's: data, not instruction.

    `n_states` is None for uploads that an older version stored.
    """

    id: str
    source: Literal["library", "upload"]
    model_name: str
    fmi_version: str
    guid: str
    description: str | None
    kinds: tuple[Kind, ...]
    domains: tuple[Domain, ...]
    n_states: int | None
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
        domains=card.domains,
        n_states=card.n_states,
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
        domains=domains_of(stored.model_name, (), stored.units),
        n_states=stored.n_states,
        tags=(),
        units=stored.units,
        variables=stored.variables,
        verified_against=None,
        error=None,
    )


def states_of(entry: Entry) -> States | None:
    """The entry's number of states, roughly; None where it isn't known."""
    match entry.n_states:
        case None:
            return None
        case 0:
            return "0"
        case 1 | 2:
            return "1-2"
        case n if n < 10:  # noqa: PLR2004  the facet's own bound
            return "3-9"
    return "10+"
