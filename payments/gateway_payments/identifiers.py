"""Ids that came from outside: what cannot be one of ours never reaches the database."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 255


def is_plausible(identifier: str) -> bool:
    """Whether this could be an id. No NUL, no lone surrogate, nothing that a driver chokes on."""
    return len(identifier) <= _LONGEST and identifier.isascii() and identifier.isprintable()
