"""One canonical JSON and one hash: equal requests have equal bytes however they were written."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """`value` as JSON: keys sorted, no spaces, UTF-8, floats in shortest form, -0.0 as 0.0.

    Raises ValueError for NaN and infinities, which JSON doesn't know.
    """
    text = json.dumps(
        _without_negative_zero(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.encode()


def sha256_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _without_negative_zero(value: Any) -> Any:  # noqa: ANN401
    match value:
        case float():
            return value + 0.0
        case dict():
            return {key: _without_negative_zero(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_negative_zero(item) for item in value]
    return value
