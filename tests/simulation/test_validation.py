"""What FMPy's validator finds in a description is told, readably and within bounds."""

from __future__ import annotations

from pathlib import Path

from fmus import compiled

from gateway_simulation.archive import Limits, extract, inspect
from gateway_simulation.validation import problems_of


def extracted(folder: Path) -> Path:
    data = compiled.fmu("fails")
    extract(data, inspect(data, Limits()), folder / "model", Limits())
    return folder / "model"


def changed(folder: Path, old: str, new: str) -> tuple[str, ...]:
    path = extracted(folder) / "modelDescription.xml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return problems_of(path.parent)


def test_a_name_that_is_there_twice_is_told(tmp_path: Path) -> None:
    variable = '<ScalarVariable name="twice" valueReference="7"><Real/></ScalarVariable>'
    found = changed(tmp_path, "</ModelVariables>", f"{variable * 2}</ModelVariables>")
    assert any('"twice"' in problem and "not unique" in problem for problem in found)


def test_many_problems_are_cut_and_counted(tmp_path: Path) -> None:
    variable = '<ScalarVariable name="same" valueReference="7"><Real/></ScalarVariable>'
    found = changed(tmp_path, "</ModelVariables>", f"{variable * 50}</ModelVariables>")
    assert len(found) == 21
    assert found[-1].endswith(" more")


def test_what_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    assert len(changed(tmp_path, "</ModelVariables>", "")) == 1
