"""Our test FMUs, compiled from the C files beside this one: `fmu("spins")` gives an archive.

Each file is one behaviour; `base.c` holds the rest of FMI 2.0 with harmless defaults. `traps.c` is
for what can go wrong in many places, and in both versions: `trap("DoStep_crashes", "3.0")`.
"""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from gateway_simulation import layout, platforms

Version = Literal["2.0", "3.0"]

GUID: Final = "{test}"
_HERE: Final = Path(__file__).resolve().parent
_FLAGS: Final = ("-shared", "-fPIC", "-O1", "-w", "-fvisibility=default")
_OUTPUT: Final = '<Real start="0"/>'

_X: Final = """
<ScalarVariable name="y" valueReference="0" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
"""
_X_AND_A: Final = (
    _X
    + """
<ScalarVariable name="a" valueReference="1" causality="parameter" variability="fixed"
  initial="exact"><Real start="1"/></ScalarVariable>
"""
)
_DRIVEN: Final = """
<ScalarVariable name="x" valueReference="0" causality="local" variability="continuous"
  initial="exact"><Real start="0" unit="m"/></ScalarVariable>
<ScalarVariable name="der(x)" valueReference="1" causality="local" variability="continuous"
  initial="calculated"><Real derivative="1"/></ScalarVariable>
<ScalarVariable name="u" valueReference="2" causality="input" variability="continuous">
  <Real start="0" min="-100" max="100"/></ScalarVariable>
<ScalarVariable name="a" valueReference="3" causality="parameter" variability="fixed"
  initial="exact"><Real start="1"/></ScalarVariable>
<ScalarVariable name="y" valueReference="4" causality="output" variability="continuous"
  initial="calculated"><Real unit="m"/></ScalarVariable>
"""
_INTEGRATES: Final = """
<ScalarVariable name="y" valueReference="0" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
<ScalarVariable name="u" valueReference="1" causality="input" variability="continuous">
  <Real start="0"/></ScalarVariable>
<ScalarVariable name="steps" valueReference="2" causality="output" variability="discrete"
  initial="calculated"><Integer/></ScalarVariable>
<ScalarVariable name="largest" valueReference="3" causality="output" variability="discrete"
  initial="calculated"><Real/></ScalarVariable>
"""
_TEXT: Final = (
    _X
    + """
<ScalarVariable name="message" valueReference="1" causality="output" variability="discrete"
  initial="calculated"><String/></ScalarVariable>
<ScalarVariable name="colour" valueReference="2" causality="parameter" variability="fixed"
  initial="exact"><Enumeration declaredType="Colour" start="1"/></ScalarVariable>
<ScalarVariable name="on" valueReference="3" causality="parameter" variability="fixed"
  initial="exact"><Boolean start="true"/></ScalarVariable>
<ScalarVariable name="n" valueReference="4" causality="parameter" variability="fixed"
  initial="exact"><Integer start="1" min="0" max="9"/></ScalarVariable>
<ScalarVariable name="label" valueReference="5" causality="parameter" variability="fixed"
  initial="exact"><String start="none"/></ScalarVariable>
<ScalarVariable name="T" valueReference="6" causality="output" variability="continuous"
  initial="exact"><Real start="300" unit="K"/></ScalarVariable>
"""
)
_COLOURS: Final = """<TypeDefinitions><SimpleType name="Colour"><Enumeration>
<Item name="red" value="1"/><Item name="green" value="3"/></Enumeration></SimpleType>
</TypeDefinitions>"""
_UNITS: Final = """<UnitDefinitions>
<Unit name="m"><BaseUnit m="1"/><DisplayUnit name="cm" factor="100"/></Unit>
<Unit name="K"><BaseUnit K="1"/><DisplayUnit name="degC" offset="-273.15"/></Unit>
</UnitDefinitions>"""

_TRAP_SOURCES: Final = {
    "2.0": ("traps.c", "traps_fmi2.c", "base.c"),
    "3.0": ("traps.c", "traps_fmi3.c"),
}
_TRAP_TWO: Final = """<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="2.0" modelName="trap" guid="{token}" numberOfEventIndicators="1">
<ModelExchange modelIdentifier="{name}"/>
<CoSimulation modelIdentifier="{name}" canHandleVariableCommunicationStepSize="true"/>
<DefaultExperiment startTime="0" stopTime="1" stepSize="0.1"/>
<ModelVariables>
<ScalarVariable name="y" valueReference="{y}" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
<ScalarVariable name="x" valueReference="1" causality="local" variability="continuous"
  initial="exact"><Real start="0"/></ScalarVariable>
<ScalarVariable name="der(x)" valueReference="2" causality="local" variability="continuous"
  initial="calculated"><Real derivative="2"/></ScalarVariable>
<ScalarVariable name="u" valueReference="3" causality="input" variability="continuous">
  <Real start="0"/></ScalarVariable>
</ModelVariables>
<ModelStructure><Outputs><Unknown index="1"/></Outputs>
<Derivatives><Unknown index="3"/></Derivatives>
<InitialUnknowns><Unknown index="1"/><Unknown index="3"/></InitialUnknowns></ModelStructure>
</fmiModelDescription>"""
_TRAP_THREE: Final = """<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="3.0" modelName="trap" instantiationToken="{token}">
<ModelExchange modelIdentifier="{name}" needsCompletedIntegratorStep="true"/>
<CoSimulation modelIdentifier="{name}" canHandleVariableCommunicationStepSize="true"
  hasEventMode="{events}"/>
<DefaultExperiment startTime="0" stopTime="1" stepSize="0.1"/>
<ModelVariables>
<Float64 name="y" valueReference="{y}" causality="output" initial="calculated"/>
<Float64 name="x" valueReference="1" causality="local" initial="exact" start="0"/>
<Float64 name="der(x)" valueReference="2" causality="local" initial="calculated" derivative="1"/>
<Float64 name="u" valueReference="3" causality="input" start="0"/>
<Float64 name="time" valueReference="4" causality="independent"/>
<Float64 name="z" valueReference="5" causality="local"/>
</ModelVariables>
<ModelStructure><Output valueReference="{y}"/><ContinuousStateDerivative valueReference="2"/>
<InitialUnknown valueReference="{y}"/><InitialUnknown valueReference="2"/>
<EventIndicator valueReference="5"/></ModelStructure>
</fmiModelDescription>"""

