"""Cores and the queue before them: nobody waits for more than their turn, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway_simulation.exceptions import BusyError
from gateway_simulation.pool import MOST_WAITING, MOST_WAITING_EACH, Place, Pool, Queue
from gateway_simulation.watch import Watch

CORES = 2
TURNS = st.sampled_from(["greedy", "b", "c"])


class Turns(RuleBasedStateMachine):
    """Runs that come, end and give up in every order, beside what is expected of the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(CORES)
        self.running: list[Place] = []
        self.waiting: list[Place] = []
        self.passed: dict[Place, Counter[str]] = {}

    @rule(turn=TURNS)
    def ask(self, turn: str) -> None:
        if not self._room(turn):
            self._check_refusal(turn)
            return
        place = self.queue.join(turn)
        (self.running if place.called else self.waiting).append(place)
        self.passed[place] = Counter()

    @rule(count=st.integers(2, MOST_WAITING_EACH))
    def ask_for_many(self, count: int) -> None:
        for _ in range(count):
            self.ask("greedy")

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        ended = data.draw(st.sampled_from(self.running))
        had = Counter(place.turn for place in self.running)
        self.queue.leave(ended)
        self.running.remove(ended)
        called = [place for place in self.waiting if place.called]
        assert len(called) == bool(self.waiting), "a core was handed to one, if anyone waited"
        for place in called:
            self._check_turn(place, had)
            self.waiting.remove(place)
            self.running.append(place)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.waiting))
        self.queue.leave(place)
        self.waiting.remove(place)

    @invariant()
    def every_core_is_free_or_in_use(self) -> None:
        assert self.queue.free + len(self.running) == CORES
        assert self.queue.under_way == Counter(place.turn for place in self.running)

    @invariant()
    def nobody_waits_while_a_core_is_free(self) -> None:
        assert self.queue.waiting == len(self.waiting)
        assert not (self.queue.free and self.waiting)

    def _check_turn(self, called: Place, had: Counter[str]) -> None:
        first = next(place for place in self.waiting if place.turn == called.turn)
        assert called is first, "whoever came first among their own"
        waiting = {place.turn for place in self.waiting}
        assert had[called.turn] == min(had[turn] for turn in waiting)
        for place in self.waiting:
            if not had[place.turn]:
                self.passed[place][called.turn] += called.turn != place.turn
                firsts = next(one for one in self.waiting if one.turn == place.turn)
                if place is firsts:
                    assert max(self.passed[place].values(), default=0) <= 1

    def _room(self, turn: str) -> bool:
        return len(self.waiting) < MOST_WAITING and self._own(turn) < MOST_WAITING_EACH

    def _own(self, turn: str) -> int:
        return sum(place.turn == turn for place in self.waiting)

    def _check_refusal(self, turn: str) -> None:
        with pytest.raises(BusyError) as told:
            self.queue.join(turn)
        own = self._own(turn) == MOST_WAITING_EACH
        assert told.value.details["bound"] == ("account" if own else "gateway")


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


def test_many_runs_of_one_delay_anothers_by_one_at_most() -> None:
    queue = Queue(1)
    running = queue.join("greedy")
    for _ in range(MOST_WAITING_EACH):
        queue.join("greedy")
    newcomer = queue.join("b")
    queue.leave(running)
    assert newcomer.called


def test_all_who_wait_take_turns() -> None:
    queue = Queue(1)
    running = queue.join("a")
    waiting = [queue.join(turn) for turn in "aaabbbccc"]
    order = ""
    while waiting:
        queue.leave(running)
        (running,) = (place for place in waiting if place.called)
        waiting.remove(running)
        order += running.turn
    assert order == "bacbacbac"


def test_a_full_queue_says_whose_bound_was_hit_and_how_long_to_wait() -> None:
    queue = Queue(1)
    for i in range(MOST_WAITING + 1):
        queue.join(str(i % (MOST_WAITING // MOST_WAITING_EACH + 1)))
    with pytest.raises(BusyError) as told:
        queue.join("newcomer")
    assert told.value.details == {"bound": "gateway", "limit": MOST_WAITING}


def test_the_wait_is_told_by_what_runs_took_and_who_is_ahead() -> None:
    pool = Pool(cores=1, patience_s=0.1)
    for _ in range(2):
        with pool.core("a", Watch()):
            time.sleep(0.6)
    with pool.core("a", Watch()), pytest.raises(BusyError) as alone, pool.core("b", Watch()):
        pass
    assert alone.value.details["bound"] == "wait"
    assert alone.value.details["retry_after_s"] in {1, 2}  # itself, and whoever has the core


def test_cores_that_a_batch_holds_count_as_its_turn() -> None:
    pool = Pool(cores=3, patience_s=5)
    with pool.core("batch", Watch()), pool.spare_cores("batch", 5) as spare:
        assert spare == 2
        queue = pool._queue  # noqa: SLF001
        own, others = queue.join("batch"), queue.join("other")
        with pool.spare_cores("batch", 5) as none:
            assert none == 0
    assert others.called
    assert own.called
    queue.leave(others)
    queue.leave(own)


def test_a_batch_on_many_cores_lets_others_by() -> None:
    queue = Queue(3)
    batch = [queue.join("batch") for _ in range(3)]
    own, others = queue.join("batch"), queue.join("other")
    queue.leave(batch[0])
    assert others.called
    assert not own.called


def test_no_wake_up_is_lost_between_threads_that_come_end_and_give_up() -> None:
    pool = Pool(cores=CORES, patience_s=0.004)
    naps = [i * 37 % 100 * 4e-5 for i in range(3000)]
    at_once, most, lock = 0, 0, threading.Lock()

    def run(nap: float) -> bool:
        nonlocal at_once, most
        try:
            with pool.core(str(nap), Watch()):
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                time.sleep(nap)
                with lock:
                    at_once -= 1
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(12) as threads:
        done = list(threads.map(run, naps))
    assert most == CORES
    assert 0 < sum(done) < len(done), "some got a core, some gave up"
    with pool.spare_cores("", 10) as free:
        assert free == CORES


def test_how_many_of_one_turn_may_wait_can_be_set() -> None:
    queue = Queue(1, most_each=2)
    for _ in range(3):  # one runs, two wait
        queue.join("greedy")
    with pytest.raises(BusyError) as raised:
        queue.join("greedy")
    assert raised.value.details == {"bound": "account", "limit": 2}
    queue.join("another")
