"""Numbers are FMPy's bit for bit, on both engines, or the difference is explained and measured.

`pytest tests/simulation/test_equality.py -k differs --log-cli-level=INFO` shows the differences.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest
from equality.cases import CASES, CLUTCHES, MODELS, MODES, Case
from equality.reasons import EXPLAINED, reasons
from equality.sides import Found
from fmpy import simulate_fmu  # type: ignore[import-untyped]

from gateway_simulation.exceptions import UnsupportedOutputError
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator

Reference = Callable[[str], Model]

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "numerics.md"
_LOG: Final = logging.getLogger(__name__)

EQUAL: Final = tuple(case for case in CASES if not reasons(case))
DIFFERENT: Final = tuple(case for case in CASES if reasons(case))


@pytest.mark.parametrize("case", EQUAL, ids=str)
def test_a_run_is_fmpys_bit_for_bit_on_both_engines(
    case: Case, reference: Reference, simulator: Simulator
) -> None:
    assert Found(case, reference(case.model), simulator).equal


@pytest.mark.parametrize("case", DIFFERENT, ids=str)
def test_a_run_differs_from_fmpys_only_for_the_reason_given(
    case: Case, reference: Reference, simulator: Simulator
) -> None:
    (reason,) = reasons(case)
    found = Found(case, reference(case.model), simulator)
    assert not found.equal
    _LOG.info("%s: %s; %s", case, reason.text, reason.check(found))


@pytest.mark.parametrize("version", ["fmi2", "fmi3"])
def test_a_text_is_refused_where_fmpy_drops_it(version: str, reference: Reference) -> None:
    model = reference(f"{version}/Feedthrough")
    request = SimulationRequest(fmu_id=model.id, outputs=["String_output"])
    with pytest.raises(UnsupportedOutputError):
        plan(model, request, RunLimits())
    assert simulate_fmu(str(model.folder), output=["String_output"]).dtype.names == ("time",)


def test_each_explanation_is_needed() -> None:
    for pattern, _ in EXPLAINED:
        assert any(fnmatchcase(str(case), pattern) for case in CASES), pattern


def test_the_document_counts_these_cases() -> None:
    text = DOCUMENT.read_text()
    lines = [_counted(name) for name in (*MODELS, CLUTCHES)]
    for reason in {reason.text: reason for _, reason in EXPLAINED}.values():
        count = sum(reasons(case) == [reason] for case in CASES)
        lines.append(f"| {reason.text} | {count} |")
    lines.append(f"{len(EQUAL)} of {len(CASES)} cases")
    assert [line for line in lines if line not in text] == []


def _counted(name: str) -> str:
    """The document's line of a model: cases equal, of all, for each mode."""
    cells = [f"{_count(EQUAL, name, mode)} of {_count(CASES, name, mode)}" for mode in MODES]
    return f"| {name} | {cells[0]} | {cells[1]} |".replace("0 of 0", "not offered")


def _count(cases: tuple[Case, ...], name: str, mode: str) -> int:
    return sum((case.model, case.mode) == (name, mode) for case in cases)
