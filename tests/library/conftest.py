"""The library, built from the sources as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_library.build import build_library
from gateway_library.catalogue import Catalogue
from gateway_library.sources import models_folder
from gateway_simulation.runner import Simulator


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's own models."""
    return build_library(models_folder(), tmp_path_factory.mktemp("built")).folder


@pytest.fixture(scope="session")
def room_models() -> Path:
    """A model that is not the product's: it has what the product's models lack."""
    return Path(__file__).with_name("models")


@pytest.fixture(scope="session")
def room(room_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where HeatedRoom is built."""
    return build_library(room_models, tmp_path_factory.mktemp("room")).folder


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """What runs models; it keeps its processes."""
    made = Simulator(timeout_s=60, memory_mb=512)
    yield made
    made.close()


@pytest.fixture(scope="session")
def catalogue(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The product's own models, by name."""
    return Catalogue.load(built, tmp_path_factory.mktemp("cache"))
