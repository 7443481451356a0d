"""A build depends on the sources only, and is done only where it must be."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from gateway_library.build import INDEX, build_library
from gateway_library.sources import CardError, models_folder, read_models
from gateway_simulation import compiler
from gateway_simulation.compiler import CompilationError, NoCompilerError, Target

ROOT = Path(__file__).parents[2]
NAMES = ("HeatedRoom.fmu", "HeatedRoom@fmi3.fmu")


@pytest.fixture
def models(room_models: Path, tmp_path: Path) -> Path:
    """Sources to edit."""
    return shutil.copytree(room_models, tmp_path / "models")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_same_sources_give_the_same_bytes(models: Path, room: Path, tmp_path: Path) -> None:
    again = build_library(models, tmp_path / "again")
    assert again.built == NAMES
    for name in (*NAMES, INDEX):
        assert (again.folder / name).read_bytes() == (room / name).read_bytes()


def test_what_is_up_to_date_stays(models: Path, tmp_path: Path) -> None:
    build_library(models, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    report = build_library(models, tmp_path / "out")
    assert (report.built, report.kept) == ((), NAMES)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("model.c", "time / 4", "time / 5"), ("model.toml", "start = 15.0", "start = 16.0")],
)
def test_an_edited_source_is_built_again_under_another_guid(
    models: Path, tmp_path: Path, file: str, old: str, new: str
) -> None:
    def guids() -> set[str]:
        return {e["guid"] for e in json.loads((tmp_path / "out" / INDEX).read_bytes())}

    build_library(models, tmp_path / "out")
    before = guids()
    edit(models / "HeatedRoom" / file, old, new)
    assert build_library(models, tmp_path / "out").built == NAMES
    assert len(before | guids()) == 4


def test_a_card_may_name_the_versions_that_it_is_built_for(models: Path, tmp_path: Path) -> None:
    build_library(models, tmp_path / "out")
    edit(models / "HeatedRoom" / "model.toml", "[experiment]", 'versions = ["3.0"]\n[experiment]')
    report = build_library(models, tmp_path / "out")
    assert (report.built, report.removed) == (NAMES[1:], NAMES[:1])


@pytest.mark.parametrize("damage", [b"", b"not an FMU"])
def test_a_damaged_fmu_is_built_again(models: Path, tmp_path: Path, damage: bytes) -> None:
    build_library(models, tmp_path / "out")
    (tmp_path / "out" / NAMES[0]).write_bytes(damage)
    assert build_library(models, tmp_path / "out").built == NAMES[:1]


def test_a_model_that_is_gone_takes_its_fmus_along_but_no_other_file(
    models: Path, tmp_path: Path
) -> None:
    build_library(models, tmp_path / "out")
    (tmp_path / "out" / "mine.fmu").write_bytes(b"an operator's own")
    shutil.rmtree(models / "HeatedRoom")
    assert build_library(models, tmp_path / "out").removed == NAMES
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [INDEX, "mine.fmu"]


def test_a_library_that_is_up_to_date_needs_no_compiler(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_library(models, tmp_path / "out")
    monkeypatch.setattr(compiler, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert build_library(models, tmp_path / "out").kept == NAMES
    edit(models / "HeatedRoom" / "model.c", "time / 4", "time / 5")
    with pytest.raises(NoCompilerError, match="ziglang"):
        build_library(models, tmp_path / "out")


def test_a_model_that_does_not_compile_says_why_and_leaves_no_trace(
    models: Path, tmp_path: Path
) -> None:
    edit(models / "HeatedRoom" / "model.c", "m->ambient", "m->amblent")
    with pytest.raises(CompilationError, match="amblent"):
        build_library(models, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "HeatedRoom"', 'name = "Heated Room"', "is not a name"),
        ('name = "HeatedRoom"', 'name = "ColdRoom"', "must have its name"),
        ('name = "band"', 'name = "away"', "same name in C"),
        ('derivative = "der(room.T)"', 'derivative = "der(T)"', "'der\\(T\\)'"),
        ('unit = "K"', 'unit = "furlong"', "'furlong' is missing"),
        ("start = 10.0\n\n[[", "[[", "needs a start value"),
        ("start = 15.0", "start = nan", "must be finite"),
        ("tolerance = 1e-8", "", "tolerance"),
        ("[experiment]", 'solver = "slow"\n[experiment]', "'slow' is no solver"),
        ("[experiment]", 'versions = ["1.0"]\n[experiment]', "versions must be some of 2.0, 3.0"),
        ('tags = ["thermal"]', "tags = [", "Invalid value"),
        ('how = "in the tests"', "", "'how' is missing"),
    ],
)
def test_a_wrong_card_is_refused_with_its_name_and_its_mistake(
    models: Path, old: str, new: str, problem: str
) -> None:
    edit(models / "HeatedRoom" / "model.toml", old, new)
    with pytest.raises(CardError, match=f"model.toml: .*{problem}"):
        read_models(models)


def test_each_file_that_a_build_reads_triggers_a_rebuild_of_an_editable_install() -> None:
    keys = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["cache-keys"]
    patterns = [key["file"] for key in keys]
    covered = {path for pattern in patterns for path in ROOT.glob(pattern)}
    inputs = {ROOT / "pyproject.toml", ROOT / "hatch_build.py", models_folder() / "units.toml"}
    for model in read_models(models_folder()):
        inputs |= {model.folder / "model.toml"}
        inputs |= {path for version in model.versions for path in model.files(version)}
    inputs |= {
        ROOT / "library" / "gateway_library" / f"{module}.py"
        for module in ("build", "descriptions", "sources")
    }
    core = ROOT / "simulation" / "gateway_simulation"
    inputs |= {core / "compiler.py", core / "layout.py", core / "native" / "build.py"}
    inputs |= {path for path in (core / "native").iterdir() if path.suffix in {".c", ".h"}}
    assert {str(PurePosixPath(path.relative_to(ROOT))) for path in inputs - covered} == set()


@pytest.mark.parametrize(
    ("target", "fmi2", "fmi3"),
    [
        (Target("linux", "x86_64", 64), ("linux64",), ("x86_64-linux",)),
        (Target("linux", "aarch64", 64), ("linux64", "aarch64-linux"), ("aarch64-linux",)),
        (Target("darwin", "aarch64", 64), ("darwin64", "aarch64-darwin"), ("aarch64-darwin",)),
        (Target("win", "x86_64", 64), ("win64",), ("x86_64-windows",)),
    ],
)
def test_binaries_lie_where_importers_look(
    target: Target, fmi2: tuple[str, ...], fmi3: tuple[str, ...]
) -> None:
    assert (target.folders("2.0"), target.folders("3.0")) == (fmi2, fmi3)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('versions = ["3.0"]', "", r"needs versions = \[\"3.0\"\]"),
        ('dimensions = ["n", "m"]', 'dimensions = ["n", "A"]', "'B' may have 2 dimensions"),
        ('dimensions = ["n", "m"]', 'dimensions = ["n", "m", "r"]', "'B' may have 2 dimensions"),
        ("start = [1, 0, 0]", "start = [1, 0]", "'u' must have its shape"),
        ("start = [1, 0, 0]", "start = 1", "'u' must have its shape"),
        ("start = [1, 0, 0]", "start = [1, 0, inf]", "'u' must be finite"),
        ("start = 3\nmax = 20", "start = 21\nmax = 20", "'m' needs a max, and a start value"),
        ("start = 3\nmax = 20", "start = 3", "'m' needs a max, and a start value"),
        ('causality = "structuralParameter"', 'causality = "parameter"', "'size' is the type"),
        ('dimensions = ["r"]', 'dimensions = ["r"]\ntype = "integer"', "'y' is an array"),
        ('dimensions = ["r"]', 'dimensions = ["r"]\nevent_indicator = true', "'y' is an array"),
    ],
)
def test_a_card_with_wrong_arrays_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    shutil.copytree(models_folder() / "StateSpace", tmp_path / "StateSpace")
    shutil.copy(models_folder() / "units.toml", tmp_path)
    edit(tmp_path / "StateSpace" / "model.toml", old, new)
    with pytest.raises(CardError, match=f"model.toml: .*{problem}"):
        read_models(tmp_path)
