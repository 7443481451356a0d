"""An operator's card: read with care, and what is wrong is told with its line."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_library.operator_card import OperatorCardError, as_yaml, read_card

FULL = b"""\
name: Acme.Pump-2
description: A gear pump with leakage
domains: [fluid]
tags: [pump, on, off, 2]
literature:
  - "Ivantysyn: Hydrostatic Pumps and Motors, 2003"
notes: Flow in l/min; valid from 10 to 80 degC
kpis: [q_mean]
verified:
  against: measurement
  error: 1e-3
  how: Test bench, 12 operating points
"""


def test_a_card_is_read_as_it_is_written() -> None:
    card = read_card(FULL)
    assert card.tags == ("pump", "on", "off", "2")
    assert card.verified is not None
    assert card.verified.error == 1e-3
    assert read_card(as_yaml(card).encode()) == card


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tags: pump", "line 1: tags: Input should be a valid tuple"),
        ("a: 1\ndescripton: Pump", "line 2: descripton: a card has no such field"),
        ("\ndescripton: Pump", "is 'description' meant?"),
        ("name: Pump\ntags:\n  - ok\n  - ''\n", "line 4: tags.1: Value error, says nothing"),
        ("verified:\n  how: x\n  against: faith\n", "line 3: verified.against: Input should be"),
        ("verified:\n  against: analytic\n", "line 1: verified.how: Field required"),
        ("verified:\n  against: analytic\n  how: x\n  error: -1", "line 4: verified.error"),
        ("verified:\n  against: analytic\n  how: x\n  error: .nan", "line 4: verified.error"),
        ("tags: [a\nname: b", "line 2: "),
        ("name: Pump\nname: Motor", "line 2: 'name' is there twice"),
        ("name: ../../etc/passwd", "line 1: name: String should match pattern"),
        ("- Pump", "a card is a list of `field: value` lines"),
        ("", "a card is a list of `field: value` lines"),
        ("a: &a [x]\nb: *a", "aliases (*name) have no use in a card"),
        ("name: a\n---\nname: b", "line 2: but found another document"),
        ("tags: " + "[" * 5000, "line 1: "),
        ("notes: " + "x" * 70_000, "more than 65536 bytes"),
        ("name: \x00", "read"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(OperatorCardError) as raised:
        read_card(text.encode())
    assert any(problem in told for told in raised.value.problems), raised.value.problems


def test_text_that_does_not_show_is_taken_out() -> None:
    card = read_card("description: A pump\u202e that\u200b hides\n".encode())
    assert card.description == "A pump that hides"


@given(text=st.binary(max_size=300))
def test_any_bytes_are_a_card_or_refused(text: bytes) -> None:
    with suppress(OperatorCardError):
        read_card(text)
