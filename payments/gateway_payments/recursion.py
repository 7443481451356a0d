"""Python's limit of recursion, which a library lifts when it is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Whatever is imported meanwhile leaves the limit as it was.

    py_ecc, which eth_account and web3 import, lifts it a hundredfold. JSON from outside that is
    nested so deep would then overflow the stack and end the process, in place of a RecursionError.
    """
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
