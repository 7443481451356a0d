"""The operators' folder: watched, checked, served; and what is wrong with a file is told."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fmus import compiled, sources

from gateway_library.build import built_folder
from gateway_library.catalogue import Catalogue
from gateway_library.entries import library_entry
from gateway_library.examination import Examiner
from gateway_library.exceptions import AmbiguousModelError, RemovedModelError
from gateway_library.extraction import ExtractionCache
from gateway_library.index import Index
from gateway_library.operators import OperatorLibrary, Round
from gateway_library.search import search
from gateway_simulation.archive import Limits
from gateway_simulation.building import Builder
from gateway_simulation.exceptions import BusyError
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator

Open = Callable[[], OperatorLibrary]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    simulator = Simulator(timeout_s=20, memory_mb=512)
    yield simulator
    simulator.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fmus").mkdir()
    return tmp_path / "fmus"


@pytest.fixture
def opened(folder: Path, tmp_path: Path, simulator: Simulator) -> Open:
    def opened() -> OperatorLibrary:
        cache = ExtractionCache(tmp_path / "cache", Limits(), Builder())
        examiner = Examiner(cache, Limits(), simulator)
        taken = frozenset({"BouncingBall"})
        return OperatorLibrary(folder, tmp_path / "operators.json", cache, examiner, taken)

    return opened


def put(folder: Path, name: str, model: str = "VanDerPol", card: str | None = None) -> Path:
    """One of the library's FMUs, long there."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(built_folder() / f"{model}.fmu", path)
    if card is not None:
        path.with_suffix(".yaml").write_text(card)
    age(path)
    return path


def age(path: Path) -> None:
    for file in (path, path.with_suffix(".yaml")):
        if file.exists():
            os.utime(file, (time.time() - 60, time.time() - 60))


def learned(operators: OperatorLibrary) -> list[Round]:
    rounds = [operators.refresh()]
    while rounds[-1].more:
        rounds.append(operators.refresh())
    return rounds


def served(operators: OperatorLibrary) -> list[str]:
    return [offered.name for offered in operators.shelf.offered]


def troubles(operators: OperatorLibrary) -> str:
    return "\n".join(f"{t.file}: {p}" for t in operators.shelf.troubles for p in t.problems)


def library(operators: OperatorLibrary, tmp_path: Path) -> Catalogue:
    return Catalogue.load(built_folder(), tmp_path / "own").with_operators(operators)


def test_an_fmu_in_the_folder_is_a_model_like_the_gateways_own(
    folder: Path, opened: Open, tmp_path: Path, simulator: Simulator
) -> None:
    card = "description: Our oscillator\ntags: [squeak]\nverified: {against: analytic, how: x}"
    put(folder, "Acme.Squeak.fmu", card=card)
    operators = opened()
    catalogue = library(operators, tmp_path)
    assert learned(operators)[-1].added == ("Acme.Squeak",)
    model = catalogue.resolve("Squeak")
    assert model.id == "msl:Acme.Squeak"
    run = plan(model, SimulationRequest(fmu_id=model.id), RunLimits())
    assert simulator.run(run).rows > 100
    found = catalogue.card("msl:Acme.Squeak")
    assert (found.description, found.verified_against) == ("Our oscillator", "analytic")
    assert search((Index(map(library_entry, catalogue.cards)),), "squeak")[0].id == model.id


