"""Text as search sees it: words, their parts and their stems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"\w+")
_LONGEST_STEMMED: Final = 16  # letters
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(text: str) -> Iterator[str]:
    """`BouncingBall` is found as bouncing, ball and bouncingball; `m/s` as it stands."""
    for chunk in text.split():
        if "/" in chunk:
            yield chunk.casefold()
        for word in _WORD.findall(chunk):
            if word.isalpha() and word.islower():
                yield word
                continue
            yield word.casefold()
            parts = _PARTS.findall(word)
            if len(parts) > 1:
                yield from (part.casefold() for part in parts)


@lru_cache(100_000)
def stem_of(word: str) -> str:
    """What is the same in bounce, bouncing and bounces (Porter's algorithm for English).

    What is no English word is its own stem: `v2`, `i_load` and names without an end.
    """
    if not word.isalpha() or len(word) > _LONGEST_STEMMED:
        return word
    import snowballstemmer  # type: ignore[import-untyped] # noqa: PLC0415 - not needed at start

    return str(snowballstemmer.stemmer("english").stemWord(word))  # it can't be shared by threads
