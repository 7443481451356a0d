"""A payment that comes along with a call, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Proof:
    """What a door found beside the call: an x402 payment, not yet looked at.

    `receipt` is x402's settlement response once something is known of the payment; the door sends
    it back with the answer, whether that is a success or not. Each call has a proof of its own.
    """

    payload: dict[str, Any]
    receipt: dict[str, Any] | None = None
