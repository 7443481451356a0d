"""Search finds what an agent means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_cases import CASES

from gateway_library.catalogue import Catalogue
from gateway_library.domains import domains_of
from gateway_library.entries import Entry, library_entry, upload_entry
from gateway_library.index import Index
from gateway_library.search import search
from gateway_library.store import Stored

PLANT = Stored(
    id="fmu_0123456789abcdef",
    sha256="0" * 64,
    size_bytes=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    model_name="TurbineCircuit",
    fmi_version="2.0",
    guid="{1}",
    description="Steam circuit of a power plant",
    kinds=("co_simulation",),
    variables=("steam.T", "speed"),
    units=("degC", "rad/s"),
    n_states=4,
)


@pytest.fixture(scope="module")
def library(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    cards = Catalogue.load(built, tmp_path_factory.mktemp("cache")).cards
    return Index(map(library_entry, cards))


@pytest.fixture(scope="module")
def both(library: Index) -> tuple[Index, Index]:
    return library, Index([upload_entry(PLANT)])


def ids(found: Sequence[Entry]) -> list[str]:
    return [entry.id for entry in found]


@pytest.mark.parametrize("query", CASES)
def test_what_an_agent_asks_for_comes_first(library: Index, query: str) -> None:
    expected = {name for name in CASES[query] if any(e.model_name == name for e in library.entries)}
    if not expected:
        pytest.skip(f"the library has none of {CASES[query]}")
    found = list(dict.fromkeys(entry.model_name for entry in search((library,), query)))
    assert found[0] in expected, found[:5]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("BouncingBall", "msl:BouncingBall"),
        ("bouncingball", "msl:BouncingBall"),
        ("msl:BouncingBall", "msl:BouncingBall"),
        ("msl:BouncingBall@fmi3", "msl:BouncingBall@fmi3"),
        ("bounces", "msl:BouncingBall"),
        ("turbine circuit", PLANT.id),
        ("turbne", PLANT.id),
        ("degC steam", PLANT.id),
        (PLANT.id, PLANT.id),
    ],
)
def test_names_forms_units_and_uploads_are_found(
    both: tuple[Index, Index], query: str, expected: str
) -> None:
    assert ids(search(both, query))[0] == expected


def test_fmi_2_comes_before_its_fmi_3_twin(library: Index) -> None:
    assert ids(search((library,), "bouncing ball"))[:2] == [
        "msl:BouncingBall",
        "msl:BouncingBall@fmi3",
    ]


@pytest.mark.parametrize("query", ["", "   ", "?!"])
def test_no_words_list_everything_by_name_uploads_last(
    both: tuple[Index, Index], query: str
) -> None:
    found = search(both, query)
    assert len(found) == sum(len(index.entries) for index in both)
    assert [e.model_name for e in found[:-1]] == sorted(e.model_name for e in found[:-1])
    assert found[-1].id == PLANT.id


def test_what_matches_nothing_finds_nothing(both: tuple[Index, Index]) -> None:
    assert ids(search(both, "quantum gravity wormhole")) == []


def test_half_of_the_words_must_be_there(both: tuple[Index, Index]) -> None:
    assert PLANT.id in ids(search(both, "steam warp"))
    assert PLANT.id not in ids(search(both, "steam warp drive"))


def test_what_people_call_otherwise_is_found_after_what_is_called_so() -> None:
    freewheel = replace(upload_entry(PLANT), id="fmu_1", model_name="Freewheel", description=None)
    clutch = replace(
        upload_entry(PLANT), id="fmu_2", model_name="A", description="A one way clutch of a starter"
    )
    halfway = replace(upload_entry(PLANT), id="fmu_3", model_name="B", description="one way valve")
    assert ids(search((Index([clutch, halfway, freewheel]),), "freewheel")) == ["fmu_1", "fmu_2"]


def test_facets_narrow_and_are_counted(both: tuple[Index, Index]) -> None:
    everything = search(both, "")
    assert everything.facets["kind"]["co_simulation"] == len(everything)
    assert everything.facets["states"]["3-9"] >= 1
    thermal = search(both, "", {"domain": "thermal", "states": "3-9", "source": "upload"})
    assert ids(thermal) == [PLANT.id]
    assert thermal.facets == {
        "domain": {"mechanical": 1, "thermal": 1},
        "kind": {"co_simulation": 1},
        "states": {"3-9": 1},
    }
    assert ids(search(both, "steam", {"kind": "model_exchange", "source": "upload"})) == []


@pytest.mark.parametrize(
    ("name", "tags", "units", "domains"),
    [
        ("Modelica.Thermal.FluidHeatFlow.Examples.TwoTanks", [], [], ("thermal", "fluid")),
        ("Modelica.Mechanics.Rotational.Examples.First", [], ["V"], ("mechanical",)),
        ("Modelica.Blocks.Examples.PID_Controller", ["motor"], [], ("control",)),
        ("Thing", ["relaxation oscillator"], [], ("mathematics",)),
        ("Thing", ["dc motor", "oscillator"], [], ("electrical",)),
        ("Thing", [], ["V", "rad/s"], ("electrical", "mechanical")),
        ("Thing", [], ["1"], ()),
    ],
)
def test_a_domain_is_read_from_name_and_tags_else_from_units(
    name: str, tags: list[str], units: list[str], domains: tuple[str, ...]
) -> None:
    assert domains_of(name, tags, units) == domains


@given(query=st.text(max_size=200))
def test_any_query_is_answered_with_known_entries_once_each(query: str) -> None:
    entry = upload_entry(PLANT)
    known = Index([entry, replace(entry, id="fmu_1", model_name="Ärger_π")])
    found = ids(search((known, Index()), query))
    assert len(found) == len(set(found)) <= 2


def test_a_long_query_is_cut_not_refused(library: Index) -> None:
    assert search((library,), "bouncing ball " * 1000)[0].id == "msl:BouncingBall"
