"""A stranger's modelDescription.xml, looked through before a full XML parser touches it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from gateway_simulation.exceptions import (
    ArchiveBombError,
    ForbiddenXmlError,
    InvalidModelDescriptionError,
    UnsupportedFmiVersionError,
)
from gateway_simulation.foreign import readable

SUPPORTED_VERSIONS: Final = ("2.0", "3.0")
_DEPTH: Final = 60
_LINE: Final = 300
_WORD: Final = 100
_ELEMENTS: Final = 400_000
_VARIABLES: Final = 50_000  # reading them takes seconds and megabytes
_ENCODINGS: Final = frozenset({"utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"})
"""FMI wants UTF-8. Of others two parsers might not read the same."""


@dataclass(slots=True)
class Outline:
    """What one pass over the document finds."""

    fmi_version: str = ""
    relative: set[str] = field(default_factory=set)
    """Names of variables with relativeQuantity="true", which FMPy's reader overlooks."""
    bounds: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Minimum and maximum of unsigned integers, which it overlooks too."""
    source_files: dict[str, list[str]] = field(default_factory=dict)
    """What FMI 2.0's interfaces list as their sources, by model identifier."""


def outline(xml: bytes) -> Outline:
    """Check `xml` and take from it what decides how to read it.

    Raises:
        ForbiddenXmlError: it has a DOCTYPE or declares entities.
        ArchiveBombError: it has more elements or variables than can be read in decent time.
        UnsupportedFmiVersionError: neither FMI 2.0 nor 3.0.
        InvalidModelDescriptionError: not well-formed, absurdly deep, or something else.

    """
    scan = _Scan()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = scan.refuse
    parser.EntityDeclHandler = scan.refuse
    parser.XmlDeclHandler = scan.declaration
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat's own signature
    except (expat.ExpatError, ValueError, LookupError) as error:
        msg = "modelDescription.xml is not well-formed XML"
        problems = [readable(str(error), _LINE)]
        raise InvalidModelDescriptionError(msg, {"problems": problems}) from error
    return scan.found


class _Scan:
    """Handlers of one expat pass."""

    def __init__(self) -> None:
        self.found = Outline()
        self._depth = 0
        self._elements = 0
        self._variables = 0
        self._variable = ""
        self._sources: list[str] = []

    def refuse(self, *_: object) -> None:
        msg = "modelDescription.xml has a DOCTYPE or declares entities"
        raise ForbiddenXmlError(msg)

    def declaration(self, _: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            msg = "modelDescription.xml is not in UTF-8"
            raise InvalidModelDescriptionError(msg, {"encoding": readable(encoding, _WORD)})

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _DEPTH:
            msg = "modelDescription.xml is too deep"
            raise InvalidModelDescriptionError(msg)
        _bound("elements", self._elements, _ELEMENTS)
        if self._depth == 1:
            self._root(name, attributes)
        if "valueReference" in attributes and "name" in attributes:
            self._variable = attributes["name"]
        if name == "Alias" or ("valueReference" in attributes and "name" in attributes):
            self._variables += 1
            _bound("variables", self._variables, _VARIABLES)
        if name.startswith("UInt") and "name" in attributes:
            self.found.bounds[attributes["name"]] = (attributes.get("min"), attributes.get("max"))
        if name in {"CoSimulation", "ModelExchange"}:
            identifier = attributes.get("modelIdentifier", "")
            self._sources = self.found.source_files.setdefault(identifier, [])
        if name == "File" and "name" in attributes:
            self._sources.append(attributes["name"])
        if attributes.get("relativeQuantity") in {"true", "1"} and self._variable:
            self.found.relative.add(self._variable)

    def end(self, name: str) -> None:
        self._depth -= 1
        if name in {"ScalarVariable", "TypeDefinitions"}:
            self._variable = ""

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "fmiModelDescription":
            msg = "modelDescription.xml describes no FMU"
            raise InvalidModelDescriptionError(msg, {"root": readable(name, _WORD)})
        version = attributes.get("fmiVersion", "")
        if not (version == "2.0" or version.startswith("3.0")):
            msg = "this version of FMI is not supported"
            raise UnsupportedFmiVersionError(
                msg,
                {"fmi_version": readable(version, 20), "supported": list(SUPPORTED_VERSIONS)},
            )
        self.found.fmi_version = version


def _bound(what: str, number: int, limit: int) -> None:
    if number > limit:
        msg = f"modelDescription.xml has more than {limit} {what}"
        raise ArchiveBombError(msg, {"what": what, "limit": limit})
