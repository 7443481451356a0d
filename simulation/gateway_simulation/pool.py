"""The cores that runs get, and the queue before them, in which everybody takes turns.

Whoever has the fewest runs under way is next; among equals, who has waited longest since their last
turn. So nobody makes another wait for more than one run, however many they asked for. Who that is
stays opaque: the gateway names accounts.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from gateway_simulation.exceptions import BusyError, SimulatorClosedError
from gateway_simulation.watch import Watch

MOST_WAITING: Final = 64
"""Runs in the queue; each holds one of the server's threads."""
MOST_WAITING_EACH: Final = 16
"""Runs in the queue for whom it is the same one's turn, unless something else is set."""
_WEIGHT_OF_NEWEST: Final = 0.2
_CLOSED: Final = "the simulator takes no more runs"


@dataclass(eq=False, slots=True)
class Place:
    """One run in the queue. There is `news` once it is `called`, to its core, or `called_off`."""

    turn: str
    called: bool = False
    called_off: bool = False
    news: threading.Event = field(default_factory=threading.Event)


class Queue:
    """Who gets which core when. Knows no threads: whoever calls it holds a lock."""

    def __init__(self, cores: int, most_each: int = MOST_WAITING_EACH) -> None:
        self.free = cores
        self.most_each = most_each
        self.waiting = 0
        self.under_way: Counter[str] = Counter()
        self._places: dict[str, deque[Place]] = {}  # in the order of their turns

    def join(self, turn: str) -> Place:
        """A place in the queue, called at once where a core is free.

        Raises BusyError where the queue is full, with `bound` and `limit` in its details.
        """
        place = Place(turn)
        if self.free:
            self._call(place)
            return place
        self._check_room(turn)
        self._places.setdefault(turn, deque()).append(place)
        self.waiting += 1
        return place

    def leave(self, place: Place) -> None:
        """Give up waiting, or give the core back."""
        if place.called_off:
            return
        if place.called:
            self._end(place.turn)
            return
        mine = self._places[place.turn]
        mine.remove(place)
        self.waiting -= 1
        if not mine:
            del self._places[place.turn]

    def call_off(self) -> None:
        """Send home all who wait."""
        for place in chain.from_iterable(self._places.values()):
            place.called_off = True
            place.news.set()
        self._places.clear()
        self.waiting = 0

    def ahead(self, turn: str) -> int:
        """How many runs would begin before one that joined now, at most."""
        mine = len(self._places.get(turn, ()))
        return sum(min(len(places), mine + 1) for places in self._places.values())

    def _check_room(self, turn: str) -> None:
        full = None
        if len(self._places.get(turn, ())) >= self.most_each:
            full = _busy("account", "runs of this account wait already", self.most_each)
        elif self.waiting >= MOST_WAITING:
            full = _busy("gateway", "runs wait already, of all accounts", MOST_WAITING)
        if full:
            raise full

    def _end(self, turn: str) -> None:
        """Hand the core on; who had it until now counts as having it, and so lets others by."""
        self.free += 1
        if self._places:
            following = min(self._places, key=self.under_way.__getitem__)
            places = self._places.pop(following)
            place = places.popleft()
            self.waiting -= 1
            if places:
                self._places[following] = places  # behind all others
            self._call(place)
        self.under_way[turn] -= 1
        if not self.under_way[turn]:
            del self.under_way[turn]

    def _call(self, place: Place) -> None:
        self.free -= 1
        self.under_way[place.turn] += 1
        place.called = True
        place.news.set()


@dataclass(frozen=True, slots=True)
class Load:
    """Cores that there are and that are taken, and runs that wait for one."""

    cores: int
    busy: int
    waiting: int


class Pool:
    """As many runs at once as there are cores. A run waits for its core up to `patience_s`.

    `most_each`: how many runs of one turn may wait at once.
    """

    def __init__(self, cores: int, patience_s: float, most_each: int = MOST_WAITING_EACH) -> None:
        self._cores = cores
        self._patience_s = patience_s
        self._queue = Queue(cores, most_each)
        self._lock = threading.Lock()
        self._typical_s: float | None = None
        self._closed = False

    @property
    def load(self) -> Load:
        """How much goes on at this moment."""
        with self._lock:
            queue = self._queue
            return Load(self._cores, self._cores - queue.free, queue.waiting)

    @contextmanager
    def core(self, turn: str, watch: Watch) -> Iterator[None]:
        """A core for a run, waited for in the queue.

        Raises BusyError where the queue is full or no core came free in time, RunCancelledError
        where the caller stopped waiting, SimulatorClosedError where the queue is closed.
        """
        place = self._join(turn)
        try:
            with watch.ended_by(place.news.set):
                place.news.wait(self._patience_s)
            watch.check()
            self._check_called(place)
            begun = time.monotonic()
            yield
            self._learn(time.monotonic() - begun)
        finally:
            with self._lock:
                self._queue.leave(place)

    @contextmanager
    def spare_cores(self, turn: str, most: int) -> Iterator[int]:
        """Up to `most` more cores that are free at this moment; none where somebody waits."""
        with self._lock:
            places = [self._queue.join(turn) for _ in range(min(most, self._queue.free))]
        try:
            yield len(places)
        finally:
            with self._lock:
                for place in places:
                    self._queue.leave(place)

    def close(self) -> None:
        """Send home who waits and take nobody any more; runs that have a core keep it."""
        with self._lock:
            self._closed = True
            self._queue.call_off()

    def _join(self, turn: str) -> Place:
        with self._lock:
            if self._closed:
                raise SimulatorClosedError(_CLOSED)
            try:
                return self._queue.join(turn)
            except BusyError as error:
                raise self._estimated(error, turn) from None

    def _check_called(self, place: Place) -> None:
        """Raise BusyError where no core came, be it at the last moment, or SimulatorClosedError."""
        with self._lock:
            if place.called_off:
                raise SimulatorClosedError(_CLOSED)
            if not place.called:
                error = _busy("wait", "s went by and no core came free", self._patience_s)
                raise self._estimated(error, place.turn)

    def _estimated(self, error: BusyError, turn: str) -> BusyError:
        """The same, with how long a run that is asked for now would wait [s]."""
        typical_s = self._patience_s if self._typical_s is None else self._typical_s
        wait_s = (1 + self._queue.ahead(turn)) * typical_s / self._cores
        error.details["retry_after_s"] = max(1, math.ceil(wait_s))
        return error

    def _learn(self, seconds: float) -> None:
        """How long runs take of late."""
        with self._lock:
            before = seconds if self._typical_s is None else self._typical_s
            self._typical_s = before + _WEIGHT_OF_NEWEST * (seconds - before)


def _busy(bound: str, what: str, limit: float) -> BusyError:
    msg = f"{limit:g} {what}"
    return BusyError(msg, {"bound": bound, "limit": limit})
