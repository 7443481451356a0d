"""Pages of a list: the cursor is the position of the next page's first item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from gateway_tools.exceptions import CursorError

ItemT = TypeVar("ItemT")


def page(
    items: Sequence[ItemT], cursor: str | None, limit: int
) -> tuple[Sequence[ItemT], str | None]:
    """The page that starts at `cursor`, and the cursor of the next one.

    Raises:
        CursorError: not a cursor that this function made.

    """
    start = _position(cursor)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):  # noqa: PLR2004
        raise CursorError
    return int(cursor)
