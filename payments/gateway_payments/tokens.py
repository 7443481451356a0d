"""Payment tokens: the bearer's form of an entitlement, derived and never stored.

Claiming again after a lost answer gives the same token, and a copy of the database gives none.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

_LONGEST: Final = 200


def token(secret: bytes, entitlement_id: str) -> str:
    """The token of an entitlement, `<entitlement id>.<hex>`."""
    mac = hmac.new(secret, f"payment token:{entitlement_id}".encode(), hashlib.sha256)
    return f"{entitlement_id}.{mac.hexdigest()}"


def entitlement_of(secret: bytes, bearer: str) -> str | None:
    """The entitlement that a token stands for; None for a forged or mangled one."""
    if len(bearer) > _LONGEST or not bearer.isascii():
        return None
    entitlement_id = bearer.partition(".")[0]
    genuine = token(secret, entitlement_id)
    return entitlement_id if hmac.compare_digest(bearer, genuine) else None
