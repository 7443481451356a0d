"""Each model that has a published trajectory follows it, in both FMI versions and both kinds."""

from __future__ import annotations

import pytest

from gateway_library.catalogue import Catalogue
from gateway_library.sources import models_folder
from gateway_library.verification import Mode, read_reference, reference_file, verify
from gateway_simulation.runner import Simulator

TUBE = 1e-3  # relative to each signal's range: the promise for every model and kind
PUBLISHED = sorted(path.parent.name for path in models_folder().glob("*/reference.csv"))


@pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])
@pytest.mark.parametrize("version", ["", "@fmi3"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_follows_its_published_trajectory(
    catalogue: Catalogue, simulator: Simulator, name: str, version: str, mode: Mode
) -> None:
    path = reference_file(name)
    assert path is not None
    card = catalogue.card(name + version)
    found = verify(catalogue.resolve(card.id), read_reference(path), simulator, mode)
    assert found.error < TUBE, found.errors
    if mode == "co_simulation":
        assert card.verified_against == "published trajectory"
        assert card.error is not None
        assert found.error <= card.error
