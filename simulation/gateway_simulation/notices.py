"""What was decided for a caller: sentences of ours and, apart, the names that they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Names = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing decided. `about` is where the answer's `resolved` lists the `names`, a model's."""

    text: str
    about: str = ""
    names: tuple[str, ...] = ()


def warnings(notices: Iterable[Notice]) -> tuple[str, ...]:
    """Their sentences, each once and with the place of its names."""
    told = (f"{n.text}: see resolved.{n.about}" if n.about else n.text for n in notices)
    return tuple(dict.fromkeys(told))


def names(notices: Iterable[Notice]) -> Names:
    """Their names by place."""
    found: dict[str, tuple[str, ...]] = {}
    for notice in notices:
        if notice.about:
            found[notice.about] = (*found.get(notice.about, ()), *notice.names)
    return tuple((about, tuple(dict.fromkeys(them))) for about, them in found.items())
