"""Search finds what an agent means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_library.catalogue import Catalogue
from gateway_library.search import Entry, library_entry, search, upload_entry
from gateway_library.store import Stored

PUMP = Stored(
    id="fmu_0123456789abcdef",
    sha256="0" * 64,
    size_bytes=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    model_name="ScavengePump",
    fmi_version="2.0",
    guid="{1}",
    description="Oil circuit of an engine",
    kinds=("co_simulation",),
    variables=("oil.T", "speed"),
    units=("degC", "rad/s"),
)

FEW = {"BouncingBall", "Dahlquist", "VanDerPol"}  # what comes first doesn't change with the library


@pytest.fixture(scope="module")
def entries(built: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    catalogue = Catalogue.load(built, tmp_path_factory.mktemp("cache"))
    few = [card for card in catalogue.cards if card.model_name in FEW]
    return [*(library_entry(card) for card in few), upload_entry(PUMP)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("bouncing ball", "msl:BouncingBall"),
        ("BouncingBall", "msl:BouncingBall"),
        ("bouncingball", "msl:BouncingBall"),
        ("msl:BouncingBall", "msl:BouncingBall"),
        ("msl:BouncingBall@fmi3", "msl:BouncingBall@fmi3"),
        ("bouncnig bal", "msl:BouncingBall"),
        ("a model with an impact", "msl:BouncingBall"),
        ("coefficient of restitution", "msl:BouncingBall"),
        ("state event", "msl:BouncingBall"),
        ("m/s2", "msl:BouncingBall"),
        ("gravity", "msl:BouncingBall"),
        ("oscillator", "msl:VanDerPol"),
        ("osc", "msl:VanDerPol"),
        ("limit cycle", "msl:VanDerPol"),
        ("stiff", "msl:VanDerPol"),
        ("van der pol", "msl:VanDerPol"),
        ("exponential decay", "msl:Dahlquist"),
        ("dalquist", "msl:Dahlquist"),
        ("scavenge pump", PUMP.id),
        ("oil", PUMP.id),
        ("degC", PUMP.id),
        (PUMP.id, PUMP.id),
    ],
)
def test_the_best_match_comes_first(entries: list[Entry], query: str, expected: str) -> None:
    assert search(entries, query)[0].id == expected


def test_fmi_2_comes_before_its_fmi_3_twin(entries: list[Entry]) -> None:
    assert [e.id for e in search(entries, "ball")] == ["msl:BouncingBall", "msl:BouncingBall@fmi3"]


@pytest.mark.parametrize("query", ["", "   ", "?!"])
def test_no_words_list_everything_by_name(entries: list[Entry], query: str) -> None:
    found = search(entries, query)
    assert len(found) == len(entries)
    assert found[0].id == "msl:BouncingBall"
    assert found[-1].id == PUMP.id


def test_what_matches_nothing_finds_nothing(entries: list[Entry]) -> None:
    assert search(entries, "heat exchanger turbine") == []


@given(query=st.text(max_size=200))
def test_any_query_is_answered_with_known_entries_once_each(query: str) -> None:
    entry = upload_entry(PUMP)
    known = [entry, replace(entry, id="fmu_1", model_name="Ärger_π")]
    found = [e.id for e in search(known, query)]
    assert len(found) == len(set(found)) <= len(known)


def test_a_long_query_is_cut_not_refused(entries: list[Entry]) -> None:
    assert search(entries, "bouncing ball " * 1000)[0].id == "msl:BouncingBall"
