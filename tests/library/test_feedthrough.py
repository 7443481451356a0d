"""Feedthrough's strings: no run records them, so they are asked for through FMPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from library.test_fmi import initialize, instance

INPUT, OUTPUT, INTEGER = 13, 14, 7  # value references


@pytest.fixture(params=["", "@fmi3"])
def model(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Any]:
    with instance(built / f"Feedthrough{request.param}.fmu", tmp_path, "CoSimulation") as made:
        yield made


def output(model: Any) -> str:  # noqa: ANN401
    (text,) = model.getString([OUTPUT])
    return text.decode() if isinstance(text, bytes) else str(text)


def test_a_string_has_its_start_value(model: Any) -> None:  # noqa: ANN401
    initialize(model)
    assert output(model) == "Set me!"


@pytest.mark.parametrize("text", ["", "Grüße, 世界", "x" * 255])
def test_a_string_goes_through_before_and_after_the_start(model: Any, text: str) -> None:  # noqa: ANN401
    model.setString([INPUT], ["before"])
    initialize(model)
    assert output(model) == "before"
    model.setString([INPUT], [text])
    model.doStep(currentCommunicationPoint=0.0, communicationStepSize=0.1)
    assert output(model) == text
    model.reset()
    assert output(model) == "Set me!"


def test_a_string_is_part_of_a_saved_state(model: Any) -> None:  # noqa: ANN401
    initialize(model)
    model.setString([INPUT], ["kept"])
    state = model.getFMUState()
    model.setString([INPUT], ["lost"])
    model.setFMUState(state)
    assert output(model) == "kept"
    model.freeFMUState(state)


@pytest.mark.parametrize(
    ("reference", "text"), [(INPUT, "x" * 256), (OUTPUT, "x"), (INTEGER, "x"), (99, "x")]
)
def test_what_is_no_string_to_set_is_refused(model: Any, reference: int, text: str) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        model.setString([reference], [text])
    assert output(model) == "Set me!"


def test_a_number_is_no_string(model: Any) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        model.getString([INTEGER])
