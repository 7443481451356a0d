"""Our test FMUs, compiled from the C files beside this one: `fmu("spins")` gives an archive.

Each file is one behaviour; `base.c` holds the rest of FMI 2.0 with harmless defaults.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Final

from gateway_simulation import platforms

GUID: Final = "{test}"
_HERE: Final = Path(__file__).resolve().parent
_FLAGS: Final = ("-shared", "-fPIC", "-O1", "-w", "-fvisibility=default")
_OUTPUT: Final = '<Real start="0"/>'

_X: Final = """
<ScalarVariable name="y" valueReference="0" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
"""
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

_VARIABLES: Final = {"driven": _DRIVEN, "integrates": _INTEGRATES, "has_text": _TEXT}
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
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.so"
        sources = (_HERE / f"{behaviour}.c", _HERE / "base.c")
        subprocess.run(["cc", *_FLAGS, "-o", target, *sources, "-lm"], check=True)
        return target.read_bytes()


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
