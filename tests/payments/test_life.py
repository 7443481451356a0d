"""Payments live among adversaries: few histories in each test run, very many by -m adversary.

    LIFE_SEED=7 LIFE_HISTORIES=100000 uv run pytest -s -m adversary tests/payments/test_life.py

The seed of each batch is printed, and that which found something: run again with LIFE_SEED and
LIFE_HISTORIES as printed.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from payments.life.machine import Life, LifeOverSockets, live, quiet
from payments.life.model import SHAS

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("LIFE_SEED", "20261126"))
HISTORIES = int(os.environ.get("LIFE_HISTORIES", "2000"))
BATCH = 250


def test_whatever_happens_in_whatever_order_the_books_agree_with_the_world() -> None:
    live(SEED, 50)


def test_it_is_the_same_over_a_real_connection() -> None:
    live(SEED, 3, LifeOverSockets)


def test_a_payment_cancelled_before_we_heard_of_it_fails_though_the_process_died() -> None:
    life = Life()
    life.begin(free_runs=0, refund="credits")
    life.quote(0, SHAS[0])
    life.sign(0, 60, [], send=False)
    life.payer_uses_the_nonce(0, None)
    life.time_passes({"seconds": 3})  # the next block
    life.mortal(7)  # it is written down, and no more
    life.send(0, [], theirs=True)
    assert life.deaths == 1
    life.teardown()


@pytest.mark.adversary
def test_thousands_of_lives_among_adversaries(capsys: pytest.CaptureFixture[str]) -> None:
    whole, rest = divmod(HISTORIES, BATCH)
    batches = [BATCH] * whole + [rest] * bool(rest)
    began = time.monotonic()
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=quiet
    ) as processes:
        lives = [processes.submit(live, SEED + n, size) for n, size in enumerate(batches)]
        for number, (life, size) in enumerate(zip(lives, batches, strict=True), SEED):
            failure = life.exception()
            with capsys.disabled():
                how = "FAILED" if failure else f"{life.result():.0f} s"
                sys.stdout.write(f"\nLIFE_SEED={number} LIFE_HISTORIES={size}: {how}")
                sys.stdout.flush()
            if failure:
                processes.shutdown(cancel_futures=True)
                raise failure
    with capsys.disabled():
        rate = HISTORIES / (time.monotonic() - began)
        sys.stdout.write(f"\n{HISTORIES} histories, {rate:.1f} a second\n")
