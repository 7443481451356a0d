"""A caller's hold on the runs of one call: how far they are, and a way to end them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway_simulation.exceptions import RunCancelledError

End = Callable[[], object]
"""Ends what goes on; quick, and of no harm when that has ended already."""


class Watch:
    """Whoever calls keeps it; many threads may use it at once. Every call's runs have one.

    `share` is how much of the call's runs is done, from 0 to 1; it never falls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._ends: list[End] = []
        self._readers: list[Callable[[], float]] = []
        self._expected = 1
        self._done = 0.0
        self._shown = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether the caller wants the runs no more."""
        return self._cancelled

    @property
    def share(self) -> float:
        """How much is done: runs, and of those under way the part of their rows."""
        with self._lock:
            done = self._done + sum(reader() for reader in self._readers)
            self._shown = max(self._shown, min(1.0, done / self._expected))
            return self._shown

    def cancel(self) -> None:
        """End the runs, wherever they are: nobody wants them any more."""
        with self._lock:
            self._cancelled = True
            for end in self._ends:
                end()

    def check(self) -> None:
        """Raise RunCancelledError where the caller wants the runs no more."""
        if self._cancelled:
            raise cancelled()

    def expect(self, runs: int) -> None:
        """Tell how many runs there will be in all."""
        with self._lock:
            self._expected = max(1, runs)

    def add(self, runs: float) -> None:
        """Tell of runs that are done."""
        with self._lock:
            self._done += runs

    @contextmanager
    def ended_by(self, end: End) -> Iterator[None]:
        """While the block runs, a caller who cancels calls `end`; at once, if that was before."""
        with self._lock:
            self._ends.append(end)
            if self._cancelled:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)

    @contextmanager
    def following(self, reader: Callable[[], float]) -> Iterator[None]:
        """While the block runs, `reader` says how many of its runs are done, with fractions."""
        with self._lock:
            self._readers.append(reader)
        try:
            yield
        finally:
            with self._lock:
                self._readers.remove(reader)


def cancelled() -> RunCancelledError:
    """What the caller hears, if anything."""
    return RunCancelledError("the caller cancelled the run")
