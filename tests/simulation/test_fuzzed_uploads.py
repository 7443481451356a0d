"""Real FMUs, damaged in all ways, are read or refused by a typed error; never anything else."""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest
from fmus import compiled, orders
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_library.build import built_folder
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.exceptions import ArchiveError

pytestmark = [
    pytest.mark.skipif(not compiled.available(), reason="no C compiler"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

LIMITS = Limits(unpacked_bytes=64 * 2**20)
XML = "modelDescription.xml"
RECORDS = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")
NASTY = (
    b"\0", b"\xff" * 4, b"\xff\xff\xff\x7f", b"..", b"/", b"\\", b"&#xD800;", b"&#0;", b"<", b'"',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"]]>", b"<!--", b"\xe2\x80\xae", b"\xed\xa0\x80", b"NaN",
    b"1e999", b"-1", b"99999999999999999999", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07",
)  # fmt: skip


@cache
def seeds() -> tuple[bytes, ...]:
    """FMUs as they really are: of the library, compiled, hostile."""
    library = [path.read_bytes() for path in sorted(built_folder().glob("*.fmu"))]
    return (*library, compiled.fmu("has_text"), compiled.trap("good", "3.0"), orders.fmu())


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with bytes changed, cut, repeated, spliced or made nasty, a few times."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["set", "cut", "repeat", "move", "nasty", "record"])):
            case "set":
                changed[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del changed[at : at + length]
            case "repeat":
                changed[at:at] = changed[at : at + length] * draw(st.integers(1, 20))
            case "move":
                to = draw(st.integers(0, len(changed)))
                changed[to:to] = changed[at : at + length]
            case "nasty":
                changed[at:at] = draw(st.sampled_from(NASTY))
            case "record":
                start = changed.find(draw(st.sampled_from(RECORDS)))
                field = max(0, start) + draw(st.integers(4, 45))
                changed[field : field + 2] = draw(st.binary(min_size=2, max_size=2))
    return bytes(changed)


@st.composite
def uploads(draw: st.DrawFn) -> bytes:
    """A damaged archive, or a sound one of a damaged description or binary."""
    seed = draw(st.sampled_from(seeds()))
    where = draw(st.sampled_from(["archive", "description", "binary"]))
    if where == "archive":
        return draw(damaged(seed))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if (name == XML) == (where == "description"):
                head = content[:20_000]
                content = draw(damaged(head)) + content[20_000:]
            target.writestr(name, content)
    return buffer.getvalue()


def taken(data: bytes) -> bool:
    """Whether the upload is taken; it is then extracted and read again as it was."""
    try:
        inspection = inspect(data, LIMITS)
        with tempfile.TemporaryDirectory() as folder:
            extract(data, inspection, Path(folder) / "model", LIMITS)
            model = load("fmu_x", inspection.sha256, Path(folder) / "model")
            assert model.description == inspection.description
    except ArchiveError as error:
        str(error).encode()
        return False
    return True


def test_the_seeds_are_taken() -> None:
    assert all(map(taken, seeds()))


@settings(max_examples=300, deadline=None)
@given(uploads())
def test_a_damaged_fmu_is_read_or_refused_by_a_typed_error(data: bytes) -> None:
    taken(data)


@pytest.mark.fuzz
@settings(max_examples=4_000, deadline=None)
@given(uploads())
def test_a_damaged_fmu_is_read_or_refused_by_a_typed_error_at_length(data: bytes) -> None:
    taken(data)
