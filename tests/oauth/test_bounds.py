"""Signing in is bounded as keys are: new ones, and guesses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running, running_gateway
from oauth.program import Program

PLAIN = {"PAYMENT_OFFERS": ""}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bounds = {"RATE_LIMIT_NEW_KEYS": "3/hour", "RATE_LIMIT_WRONG_KEYS": "2/hour"}
    folder: Path = tmp_path_factory.mktemp("strict")
    with running_gateway(folder, {**PLAIN, **bounds}, None) as gateway:
        yield gateway


def test_guesses_new_accounts_and_registrations_are_bounded(strict: Running) -> None:
    program = Program(strict.url)  # the first of three
    guesses = [program.decide("allow", f"guess {n}") for n in range(3)]
    assert [page.status_code for page in guesses] == [422, 422, 429]
    assert int(guesses[-1].headers["Retry-After"]) > 0
    assert "too often" in guesses[-1].text
    accounts = [program.decide("account") for _ in range(3)]
    assert [page.status_code for page in accounts] == [200, 200, 429]
    refused = program.register()
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
