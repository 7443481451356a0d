"""Whether a call that failed is sent again, and when."""

from __future__ import annotations

import random
from typing import Final

from fmu_gateway_sdk.exceptions import (
    BusyError,
    GatewayError,
    InvalidAnswerError,
    UnreachableError,
)

DEFAULT_PATIENCE_S: Final = 30.0
_FIRST_S: Final = 0.25
_LONGEST_S: Final = 4.0
_CHANCE: Final = 0.25  # so that many clients of one gateway don't come again all at once
_OF_A_PROXY: Final = (502, 503, 504)


class Patience:
    """The pauses of one call, which may add up to `total_s` [s].

    The gateway says how long to wait where it is busy, or still at the run that this very call
    began. Where it is silent, or a proxy before it says that it is, the pauses double.
    """

    def __init__(self, total_s: float) -> None:
        self._left_s = total_s
        self._next_s = _FIRST_S

    def after(self, error: GatewayError) -> float | None:
        """How long to wait before the call is sent again [s]; None where it shouldn't be."""
        if isinstance(error, BusyError) or error.code == "run_in_progress":
            wanted = float(error.details.get("retry_after_s", 1))
        elif _is_silence(error):
            wanted, self._next_s = self._next_s, min(2 * self._next_s, _LONGEST_S)
        else:
            return None
        wanted *= 1 + _CHANCE * random.random()  # noqa: S311  nothing secret
        if wanted > self._left_s:
            return None
        self._left_s -= wanted
        return wanted


def _is_silence(error: GatewayError) -> bool:
    return isinstance(error, UnreachableError) or (
        isinstance(error, InvalidAnswerError) and error.status in _OF_A_PROXY
    )