def test_a_restart_opens_no_file_that_it_knows(folder: Path, opened: Open, tmp_path: Path) -> None:
    path = put(folder, "Squeak.fmu", card="tags: [squeak]")
    learned(opened())
    before = path.stat()
    os.truncate(path, 0)  # whoever opened it would find nothing
    with path.open("wb") as file:
        file.write(b"\0" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = opened()
    assert served(again) == ["Squeak"]
    assert learned(again) == [Round()]
    assert library(again, tmp_path).resolve("Squeak").description.model_name == "VanDerPol"


def test_what_another_version_remembered_is_learned_anew(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    put(folder, "Squeak.fmu")
    (tmp_path / "operators.json").write_text('{"format": 0, "known": {}}')
    operators = opened()
    assert served(operators) == []
    learned(operators)
    assert served(operators) == served(opened()) == ["Squeak"]


def test_added_changed_and_removed_files_are_seen_without_a_restart(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    operators = opened()
    catalogue = library(operators, tmp_path)
    assert learned(operators) == [Round()]
    put(folder, "Squeak.fmu")
    assert learned(operators)[-1].added == ("Squeak",)
    assert catalogue.resolve("Squeak").description.model_name == "VanDerPol"
    put(folder, "Squeak.fmu", "Dahlquist")
    assert learned(operators)[-1].added == ("Squeak",)
    assert catalogue.resolve("Squeak").description.model_name == "Dahlquist"
    (folder / "Squeak.yaml").write_text("description: Now with a card")
    age(folder / "Squeak.fmu")
    assert learned(operators)[-1].added == ("Squeak",)
    assert catalogue.card("Squeak").description == "Now with a card"
    (folder / "Squeak.fmu").unlink()
    assert learned(operators)[-1].removed == ("Squeak",)
    assert "Squeak.yaml: there is no FMU of that name beside it" in troubles(operators)


def test_a_removed_model_ends_its_runs_and_later_calls_say_so(
    folder: Path, opened: Open, tmp_path: Path, simulator: Simulator
) -> None:
    path = put(folder, "Squeak.fmu")
    operators = opened()
    catalogue = library(operators, tmp_path)
    learned(operators)
    model = catalogue.resolve("Squeak")
    path.unlink()
    learned(operators)
    run = plan(model, SimulationRequest(fmu_id=model.id), RunLimits())
    assert simulator.run(run).rows > 100  # it had begun: its files stay for an hour
    with pytest.raises(RemovedModelError):
        catalogue.resolve("msl:Squeak")
    put(folder, "Squeak.fmu")
    learned(operators)
    assert catalogue.resolve("Squeak").id == "msl:Squeak"


def test_a_file_that_went_before_anyone_looked_is_told_as_removed(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    path = put(folder, "Squeak.fmu")
    operators = opened()
    learned(operators)
    shutil.rmtree(tmp_path / "cache")
    shutil.copy(built_folder() / "Dahlquist.fmu", path)  # another one, in its place
    with pytest.raises(RemovedModelError):
        library(operators, tmp_path).resolve("Squeak")
    path.unlink()
    with pytest.raises(RemovedModelError):
        library(operators, tmp_path).resolve("Squeak")


def test_a_file_that_is_being_written_waits_until_it_is_quiet(folder: Path, opened: Open) -> None:
    operators = opened()
    data = (built_folder() / "VanDerPol.fmu").read_bytes()
    path = folder / "Squeak.fmu"
    path.write_bytes(data[:1000])
    assert operators.refresh() == Round()
    path.write_bytes(data)
    assert operators.refresh() == Round()
    assert operators.refresh().added == ("Squeak",)  # the same at two looks
    assert troubles(operators) == ""


def test_hidden_files_are_not_seen_and_subfolders_are(folder: Path, opened: Open) -> None:
    put(folder, ".adding-1.fmu")
    put(folder, "plant/Squeak.fmu")
    put(folder, ".git/Other.fmu")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.fmu").symlink_to(folder / "gone.fmu")
    operators = opened()
    learned(operators)
    assert [(o.name, o.file) for o in operators.shelf.offered] == [("Squeak", "plant/Squeak.fmu")]


def test_each_broken_file_is_told_and_the_others_are_served(folder: Path, opened: Open) -> None:
    put(folder, "Good.fmu")
    put(folder, "BouncingBall.fmu")
    put(folder, "Twin.fmu", card="name: Good")
    put(folder, "Two words.fmu")
    put(folder, "Old@fmi3.fmu")
    put(folder, "New@fmi3.fmu", "VanDerPol@fmi3")
    put(folder, "Card.fmu", card="tags: [a]\ndescripton: b")
    put(folder, "Kpi.fmu", card="kpis: [x9_max]")
    (folder / "Text.fmu").write_text("no zip")
    _without_binary(put(folder, "Windows.fmu"), "binaries/win64/VanDerPol.dll")
    for path in folder.iterdir():
        age(path)
    operators = opened()
    learned(operators)
    assert served(operators) == ["Good", "New@fmi3"]
    told = troubles(operators)
    for line in (
        "BouncingBall.fmu: the gateway has a model of its own named 'BouncingBall'",
        "Twin.fmu: Good.fmu has the name 'Good' already",
        "Two words.fmu: 'Two words' is no name",
        "Old@fmi3.fmu: its name ends in @fmi3, but it is of FMI 2.0",
        "Card.fmu: Card.yaml: line 2: descripton: a card has no such field",
        "Kpi.fmu: Kpi.yaml: kpis: ",
        "Text.fmu: the bytes are not a zip archive",
        "Windows.fmu: the FMU has no linux64 binary (platforms: win64; needed: linux64)",
    ):
        assert line in told


def _without_binary(path: Path, instead: str) -> None:
    with zipfile.ZipFile(path) as archive:
        description = archive.read("modelDescription.xml")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("modelDescription.xml", description)
        archive.writestr(instead, b"MZ")


def test_a_card_that_breaks_later_is_told_and_the_one_before_counts(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    path = put(folder, "Squeak.fmu", card="description: Before")
    operators = opened()
    learned(operators)
    path.with_suffix(".yaml").write_text("description: [")
    age(path)
    (done,) = learned(operators)
    assert done.troubles[0].served
    assert library(operators, tmp_path).card("Squeak").description == "Before"


def test_a_model_of_sources_is_compiled_in_the_jail(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    path = folder / "Squeak.fmu"
    path.write_bytes(sources.stripped((built_folder() / "VanDerPol.fmu").read_bytes()))
    age(path)
    operators = opened()
    learned(operators)
    assert library(operators, tmp_path).resolve("Squeak").description.compiled_by


def test_a_model_that_fails_its_trial_is_served_with_a_warning(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    path = folder / "Squeak.fmu"
    path.write_bytes(compiled.fmu("crashes"))
    age(path)
    operators = opened()
    learned(operators)
    (offered,) = operators.shelf.offered
    assert any("a short trial run failed: " in warning for warning in offered.examined.warnings)
    assert library(operators, tmp_path).resolve("Squeak").id == "msl:Squeak"


def test_while_no_core_is_free_a_file_is_neither_served_nor_refused(
    folder: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "Squeak.fmu")
    operators = opened()

    def busy(*_: object) -> None:
        message = "all cores are busy"
        raise BusyError(message)

    with monkeypatch.context() as patched:
        patched.setattr(Examiner, "examine", busy)
        assert learned(operators) == [Round()]
    assert learned(operators)[-1].added == ("Squeak",)


def test_a_folder_that_goes_away_takes_no_model_with_it(folder: Path, opened: Open) -> None:
    put(folder, "Squeak.fmu")
    operators = opened()
    learned(operators)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(OSError, match="fmus"):
        operators.refresh()
    assert served(operators) == ["Squeak"]


def test_a_short_name_of_several_models_lists_them(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    put(folder, "Acme.Squeak.fmu")
    put(folder, "Other.Squeak.fmu")
    operators = opened()
    learned(operators)
    with pytest.raises(AmbiguousModelError) as raised:
        library(operators, tmp_path).resolve("Squeak")
    assert raised.value.candidates == ("msl:Acme.Squeak", "msl:Other.Squeak")


def test_nothing_is_made_anew_while_nothing_changes(
    folder: Path, opened: Open, tmp_path: Path
) -> None:
    put(folder, "Squeak.fmu")
    operators = opened()
    catalogue = library(operators, tmp_path)
    learned(operators)
    cards = catalogue.cards
    learned(operators)
    assert catalogue.cards is cards
