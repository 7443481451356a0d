"""Every model computes what its equations say, in both FMI versions and both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest
from fmpy.validation import validate_fmu  # type: ignore[import-untyped]
from library.solutions import errors, solutions

from gateway_library.catalogue import Catalogue
from gateway_library.sources import models_folder, read_models
from gateway_library.verification import Mode, reference_file
from gateway_simulation.runner import Simulator

SOLUTIONS = solutions()
MODELS = {model.name: model for model in read_models(models_folder())}
SUFFIXES = {"2.0": "", "3.0": "@fmi3"}

BUILT = {f"{m.name}{SUFFIXES[version]}": m.name for m in MODELS.values() for version in m.versions}

each_solution = pytest.mark.parametrize("fmu", [fmu for fmu in BUILT if BUILT[fmu] in SOLUTIONS])
each_kind = pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_verified_against_something(name: str) -> None:
    published = MODELS[name].verified_against == "published trajectory"
    assert published == (reference_file(name) is not None)
    assert published or name in SOLUTIONS


@pytest.mark.parametrize("fmu", BUILT)
def test_fmpy_finds_nothing_to_complain_about(built: Path, fmu: str) -> None:
    assert validate_fmu(str(built / f"{fmu}.fmu")) == []


@each_solution
def test_co_simulation_holds_the_error_that_its_card_claims(
    catalogue: Catalogue, simulator: Simulator, fmu: str
) -> None:
    card = catalogue.card(fmu)
    if card.verified_against == "published trajectory":
        pytest.skip("the card's error is that against the published trajectory")
    found = errors(catalogue.resolve(fmu), SOLUTIONS[BUILT[fmu]], {}, "co_simulation", simulator)
    assert card.error is not None
    assert max(found.values()) <= card.error, found


@pytest.mark.slow
@each_kind
@each_solution
def test_each_kind_agrees_also_with_other_parameters_and_start_values(
    catalogue: Catalogue, simulator: Simulator, fmu: str, mode: Mode
) -> None:
    model, solution = catalogue.resolve(fmu), SOLUTIONS[BUILT[fmu]]
    for values in ({}, *solution.others):
        found = errors(model, solution, values, mode, simulator)
        assert max(found.values()) <= solution.within, (values, found)
