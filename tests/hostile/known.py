"""What gets through, and why: limits of a tier."""

from __future__ import annotations

from typing import Final

_METADATA: Final = "Landlock doesn't hide that a file exists, how large it is, where a link leads"

_KNOWN: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "read: how large a file is": (("standard",), _METADATA),
    "read: that a file exists": (("standard",), _METADATA),
    "read: where a link leads": (("standard",), _METADATA),
}


def known(attack: str, tier: str) -> str:
    """Why the attack has an effect in that tier; empty where it must have none."""
    tiers, reason = _KNOWN.get(attack, ((), ""))
    return reason if tier in tiers else ""
