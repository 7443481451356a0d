"""What the operators' folder offers at one moment: who has which name, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway_library.examination import Examined
from gateway_library.folder import Place
from gateway_library.operator_card import NAME, OperatorCard

FMI3: Final = "@fmi3"


@dataclass(frozen=True, slots=True)
class Known:
    """A file as it was found.

    `card_problems`: why its card can't be used; then `card` is the one that it had before, and None
    where it had none.
    """

    place: Place
    examined: Examined
    card: OperatorCard | None
    card_problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A model that the folder offers as `msl:<name>`; `file` is relative to the folder."""

    name: str
    file: str
    examined: Examined
    card: OperatorCard


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a file. `served`: nevertheless, with the card that it had before."""

    file: str
    problems: tuple[str, ...]
    served: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the folder offers at one moment, and what is wrong with the rest."""

    offered: tuple[Offered, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def arranged(known: Mapping[str, Known], taken: frozenset[str]) -> Shelf:
    """The first file of a name, in order of path, has it."""
    offered: dict[str, Offered] = {}
    troubles = []
    for file, one in sorted(known.items()):
        name = (one.card.name if one.card else None) or Path(file).stem
        problems = tuple(_problems(name, one, taken, offered.get(name)))
        served = one.card is not None and not problems
        if one.card is not None and served:
            offered[name] = Offered(name, file, one.examined, one.card)
        if one.card_problems or problems:
            troubles.append(Trouble(file, one.card_problems + problems, served))
    return Shelf(tuple(offered.values()), tuple(troubles))


def _problems(
    name: str, known: Known, taken: frozenset[str], other: Offered | None
) -> Iterator[str]:
    yield from known.examined.problems
    if not re.fullmatch(NAME, name, re.ASCII):
        yield f"{name!r} is no name (letters, digits, _ . -): rename it, or give its card a name"
    if name in taken:
        yield f"the gateway has a model of its own named {name!r}: rename it, or give its card one"
    if other is not None:
        yield f"{other.file} has the name {name!r} already"
    facts = known.examined.facts
    if facts is not None and name.endswith(FMI3) and facts.fmi_version != "3.0":
        yield f"its name ends in {FMI3}, but it is of FMI {facts.fmi_version}"
