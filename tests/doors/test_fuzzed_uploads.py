"""Damaged FMUs through the whole way of an upload: taken or refused in our words, never a 500."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from conftest import Running
from fmus import compiled
from hypothesis import HealthCheck, given, settings
from simulation.test_fuzzed_uploads import uploads

pytestmark = [
    pytest.mark.skipif(not compiled.available(), reason="no C compiler"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

SHARED = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def http(free_gateway: Running) -> Iterator[httpx.Client]:
    with free_gateway.http() as client:
        yield client


def sent(http: httpx.Client, data: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = http.post("/fmus", content=data, headers=headers)
    assert answer.status_code in {200, 201, 413, 422}, answer.text
    if answer.status_code >= 400:
        assert answer.json()["remedy"]
        assert answer.json()["untrusted"] == ["details"]


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(data=uploads())
def test_a_damaged_fmu_is_answered(http: httpx.Client, data: bytes) -> None:
    sent(http, data)


@pytest.mark.fuzz
@settings(max_examples=500, deadline=None, suppress_health_check=SHARED)
@given(data=uploads())
def test_a_damaged_fmu_is_answered_at_length(http: httpx.Client, data: bytes) -> None:
    sent(http, data)
