"""The field of engineering that a model is about: told by its card, its name, its tags or units."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

Domain = Literal[
    "electrical", "mechanical", "thermal", "fluid", "control", "biology", "chemistry", "mathematics"
]
DOMAINS: Final[tuple[Domain, ...]] = get_args(Domain)
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@cache
def vocabulary() -> Mapping[str, Mapping[str, Any]]:
    """`vocabulary.toml`: the words of search."""
    path = Path(__file__).with_name("vocabulary.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def domains_of(name: str, tags: Iterable[str], units: Iterable[str]) -> tuple[Domain, ...]:
    """The domains of a model whose card names none, in a fixed order.

    Its name decides; where that says nothing, its tags do, or else the units of its variables. A
    model is called mathematical only where it is about nothing else.
    """
    in_name = {w.casefold() for part in name.split(".") for w in (part, *_PARTS.findall(part))}
    in_tags = {word for tag in tags for word in tag.casefold().split()}
    named = _having("domains", in_name) or _having("domains", in_tags)
    return tuple(d for d in named if d != "mathematics") or named or _having("units", set(units))


def _having(table: str, said: set[str]) -> tuple[Domain, ...]:
    known = vocabulary()[table]
    return tuple(domain for domain in DOMAINS if not said.isdisjoint(known.get(domain, ())))
