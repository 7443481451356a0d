"""What is to be compiled of an FMU's sources, as its author lists it.

FMI 2.0.4, section 2.2.3 (`SourceFiles`), and FMI 3.0.2, section 2.5.1.5 (`buildDescription.xml`).
A stranger wrote both: of what they say, only names of files and folders below `sources/`, macros
and a few options that change nothing but C's own rules ever reach a compiler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, NoReturn
from xml.parsers import expat

from gateway_simulation import platforms
from gateway_simulation.exceptions import ForbiddenXmlError, InvalidSourcesError
from gateway_simulation.foreign import readable

FOLDER: Final = "sources/"
BUILD_DESCRIPTION: Final = f"{FOLDER}buildDescription.xml"
BUILD_DESCRIPTION_BYTES: Final = 2**20
C_SUFFIXES: Final = (".c",)
CPP_SUFFIXES: Final = (".cc", ".cpp", ".cxx")
SUFFIXES: Final = (*C_SUFFIXES, *CPP_SUFFIXES)

_HEADERS: Final = (".h", ".hh", ".hpp", ".hxx", ".inc")
_MACRO: Final = re.compile(r"[A-Za-z_]\w{0,200}", re.ASCII)
_VALUE: Final = re.compile(r"[ -~]{0,1000}")
_STANDARD: Final = re.compile(r"(c|gnu)(89|90|99|11|17|18)|(c|gnu)\+\+(98|03|11|14|17|20)")
_LANGUAGE: Final = re.compile(r"C(\+\+)?(\d\d)")
_OPTIONS: Final = frozenset(
    {"-fwrapv", "-fno-strict-aliasing", "-fsigned-char", "-funsigned-char", "-O0", "-O1"}
)
_LIBRARIES: Final = frozenset({"m", "dl", "pthread", "rt", "c", "stdc++"})
_MOST: Final = 2000
_ELEMENTS: Final = 20_000
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class SourceSet:
    """Files that are compiled alike. Paths are relative to `sources/` and lie in it.

    `definitions` are `NAME=value`, `standards` the languages by what C and C++ call them (`c99`).
    """

    files: tuple[str, ...]
    definitions: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    standard: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One shared library: what goes into it. `ignored` is what the author asked for besides."""

    identifier: str
    sets: tuple[SourceSet, ...]
    libraries: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(slots=True)
class _Set:
    files: list[str] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    language: str = ""
    options: str = ""


@dataclass(slots=True)
class _Configuration:
    identifier: str
    platform: str
    sets: list[_Set] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)


def of_fmi2(listed: Mapping[str, Iterable[str]], names: Iterable[str]) -> dict[str, Recipe]:
    """A recipe for each model identifier, out of the files that its interfaces list.

    `names` are the archive's entries. A model that lists nothing has one file with all of it, or
    can't be built: which of its files belong together is nobody's guess.

    Raises:
        InvalidSourcesError: a file is listed that isn't there, or is no C.

    """
    there = _inside(names)
    recipes = {}
    for identifier, files in listed.items():
        chosen = tuple(dict.fromkeys(files)) or (("all.c",) if "all.c" in there else ())
        units = _units(chosen, there)
        if units:
            recipes[identifier] = Recipe(identifier, (SourceSet(units),))
    return recipes


def of_fmi3(
    xml: bytes, identifiers: Iterable[str], names: Iterable[str], platform: str
) -> dict[str, Recipe]:
    """The same out of a buildDescription.xml, as far as it has something for `platform`.

    A single configuration under a name that no interface has (the Reference FMU StateSpace) is
    meant for all of them.

    Raises:
        ForbiddenXmlError: it has a DOCTYPE or declares entities.
        InvalidSourcesError: it can't be read, or asks for what isn't there.

    """
    there = _inside(names)
    configurations = [c for c in _read(xml) if _fits(c.platform, platform)]
    found = {c.identifier: c for c in reversed(configurations)}
    recipes = {}
    for identifier in identifiers:
        configuration = found.get(identifier)
        if configuration is None and len(found) == 1:
            (configuration,) = found.values()
        if configuration is not None:
            recipes[identifier] = _recipe(identifier, configuration, there)
    return {identifier: recipe for identifier, recipe in recipes.items() if recipe.sets}


def _fits(wanted: str, platform: str) -> bool:
    return not wanted or platforms.normalised(wanted) == platform


def _inside(names: Iterable[str]) -> frozenset[str]:
    return frozenset(n.removeprefix(FOLDER) for n in names if n.startswith(FOLDER))


