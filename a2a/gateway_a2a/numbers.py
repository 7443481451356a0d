"""Numbers that came through protobuf."""

from __future__ import annotations

from typing import Any


def integral(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Protobuf turns every number into a double: 2 came as 2.0."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case dict():
            return {key: integral(item) for key, item in value.items()}
        case list():
            return [integral(item) for item in value]
    return value
