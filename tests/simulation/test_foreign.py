"""What a stranger writes is made readable: bounded, on one line, nothing that doesn't show."""

from __future__ import annotations

import time
import unicodedata

import pytest
from fmus import compiled
from hypothesis import given
from hypothesis import strategies as st

from gateway_simulation.archive import Limits, inspect
from gateway_simulation.exceptions import InvalidModelDescriptionError
from gateway_simulation.foreign import hides_something, readable

NAMES = [
    "h",
    "der(x[1])",
    "'a b'",
    "pipe.flow[1,2].m_flow",
    "温度",
    "Größe",
    "давление",
    "é",
    "Ω_1",
]
WRITING = [
    "Ωμέγα",
    "日本語の説明",
    "हिन्दी",
    "ภาษาไทย",
    "Tiếng Việt",
    "עברית",
    "العربية",
    "한국어",
    "👍 m²",
]
UNSEEN = [
    "\0", "\x1b", "\x7f", "\x9b", "\u00ad", "\u034f", "\u061c", "\u115f", "\u180e", "\u200b",
    "\u200d", "\u200f", "\u202a", "\u202e", "\u2060", "\u2066", "\u2800", "\u3164", "\ufe0f",
    "\ufeff", "\uffa0", "\ufffe", "\ud800", "\ue000", "\U000e0001", "\U000e0041", "\U000e0100",
    "\U000f0000", "\n", "\r", "\t", "\u2028", "\u2029", "\x85",
]  # fmt: skip


@pytest.mark.parametrize("text", [*NAMES, *WRITING])
def test_letters_of_all_languages_stay(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    assert readable(text, 100) == text


@pytest.mark.parametrize("name", NAMES)
def test_names_as_tools_write_them_hide_nothing(name: str) -> None:
    assert not hides_something(name)


@pytest.mark.parametrize("character", UNSEEN, ids=lambda c: f"{ord(c):x}")
def test_what_does_not_show_goes_and_is_refused_in_names(character: str) -> None:
    assert readable(f"a{character}b", 100) in {"ab", "a b"}
    assert hides_something(f"a{character}b")


@given(st.text(st.characters(exclude_categories=[])), st.integers(1, 50))
def test_any_text_becomes_one_short_line_and_stays_as_it_is_then(text: str, length: int) -> None:
    clean = readable(text, length)
    assert len(clean) <= length
    assert clean.splitlines() in ([], [clean])
    assert readable(clean, length) == clean
    assert not hides_something(clean)
    clean.encode()


def test_a_cut_shows() -> None:
    assert readable("x" * 101, 100) == "x" * 99 + "…"
    assert readable("x" * 100, 100) == "x" * 100
    assert readable("\u200b" * 10_000 + "order", 100) == "…"


def test_marks_do_not_pile_up() -> None:
    assert len(readable("a" + "\u0335" * 500, 1000)) <= 5


def test_a_text_of_any_length_takes_no_time() -> None:
    began = time.process_time()
    readable("\u202e" * 50_000_000, 1000)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\u00ad", "\U000e0041", "\ue000"])
@pytest.mark.parametrize(
    "place",
    ['name="{}"', 'guid="{{test}}{}"', 'unit="m{}"', '<Unit name="m{}">', 'Item name="red{}"'],
)
def test_a_name_that_hides_something_is_refused(character: str, place: str) -> None:
    good = compiled.description("driven" if place.startswith(("name", "unit")) else "has_text")
    old = place.replace("{{", "{").replace("}}", "}").replace("{}", "")
    old = 'name="u"' if old == 'name=""' else old
    assert old in good
    put = old[:-2] + character + old[-2:] if old.endswith('">') else old[:-1] + character + '"'
    with pytest.raises(InvalidModelDescriptionError) as caught:
        inspect(compiled.archive(good.replace(old, put), b"", "driven"), Limits())
    assert "don't show" in str(caught.value.details["problems"])
    assert character not in str(caught.value.details)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('causality="input"', 'causality="obey me"'),
        ('variability="fixed"', 'variability="obey me"'),
        ('initial="exact"', 'initial="obey me"'),
    ],
)
def test_words_that_fmi_does_not_know_are_refused(good: str, bad: str) -> None:
    xml = compiled.description("driven")
    assert good in xml
    with pytest.raises(InvalidModelDescriptionError):
        inspect(compiled.archive(xml.replace(good, bad), b"", "driven"), Limits())


@pytest.mark.parametrize("reference", ["&#0;", "&#xD800;", "&#x1b;", "&#xFFFE;", "&#x110000;"])
def test_characters_that_xml_forbids_are_refused(reference: str) -> None:
    xml = compiled.description("driven").replace('name="u"', f'name="u{reference}"')
    with pytest.raises(InvalidModelDescriptionError):
        inspect(compiled.archive(xml, b"", "driven"), Limits())
