"""The library, built from the sources as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_library.build import build_library
from gateway_library.sources import models_folder


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
