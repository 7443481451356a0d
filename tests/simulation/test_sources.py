"""What of an author's list of sources reaches a compiler, and what never does."""

from __future__ import annotations

import pytest

from gateway_simulation import platforms
from gateway_simulation.exceptions import ForbiddenXmlError, InvalidSourcesError
from gateway_simulation.sources import Recipe, SourceSet, of_fmi2, of_fmi3

NAMES = ("sources/model.c", "sources/sub/more.cpp", "sources/model.h", "sources/odd.f90")


def described(inside: str, attributes: str = "", more: str = "", name: str = "m") -> Recipe:
    """The recipe of a buildDescription.xml with one configuration and one set."""
    xml = (
        f'<fmiBuildDescription fmiVersion="3.0"><BuildConfiguration modelIdentifier="{name}">'
        f"<SourceFileSet {attributes}>{inside}</SourceFileSet>{more}"
        "</BuildConfiguration></fmiBuildDescription>"
    )
    return of_fmi3(xml.encode(), ["m"], NAMES, platforms.host())["m"]


MODEL = '<SourceFile name="model.c"/>'


def test_fmi_2_lists_files_for_each_identifier() -> None:
    found = of_fmi2({"a": ["model.c", "model.h"], "b": ["sub/more.cpp", "model.c"]}, NAMES)
    assert found["a"] == Recipe("a", (SourceSet(("model.c",)),))
    assert found["b"].sets[0].files == ("sub/more.cpp", "model.c")


def test_a_model_that_lists_nothing_is_all_c_or_nothing() -> None:
    assert of_fmi2({"a": []}, NAMES) == {}
    assert of_fmi2({"a": []}, [*NAMES, "sources/all.c"])["a"].sets[0].files == ("all.c",)


@pytest.mark.parametrize(
    "name",
    ["gone.c", "../model.c", "/etc/passwd", "odd.f90", "", "sub\\more.cpp", "model.c\n-o"],
)
def test_what_is_no_source_of_the_archive_is_refused(name: str) -> None:
    with pytest.raises(InvalidSourcesError):
        of_fmi2({"a": [name]}, [*NAMES, "sources/model.c\n-o"])


def test_fmi_3_gives_files_macros_folders_and_a_language() -> None:
    found = described(
        f'{MODEL}<SourceFile name="sub/more.cpp"/><IncludeDirectory name="sub/"/>'
        '<PreprocessorDefinition name="A"/><PreprocessorDefinition name="B" value="1 2"/>'
        '<PreprocessorDefinition name="C" value="3" optional="true"/>',
        'language="C99"',
        '<Library name="m"/>',
    )
    (group,) = found.sets
    assert group.files == ("model.c", "sub/more.cpp")
    assert group.definitions == ("A", "B=1 2")
    assert group.includes == ("sub",)
    assert group.standard == "gnu99"
    assert found.libraries == ("m",)
    assert found.ignored == ()


def test_of_the_authors_options_only_harmless_ones_are_taken_and_the_rest_is_told() -> None:
    given = "-Wall -std=c11 -fwrapv -include /etc/passwd -B. -specs=x @more -Wl,-rpath,/x -Wa,-al=y"
    found = described(MODEL, f'compilerOptions="{given}"')
    assert found.sets[0].options == ("-fwrapv",)
    assert found.sets[0].standard == "c11"
    assert found.ignored == (
        "-include", "/etc/passwd", "-B.", "-specs=x", "@more", "-Wl,-rpath,/x", "-Wa,-al=y"
    )  # fmt: skip


@pytest.mark.parametrize(
    "inside",
    [
        f'{MODEL}<PreprocessorDefinition name="X -include y"/>',
        f'{MODEL}<PreprocessorDefinition name="X" value="1&#10;2"/>',
        f'{MODEL}<IncludeDirectory name="../.."/>',
        f'{MODEL}<IncludeDirectory name="/usr/include"/>',
        '<SourceFile name="/etc/passwd"/>',
    ],
)
def test_what_leaves_its_place_is_refused(inside: str) -> None:
    with pytest.raises(InvalidSourcesError):
        described(inside)


@pytest.mark.parametrize("name", ["hdf5", ":../../x.o", "/x/y", "m -Wl,-Map=x"])
def test_only_cs_own_libraries_are_linked(name: str) -> None:
    with pytest.raises(InvalidSourcesError):
        described(MODEL, more=f'<Library name="{name}"/>')


def test_configurations_for_other_platforms_are_left_alone() -> None:
    xml = (
        '<fmiBuildDescription fmiVersion="3.0">'
        '<BuildConfiguration modelIdentifier="m" platform="x86_64-windows">'
        '<SourceFileSet><SourceFile name="windows.c"/></SourceFileSet></BuildConfiguration>'
        f'<BuildConfiguration modelIdentifier="m"><SourceFileSet>{MODEL}</SourceFileSet>'
        "</BuildConfiguration></fmiBuildDescription>"
    )
    assert of_fmi3(xml.encode(), ["m"], NAMES, "linux64")["m"].sets[0].files == ("model.c",)


def test_the_only_configuration_is_meant_whatever_it_is_called() -> None:
    assert described(MODEL, name="other").identifier == "m"


def test_entities_are_refused_and_what_is_no_xml_too() -> None:
    with pytest.raises(ForbiddenXmlError):
        of_fmi3(b'<!DOCTYPE x [<!ENTITY a "b">]><x/>', ["m"], NAMES, "linux64")
    with pytest.raises(InvalidSourcesError):
        of_fmi3(b"<x", ["m"], NAMES, "linux64")
    with pytest.raises(InvalidSourcesError):
        of_fmi3(b"<x><BuildConfiguration/></x>", ["m"], NAMES, "linux64")
