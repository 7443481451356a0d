"""An upload is an FMU for this machine, or is refused before anything reaches the disk."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from pathlib import Path

import fmpy  # type: ignore[import-untyped]
import pytest
from fmus import compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from gateway_simulation import elf, metadata, platforms
from gateway_simulation import exceptions as e
from gateway_simulation.archive import Limits, extract, inspect, load

pytestmark = pytest.mark.skipif(not compiled.available(), reason="no C compiler")

LIMITS = Limits(upload_bytes=2**20, entries=100, unpacked_bytes=64 * 2**20, ratio=100)
GOOD_XML = compiled.description("driven")


def _zip(entries: dict[str, bytes | str], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in attributes.items():
                setattr(entry, attribute, value)
            file.writestr(entry, content)
    return buffer.getvalue()


def _fmu(xml: str, extra: dict[str, bytes | str] | None = None) -> bytes:
    return _zip({"modelDescription.xml": xml, **(extra or {})})


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"PK\x05\x06" + b"\0" * 3, b"\0" * 999])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with pytest.raises(e.NotAnArchiveError):
        inspect(data, LIMITS)


@pytest.mark.parametrize(
    "name",
    ["../evil", "resources/../../evil", "/etc/passwd", "..\\evil", "C:\\evil", "C:/evil", "a\nb"],
)
def test_entries_that_would_leave_their_folder_are_refused(name: str) -> None:
    with pytest.raises(e.UnsafeArchiveError):
        inspect(_fmu(GOOD_XML, {name: "evil"}), LIMITS)


def test_links_are_refused() -> None:
    link = _zip({"resources/link": "/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(e.UnsafeArchiveError) as caught:
        inspect(link, LIMITS)
    assert caught.value.details == {"entry": "resources/link"}


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(_fmu(GOOD_XML))
    directory = data.rfind(b"PK\x01\x02")
    data[directory + 8] |= 1
    with pytest.raises(e.UnsafeArchiveError):
        inspect(bytes(data), LIMITS)


def test_entries_that_are_there_twice_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("modelDescription.xml", GOOD_XML)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("modelDescription.xml", GOOD_XML)
    with pytest.raises(e.UnsafeArchiveError):
        inspect(buffer.getvalue(), LIMITS)


def test_a_file_that_is_also_a_folder_is_refused() -> None:
    with pytest.raises(e.UnsafeArchiveError):
        inspect(_fmu(GOOD_XML, {"resources": "file", "resources/inside": "file"}), LIMITS)


@pytest.mark.parametrize(
    "bomb",
    [
        {f"resources/{i}": "" for i in range(200)},
        {"resources/zeros": bytes(32 * 2**20)},
        {f"resources/{i}": bytes(9 * 2**20) for i in range(9)},
    ],
    ids=["count", "ratio", "size"],
)
def test_bombs_are_refused(bomb: dict[str, bytes | str]) -> None:
    with pytest.raises(e.ArchiveBombError):
        inspect(_fmu(GOOD_XML, bomb), LIMITS)


def test_a_directory_too_long_to_read_is_refused_unread() -> None:
    data = bytearray(_fmu(GOOD_XML))
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<HHI", data, end + 8, 60_000, 60_000, 2**30)
    with pytest.raises(e.ArchiveBombError):
        inspect(bytes(data), LIMITS)


def test_an_entry_that_lies_about_its_size_is_caught(tmp_path: Path) -> None:
    honest = compiled.fmu("driven")
    with_lie = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(honest)) as source, zipfile.ZipFile(with_lie, "w") as file:
        for entry in source.infolist():
            file.writestr(entry, source.read(entry))
        file.writestr("resources/big", bytes(2**20), zipfile.ZIP_DEFLATED)
    data = bytearray(with_lie.getvalue())
    entry_at = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, entry_at + 24, 10)
    inspection = inspect(bytes(data), LIMITS)
    with pytest.raises(e.NotAnArchiveError):
        extract(bytes(data), inspection, tmp_path / "model", LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(e.UploadTooLargeError) as caught:
        inspect(bytes(LIMITS.upload_bytes + 1), LIMITS)
    assert caught.value.details == {"bytes": 2**20 + 1, "limit": 2**20}


def test_a_zip_without_description_is_no_fmu() -> None:
    with pytest.raises(e.MissingModelDescriptionError):
        inspect(_zip({"readme.txt": "hello"}), LIMITS)
    with pytest.raises(e.MissingModelDescriptionError) as caught:
        inspect(_zip({"model/modelDescription.xml": GOOD_XML}), LIMITS)
    assert caught.value.details == {"found": "model/modelDescription.xml"}


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(prolog: str, encoding: str) -> None:
    xml = GOOD_XML.replace('encoding="UTF-8"', f'encoding="{encoding}"')
    head, separator, body = xml.partition("?>")
    attack = (head + separator + prolog + body).encode(encoding)
    with pytest.raises(e.ForbiddenXmlError):
        inspect(_zip({"modelDescription.xml": attack}), LIMITS)


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<fmiModelDescription",
        "<other/>",
        '<fmiModelDescription fmiVersion="2.0"/>',
        "<a>" * 500 + "</a>" * 500,
        GOOD_XML.replace('modelIdentifier="driven"', 'modelIdentifier="../../evil"'),
        GOOD_XML.replace('name="u"', f'name="{"u" * 2000}"'),
        GOOD_XML.replace('name="u"', 'name="x"'),
        GOOD_XML.replace('start="0"', 'start="inf"').replace('max="100"', 'max="nan"'),
    ],
)
def test_descriptions_that_describe_nothing_are_refused(xml: str) -> None:
    with pytest.raises(e.InvalidModelDescriptionError):
        inspect(_fmu(xml), LIMITS)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('numberOfEventIndicators="0"', 'numberOfEventIndicators="-1"'),
        ('numberOfEventIndicators="0"', 'numberOfEventIndicators="4000000000"'),
        ('valueReference="0"', 'valueReference="-1"'),
        ('valueReference="0"', 'valueReference="4294967296"'),
        ('name="green" value="3"', 'name="green" value="3000000000"'),
    ],
)
def test_numbers_that_no_call_can_take_are_refused(good: str, bad: str) -> None:
    xml = compiled.description("has_text")
    assert good in xml
    with pytest.raises(e.InvalidModelDescriptionError):
        inspect(_fmu(xml.replace(good, bad)), LIMITS)


def test_an_oversized_description_is_refused_unparsed() -> None:
    limits = Limits(description_bytes=1000)
    with pytest.raises(e.InvalidModelDescriptionError) as caught:
        inspect(_fmu(GOOD_XML), limits)
    assert caught.value.details == {"limit": 1000}


@pytest.mark.parametrize("version", ["1.0", "4.0", ""])
def test_other_fmi_versions_are_refused(version: str) -> None:
    with pytest.raises(e.UnsupportedFmiVersionError) as caught:
        inspect(_fmu(GOOD_XML.replace('fmiVersion="2.0"', f'fmiVersion="{version}"')), LIMITS)
    assert caught.value.details == {"fmi_version": version, "supported": ["2.0", "3.0"]}


def test_an_fmu_for_other_platforms_says_which_it_has(references: Path) -> None:
    data = (references / "CoupledClutches_CS_win64.fmu").read_bytes()
    with pytest.raises(e.UnsupportedPlatformError) as caught:
        inspect(data, Limits())
    assert caught.value.details == {"platforms": ["win64"], "needed": platforms.host()}


def test_an_fmu_of_sources_only_is_told_from_one_without_anything() -> None:
    with pytest.raises(e.SourceOnlyModelError):
        inspect(_fmu(GOOD_XML, {"sources/model.c": "int x;"}), LIMITS)
    assert inspect(_fmu(GOOD_XML, {"sources/all.c": "int x;"}), LIMITS).recipes
    with pytest.raises(e.UnsupportedPlatformError):
        inspect(_fmu(GOOD_XML, {"documentation/index.html": "hello"}), LIMITS)


def test_a_binary_that_is_none_is_refused() -> None:
    data = compiled.archive(GOOD_XML, b"MZ" + bytes(100), "driven")
    with pytest.raises(e.UnsupportedPlatformError):
        inspect(data, LIMITS)


def test_a_model_that_needs_its_tool_is_refused() -> None:
    xml = GOOD_XML.replace(
        'modelIdentifier="driven"', 'modelIdentifier="driven" needsExecutionTool="true"'
    )
    with pytest.raises(e.UnsupportedKindError):
        inspect(_fmu(xml), LIMITS)


def test_a_description_that_breaks_the_schema_is_taken_with_a_warning() -> None:
    xml = GOOD_XML.replace('modelName="driven"', 'modelName="driven" invented="1"')
    inspection = inspect(compiled.archive(xml, compiled.binary("driven"), "driven"), LIMITS)
    assert any("invented" in problem for problem in inspection.problems)
    assert any("see problems" in warning for warning in inspection.warnings)


def test_descriptions_keep_what_running_needs(references: Path) -> None:
    data = (references / "reference/fmi3/BouncingBall.fmu").read_bytes()
    description = inspect(data, Limits()).description
    assert description.kinds == ("co_simulation", "model_exchange")
    assert description.fmi_version == "3.0"
    assert description.states == ("h", "v")
    assert description.default_experiment.stop_time == 3
    e_ = description.by_name["e"]
    assert (e_.causality, e_.min, e_.max, e_.start) == ("parameter", 0.5, 1.0, 0.7)
    assert "linux64" in description.platforms


def test_bounds_of_unsigned_integers_are_read(references: Path) -> None:
    data = (references / "reference/fmi3/StateSpace.fmu").read_bytes()
    assert inspect(data, Limits()).description.by_name["m"].max == 5


@pytest.mark.parametrize("behaviour", ["driven", "has_text"])
def test_a_model_is_loaded_from_its_folder_as_it_was_inspected(
    behaviour: str, tmp_path: Path
) -> None:
    data = compiled.fmu(behaviour)
    inspection = inspect(data, LIMITS)
    extract(data, inspection, tmp_path / "model", LIMITS)
    model = load("fmu_x", inspection.sha256, tmp_path / "model")
    assert model.description == inspection.description
    assert model.identity == inspection.sha256


def test_only_what_running_needs_is_extracted_and_again_does_no_harm(tmp_path: Path) -> None:
    data = compiled.fmu("driven")
    extended = io.BytesIO(data)
    with zipfile.ZipFile(extended, "a") as file:
        file.writestr("documentation/index.html", "<script>")
        file.writestr("binaries/win64/driven.dll", "MZ")
        file.writestr("resources/table.txt", "1 2 3")
    inspection = inspect(extended.getvalue(), LIMITS)
    for _ in range(2):
        extract(extended.getvalue(), inspection, tmp_path / "model", LIMITS)
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {
        "model/description.json",
        "model/modelDescription.xml",
        "model/resources/table.txt",
        f"model/binaries/{platforms.host()}/driven.so",
    }


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(e.ModelFolderError):
        load("fmu_x", "0" * 64, tmp_path)
    (tmp_path / "description.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(e.ModelFolderError):
        load("fmu_x", "0" * 64, tmp_path)


def test_a_name_that_begins_with_nul_is_refused() -> None:
    archive = _zip({"modelDescription.xml": GOOD_XML, "Xname": "hello"}).replace(
        b"Xname", b"\0name"
    )
    with pytest.raises(e.ArchiveError):
        inspect(archive, LIMITS)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_an_archive_gets_past_as_another_error(data: st.DataObject) -> None:
    archive = bytearray(compiled.archive(GOOD_XML, b"\x7fELF", "driven"))
    for _ in range(data.draw(st.integers(1, 6))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with pytest.raises(e.ArchiveError):
        inspect(bytes(archive), LIMITS)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_damage_to_a_description_gets_past_as_another_error(data: st.DataObject) -> None:
    xml = GOOD_XML.encode()
    at = data.draw(st.integers(0, len(xml) - 1))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(st.binary(max_size=8))
    damaged = xml[:at] + put + xml[at + cut :]
    try:
        inspect(_zip({"modelDescription.xml": damaged}), LIMITS)
    except e.ArchiveError:
        return
    pytest.fail("without a binary nothing is accepted")


def test_missing_system_libraries_are_named() -> None:
    binary = compiled.binary("noisy").replace(b"libc.so.6", b"libq.so.6")
    data = compiled.archive(compiled.description("noisy"), binary, "noisy")
    inspection = inspect(data, LIMITS)
    assert inspection.missing_libraries == ("libq.so.6",)
    assert any("see missing_libraries" in warning for warning in inspection.warnings)


def test_no_binary_can_ask_which_files_this_machine_has() -> None:
    assert elf.missing(("/etc/passwd", "../../etc/passwd"), frozenset()) == (
        "/etc/passwd",
        "../../etc/passwd",
    )
    assert elf.missing(("$ORIGIN/libown.so", "libc.so.6"), frozenset({"libown.so"})) == ()


def test_metadata_of_another_version_is_not_read() -> None:
    with pytest.raises(ValueError, match="another version"):
        metadata.from_json(b'{"format": 99}')


def test_a_description_of_too_many_variables_is_refused_before_it_is_read() -> None:
    variable = '<ScalarVariable name="v{}" valueReference="{}"><Real start="0"/></ScalarVariable>'
    many = "".join(variable.format(i, i) for i in range(60_000))
    xml = GOOD_XML.replace("<ModelVariables>", f"<ModelVariables>{many}")
    assert many in xml
    with pytest.raises(e.ArchiveBombError) as caught:
        inspect(_fmu(xml), Limits())
    assert caught.value.details == {"what": "variables", "limit": 50_000}


def test_a_broken_reader_is_not_blamed_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fmpy, "__file__", "/nowhere/fmpy/__init__.py")
    with pytest.raises(etree.XMLSchemaParseError):
        inspect(compiled.fmu("driven"), Limits())
