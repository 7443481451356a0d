"""Python's limit of recursion, which a library lifts when it is imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ONE_AT_A_TIME: Final = threading.RLock()


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Whatever is imported meanwhile leaves the limit as it was.

    py_ecc, which eth_account and web3 import, lifts it a hundredfold. JSON from outside that is
    nested so deep would then overflow the stack and end the process, in place of a RecursionError.
    Who comes while another imports waits: it would take the lifted limit for what it was.
    """
    with _ONE_AT_A_TIME:
        limit = sys.getrecursionlimit()
        try:
            yield
        finally:
            sys.setrecursionlimit(limit)
