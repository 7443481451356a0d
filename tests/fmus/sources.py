"""FMUs that hold sources and no binary."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from fmus import compiled


def stripped(archive: bytes) -> bytes:
    """The same FMU without its binaries."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as before,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for entry in before.infolist():
            if not entry.is_dir() and not entry.filename.startswith("binaries/"):
                after.writestr(entry.filename, before.read(entry))
    return buffer.getvalue()


def fmu2(files: Mapping[str, str], *listed: str) -> bytes:
    """The FMI 2.0 model "integrates" of these sources, which lists `listed`."""
    xml = compiled.description("integrates")
    names = "".join(f'<File name="{name}"/>' for name in listed)
    begun = xml.index("<CoSimulation")
    end = xml.index("/>", begun)
    whole = f"{xml[:end]}><SourceFiles>{names}</SourceFiles></CoSimulation>{xml[end + 2 :]}"
    return _archive(whole, files)


def fmu3(files: Mapping[str, str], build: str) -> bytes:
    """A minimal FMI 3.0 model of these sources and this buildDescription.xml."""
    return _archive(_THREE, {**files, "buildDescription.xml": build})


def _archive(xml: str, files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("modelDescription.xml", xml)
        for name, content in files.items():
            file.writestr(f"sources/{name}", content)
    return buffer.getvalue()


_THREE = """<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="3.0" modelName="small" instantiationToken="x">
<CoSimulation modelIdentifier="small"/>
<ModelVariables><Float64 name="time" valueReference="0" causality="independent"/></ModelVariables>
<ModelStructure/></fmiModelDescription>"""
