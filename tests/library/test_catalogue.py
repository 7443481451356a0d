"""From a name to a model of the library."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_library.build import INDEX
from gateway_library.catalogue import Catalogue
from gateway_library.exceptions import (
    AmbiguousModelError,
    LibraryNotBuiltError,
    UnknownModelError,
)
from gateway_library.extraction import ExtractionCache
from gateway_simulation.archive import Limits


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("msl:BouncingBall", "msl:BouncingBall"),
        ("BouncingBall", "msl:BouncingBall"),
        ("msl:VanDerPol@fmi3", "msl:VanDerPol@fmi3"),
        ("Dahlquist@fmi3", "msl:Dahlquist@fmi3"),
        ("msl:StateSpace@fmi3", "msl:StateSpace@fmi3"),
        ("msl:StateSpace", "msl:StateSpace@fmi3"),
        ("StateSpace", "msl:StateSpace@fmi3"),
    ],
)
def test_a_model_is_found_by_its_id_and_by_its_name(
    catalogue: Catalogue, asked: str, found: str
) -> None:
    model = catalogue.resolve(asked)
    assert model.id == found
    assert model.description.fmi_version == ("3.0" if found.endswith("@fmi3") else "2.0")
    assert model.description.kinds == ("co_simulation", "model_exchange")


def test_a_card_says_what_the_fmu_says(catalogue: Catalogue) -> None:
    for card in catalogue.cards:
        model = catalogue.resolve(card.id)
        described = model.description
        assert described.guid == card.guid
        assert described.model_name == card.model_name
        assert described.description == card.description
        assert described.kinds == card.kinds
        assert described.n_states == card.n_states
        assert described.default_experiment == card.default_experiment
        assert [v.name for v in described.variables] == [v.name for v in card.variables]
        assert (model.sha256, model.source_sha256) == (card.sha256, card.source_sha256)


def test_the_versions_of_a_model_have_different_hashes(catalogue: Catalogue) -> None:
    hashes = {card.source_sha256 for card in catalogue.cards}
    assert len(hashes) == len(catalogue.cards)


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [("msl:BouncyBall", "msl:BouncingBall"), ("vanderpol", "msl:VanDerPol")],
)
def test_a_misspelt_name_is_answered_with_the_nearest(
    catalogue: Catalogue, asked: str, nearest: str
) -> None:
    with pytest.raises(UnknownModelError) as raised:
        catalogue.resolve(asked)
    assert raised.value.nearest[0] == nearest
    assert raised.value.details["nearest"] == list(raised.value.nearest)


@pytest.mark.parametrize("asked", ["", "msl:", "@fmi3", "msl:../../etc/passwd", "x" * 100_000])
def test_nonsense_is_an_unknown_model(catalogue: Catalogue, asked: str) -> None:
    with pytest.raises(UnknownModelError) as raised:
        catalogue.resolve(asked)
    assert len(str(raised.value)) < 300


def test_the_last_part_is_enough_where_it_is_unambiguous(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    first = catalogue.card("BouncingBall")
    cards = tuple(
        replace(first, id=f"msl:{name}", model_name=name)
        for name in ("Modelica.Rotational.First", "Modelica.Translational.First", "Modelica.A.Mass")
    )
    longer = Catalogue(cards, ExtractionCache(tmp_path / "cache", Limits()))
    assert longer.card("Mass").id == longer.card("msl:Mass").id == "msl:Modelica.A.Mass"
    with pytest.raises(AmbiguousModelError) as raised:
        longer.card("First")
    assert raised.value.candidates == (cards[0].id, cards[1].id)


def test_a_model_that_is_fmi_3_only_has_its_last_part_too(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    only = catalogue.card("StateSpace")
    both = (catalogue.card("BouncingBall"), catalogue.card("BouncingBall@fmi3"))
    cards = (
        *(replace(card, id=f"msl:A.{card.id.removeprefix('msl:')}") for card in both),
        replace(only, id="msl:A.Array@fmi3"),
        replace(only, id="msl:A.BouncingBall.Twice@fmi3"),
        replace(both[0], id="msl:B.Twice"),
    )
    longer = Catalogue(cards, ExtractionCache(tmp_path / "cache", Limits()))
    for name in ("Array", "Array@fmi3", "A.Array", "msl:A.Array@fmi3"):
        assert longer.card(name).id == "msl:A.Array@fmi3"
    assert longer.card("BouncingBall").id == "msl:A.BouncingBall"
    assert longer.card("Twice@fmi3").id == "msl:A.BouncingBall.Twice@fmi3"
    with pytest.raises(AmbiguousModelError) as raised:
        longer.card("Twice")
    assert set(raised.value.candidates) == {"msl:A.BouncingBall.Twice@fmi3", "msl:B.Twice"}
    assert longer.cards == cards


def test_the_plain_name_of_a_model_is_its_own_where_it_is_fmi_3_only(catalogue: Catalogue) -> None:
    assert {"StateSpace", "StateSpace@fmi3", "Dahlquist"} <= catalogue.own_names


def test_loading_the_library_opens_no_fmu(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    shutil.copy(built / INDEX, folder)
    entries = json.loads((folder / INDEX).read_bytes())
    assert len(Catalogue.load(folder, tmp_path / "cache").cards) == len(entries)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("index", [None, b"", b"{", b"{}x", b'[{"file": "a.fmu"}]', b'["a"]'])
def test_a_library_that_is_not_built_says_how_to_build_it(
    tmp_path: Path, index: bytes | None
) -> None:
    if index is not None:
        (tmp_path / INDEX).write_bytes(index)
    with pytest.raises(LibraryNotBuiltError, match="library build"):
        Catalogue.load(tmp_path, tmp_path / "cache")


def test_an_extracted_model_that_is_gone_or_damaged_is_extracted_again(
    built: Path, tmp_path: Path
) -> None:
    first = Catalogue.load(built, tmp_path / "cache")
    folder = first.resolve("BouncingBall").folder
    shutil.rmtree(tmp_path / "cache")
    assert first.resolve("BouncingBall").folder.is_dir()
    (metadata,) = folder.glob("*.json")
    metadata.write_text(json.dumps({"format": -1}))
    model = Catalogue.load(built, tmp_path / "cache").resolve("BouncingBall")
    assert model.description.model_name == "BouncingBall"
    assert sorted(p.name for p in (tmp_path / "cache" / "library").iterdir()) == [model.sha256]
