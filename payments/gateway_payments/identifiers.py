"""Ids and names that came from outside: what no database keeps never reaches ours."""

from __future__ import annotations

from typing import Final

from gateway_payments.exceptions import InvalidTextError

_LONGEST: Final = 255


def is_plausible(identifier: str) -> bool:
    """Whether this could be an id. No NUL, no lone surrogate, nothing that a driver chokes on."""
    return len(identifier) <= _LONGEST and identifier.isascii() and identifier.isprintable()


def require_text(name: str, value: str, *, longest: int) -> None:
    """Raise InvalidTextError unless `value` is printable: any script, no NUL, no control character.

    `name` is what the caller calls it.
    """
    if len(value) > longest or not value.isprintable():
        raise InvalidTextError(name, longest)


def require_words(name: str, value: str, *, longest: int) -> None:
    """Raise InvalidTextError unless `value` is printable and says something."""
    require_text(name, value, longest=longest)
    if not value.strip():
        raise InvalidTextError(name, longest)
