"""JSON from outside that is nested deep must be an error, whoever imports what at the time."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from gateway_payments.recursion import recursion_limit_kept


def test_two_that_import_at_once_leave_the_limit_as_it_was() -> None:
    before = sys.getrecursionlimit()
    lifted, joined, left = (threading.Event() for _ in range(3))

    def first() -> None:
        with recursion_limit_kept():
            sys.setrecursionlimit(before + 10_000)
            lifted.set()
            joined.wait(0.2)  # in vain, unless both may be inside at once
        left.set()

    def second() -> None:
        lifted.wait()
        with recursion_limit_kept():
            joined.set()
            left.wait()

    try:
        with ThreadPoolExecutor(2) as threads:
            for done in (threads.submit(first), threads.submit(second)):
                done.result(20)
        assert sys.getrecursionlimit() == before
    finally:
        sys.setrecursionlimit(before)
