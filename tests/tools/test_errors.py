"""Callers hear of failures in one voice, and of bugs nothing."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import gateway_library.exceptions
import gateway_payments.exceptions
import gateway_runs.exceptions
import gateway_simulation.exceptions
import gateway_tools.exceptions
from gateway_tools.errors import FAILURES, UNEXPECTED, failure_of, problem

PACKAGES = (
    gateway_library.exceptions,
    gateway_payments.exceptions,
    gateway_runs.exceptions,
    gateway_simulation.exceptions,
    gateway_tools.exceptions,
)
NEVER_SEEN = {"LibraryNotBuiltError"}  # stops the start, reaches no caller


def _leaves(module: ModuleType) -> list[type[Exception]]:
    classes = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, Exception)
    ]
    return [c for c in classes if not any(c in other.__mro__[1:] for other in classes)]


@pytest.mark.parametrize("error", [leaf for module in PACKAGES for leaf in _leaves(module)])
def test_every_failure_has_a_code_and_a_remedy(error: type[Exception]) -> None:
    assert error.__name__ in NEVER_SEEN or any(c in FAILURES for c in error.__mro__)


def test_a_remedy_is_one_sentence_and_a_code_is_snake_case() -> None:
    for failure in FAILURES.values():
        assert failure.remedy.endswith(".")
        assert failure.code == failure.code.lower().replace(" ", "_")
        assert 400 <= failure.status < 600


def test_one_code_means_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for failure in FAILURES.values():
        statuses.setdefault(failure.code, set()).add(failure.status)
    assert {code for code, found in statuses.items() if len(found) > 1} == set()


def test_a_subclass_is_heard_as_its_parent() -> None:
    class FinerError(gateway_runs.exceptions.IdempotencyConflictError): ...

    assert failure_of(FinerError()).code == "idempotency_conflict"


def test_a_bug_says_nothing_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    told = problem(ZeroDivisionError("secret"))
    assert told.failure is UNEXPECTED
    assert "secret" not in str(told.body)
    assert "ZeroDivisionError" in capsys.readouterr().err
