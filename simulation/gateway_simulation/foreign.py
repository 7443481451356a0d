"""Text that a stranger wrote: made readable, bounded and free of what nobody sees.

Whatever an FMU brings along may end before a language model, in a terminal or on a page. Letters of
all languages stay; what doesn't show (controls, bidi overrides, zero-width characters, tags,
variation selectors, fillers, private and unassigned characters) goes, since it hides orders from
people or forges lines. A text is cleaned where it comes in, and trusted to be clean from there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BREAKS: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_UNSEEN_LETTERS: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0000-\U000e0fff]"
)
"""Fillers, joiners and variation selectors that Unicode counts among letters, marks and symbols."""
_MARKS: Final = 4
"""Marks on one letter; Vietnamese needs two, pointed Hebrew three."""
_ELLIPSIS: Final = "…"
_READ: Final = 4


def readable(text: str, length: int) -> str:
    """`text` on one line, at most `length` characters; a cut shows as an ellipsis.

    Only the first `4 * length` characters are looked at, so that any text takes bounded time.
    """
    seen = text[: _READ * length]
    if not (seen.isascii() and seen.isprintable()):
        seen = _visible(seen)
    seen = " ".join(seen.split())
    if len(seen) > length or len(text) > _READ * length:
        return seen[: length - 1] + _ELLIPSIS
    return seen


def hides_something(name: str) -> bool:
    """Whether `name` holds characters that don't show: two names could look the same."""
    return not (name.isascii() and name.isprintable()) and any(_unseen(c) for c in name)


def _visible(text: str) -> str:
    spaced = "".join(" " if c in _BREAKS else "" if _unseen(c) else c for c in text)
    return _calmed(unicodedata.normalize("NFC", spaced))


def _unseen(character: str) -> bool:
    return (
        unicodedata.category(character) in _INVISIBLE
        or _UNSEEN_LETTERS.match(character) is not None
    )


def _calmed(text: str) -> str:
    """Without marks that pile up on one letter until they cover the lines around it."""
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)