_VARIABLES: Final = {
    "driven": _DRIVEN,
    "integrates": _INTEGRATES,
    "has_text": _TEXT,
    "spins": _X_AND_A,
}
_EXCHANGE: Final = {"driven", "never_settles", "past_event"}


def available() -> bool:
    """Whether a C compiler is here."""
    return shutil.which("cc") is not None


@cache
def fmu(behaviour: str) -> bytes:
    """The archive of the FMU with that behaviour."""
    return archive(description(behaviour), binary(behaviour), behaviour)


@cache
def binary(behaviour: str) -> bytes:
    """Its shared library."""
    return _compiled(f"{behaviour}.c", "base.c")


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is wrong with a trap's files rather than its code.

    `renamed` is a name in the library that becomes another of the same length.
    """

    guid: str = GUID
    output: int = 0
    has_event_mode: bool = False
    renamed: tuple[bytes, bytes] = (b"", b"")


def trap(name: str, version: Version, oddity: Oddity | None = None) -> bytes:
    """The archive of a model that does what its name says, such as DoStep_crashes (`traps.c`)."""
    odd = oddity or Oddity()
    words = {"events": str(odd.has_event_mode).lower(), "token": odd.guid, "y": odd.output}
    xml = (_TRAP_TWO if version == "2.0" else _TRAP_THREE).format(name=name, **words)
    folders = platforms.folder_names(platforms.host())
    library = trap_library(version)
    if odd.renamed[0]:
        library = library.replace(*odd.renamed)
    return archive(xml, library, name, folders[-1] if version == "2.0" else folders[0])


@cache
def trap_library(version: Version) -> bytes:
    """The one shared library of all traps."""
    return _compiled(*_TRAP_SOURCES[version])


def _compiled(*sources: str) -> bytes:
    places = (f"-DRUN={layout.RUNS_OFFSET}", f"-DROWS={_offset('rows')}")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.so"
        paths = [_HERE / source for source in sources]
        subprocess.run(["cc", *_FLAGS, *places, "-o", target, *paths, "-lm"], check=True)
        return target.read_bytes()


def _offset(field: str) -> int:
    """Where a field of a run's record is."""
    names = [f.name for f in layout.RUN.fields]
    codes = "".join(f.code for f in layout.RUN.fields[: names.index(field)])
    return struct.calcsize(f"<{codes}")


def archive(xml: str, library: bytes, identifier: str, folder: str = "") -> bytes:
    """An FMU of this description and library."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("modelDescription.xml", xml)
        where = folder or platforms.host()
        file.writestr(f"binaries/{where}/{identifier}.so", library)
    return buffer.getvalue()


def description(behaviour: str) -> str:
    """Its modelDescription.xml."""
    exchange = behaviour in _EXCHANGE
    kind = (
        f'<ModelExchange modelIdentifier="{behaviour}"/>'
        if exchange
        else f'<CoSimulation modelIdentifier="{behaviour}" '
        f'canHandleVariableCommunicationStepSize="{str(behaviour == "integrates").lower()}" '
        f'canInterpolateInputs="{str(behaviour == "integrates").lower()}"/>'
    )
    variables = _VARIABLES.get(behaviour, _X)
    outputs = "".join(
        f'<Unknown index="{i}"/>'
        for i, part in enumerate(variables.split("<ScalarVariable ")[1:], start=1)
        if 'causality="output"' in part
    )
    derivatives = '<Derivatives><Unknown index="2"/></Derivatives>' if behaviour == "driven" else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="2.0" modelName="{behaviour}" guid="{GUID}"
  numberOfEventIndicators="0">
{kind}
{_UNITS}
{_COLOURS}
<DefaultExperiment startTime="0" stopTime="1" stepSize="0.1"/>
<ModelVariables>{variables}</ModelVariables>
<ModelStructure><Outputs>{outputs}</Outputs>{derivatives}</ModelStructure>
</fmiModelDescription>"""