def _recipe(identifier: str, configuration: _Configuration, there: frozenset[str]) -> Recipe:
    ignored: list[str] = []
    sets = []
    for given in configuration.sets:
        files = _units(given.files, there)
        if not files:
            continue
        words = given.options.split()
        ignored += [word for word in words if not _harmless(word)]
        sets.append(
            SourceSet(
                files=files,
                definitions=tuple(given.definitions),
                includes=tuple(_folder(name) for name in given.includes),
                options=tuple(word for word in words if word in _OPTIONS),
                standard=_standard(given.language, words),
            )
        )
    libraries = tuple(dict.fromkeys(_library(name) for name in configuration.libraries))
    return Recipe(
        identifier, tuple(sets), libraries, tuple(readable(word, _SHOWN) for word in ignored[:20])
    )


def _harmless(word: str) -> bool:
    """Whether nothing is lost by what we make of it: taken over, or about warnings only."""
    return word in _OPTIONS or bool(re.fullmatch(r"-(W[a-z=0-9-]*|g|O\d|fPIC|std=\S+)", word))


def _standard(language: str, words: list[str]) -> str | None:
    """What the compiler calls the language that is asked for; None where nothing known is."""
    for word in reversed(words):
        if word.startswith("-std=") and _STANDARD.fullmatch(word.removeprefix("-std=")):
            return word.removeprefix("-std=")
    found = _LANGUAGE.fullmatch(language)
    name = f"gnu{found[1] or ''}{found[2]}" if found else ""
    return name if _STANDARD.fullmatch(name) else None


def _units(files: Iterable[str], there: frozenset[str]) -> tuple[str, ...]:
    """The files to compile, each checked; headers that are listed beside them are found anyway."""
    units = []
    for name in files:
        path = _path(name)
        if path not in there:
            _refuse("a source file that isn't in the archive", name)
        if path.lower().endswith(_HEADERS):
            continue
        if not path.endswith(SUFFIXES):
            _refuse("a source file that is neither C nor C++", name)
        units.append(path)
    if len(units) > _MOST:
        _refuse("more files than can be compiled in decent time", units[0])
    return tuple(dict.fromkeys(units))


def _path(name: str) -> str:
    """A path that stays below `sources/`."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
        _refuse("a path outside its sources", name)
    if len(name) > _SHOWN or not name.isprintable():
        _refuse("a path that is too long or unprintable", name)
    return str(path)


def _folder(name: str) -> str:
    return _path(name.rstrip("/") or name)


def _library(name: str) -> str:
    if name not in _LIBRARIES:
        _refuse("a library that isn't part of C", name)
    return name


def _definition(name: str, value: str | None) -> str:
    if not _MACRO.fullmatch(name):
        _refuse("a macro with a name that C doesn't allow", name)
    if value is None:
        return name
    if not _VALUE.fullmatch(value):
        _refuse("a macro with a value that is too long or unprintable", name)
    return f"{name}={value}"


def _refuse(what: str, named: str) -> NoReturn:
    msg = f"the FMU's list of sources names {what}"
    raise InvalidSourcesError(msg, {"named": readable(named, _SHOWN)})


def _read(xml: bytes) -> list[_Configuration]:
    scan = _Scan()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = scan.refuse
    parser.EntityDeclHandler = scan.refuse
    parser.StartElementHandler = scan.start
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat's own signature
    except (expat.ExpatError, ValueError, LookupError, KeyError) as error:
        msg = "buildDescription.xml can't be read"
        raise InvalidSourcesError(msg, {"problems": [str(error)[:_SHOWN]]}) from error
    return scan.found


class _Scan:
    """Handlers of one pass over a buildDescription.xml."""

    def __init__(self) -> None:
        self.found: list[_Configuration] = []
        self._elements = 0

    def refuse(self, *_: object) -> None:
        msg = "buildDescription.xml has a DOCTYPE or declares entities"
        raise ForbiddenXmlError(msg)

    def start(self, name: str, given: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _ELEMENTS:
            _refuse("more than can be compiled in decent time", name)
        if name == "BuildConfiguration":
            self.found.append(_Configuration(given["modelIdentifier"], given.get("platform", "")))
        elif self.found and name == "SourceFileSet":
            made = _Set(
                language=given.get("language", ""), options=given.get("compilerOptions", "")
            )
            self.found[-1].sets.append(made)
        elif self.found and name == "Library":
            self.found[-1].libraries.append(given["name"])
        elif self.found and self.found[-1].sets:
            self._in_set(self.found[-1].sets[-1], name, given)

    def _in_set(self, into: _Set, name: str, given: dict[str, str]) -> None:
        if name == "SourceFile":
            into.files.append(given["name"])
        elif name == "IncludeDirectory":
            into.includes.append(given["name"])
        elif name == "PreprocessorDefinition" and given.get("optional") not in {"true", "1"}:
            into.definitions.append(_definition(given["name"], given.get("value")))
