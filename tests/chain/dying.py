"""A process that dies at a point of our choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class KilledError(BaseException):
    """The process died here."""


def dies(*_: object, **__: object) -> Any:  # noqa: ANN401
    raise KilledError


def dies_after(real: Callable[..., Any]) -> Callable[..., Any]:
    def dying(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        real(*args, **options)
        raise KilledError

    return dying
