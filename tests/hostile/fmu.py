"""The hostile FMU, compiled from `attacks/`, and how it is installed and run."""

from __future__ import annotations

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from fmus import compiled

from gateway_simulation import layout
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest

_HERE: Final = Path(__file__).resolve().parent
_FLAGS: Final = ("-shared", "-fPIC", "-O1", "-w", "-D_GNU_SOURCE", "-fvisibility=default")
_LIBRARIES: Final = ("-lm", "-lresolv", "-lrt")
_IDENTIFIER: Final = "hostile"
ROWS: Final = 11
"""Of an innocent run: 0, 0.1, …, 1 s."""

_DESCRIPTION: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="2.0" modelName="hostile" guid="{compiled.GUID}">
<CoSimulation modelIdentifier="{_IDENTIFIER}"/>
<DefaultExperiment startTime="0" stopTime="1" stepSize="0.1"/>
<ModelVariables>
<ScalarVariable name="attack" valueReference="0" causality="parameter" variability="fixed"
  initial="exact"><String start="nothing"/></ScalarVariable>
<ScalarVariable name="path" valueReference="1" causality="parameter" variability="fixed"
  initial="exact"><String start=""/></ScalarVariable>
<ScalarVariable name="other" valueReference="2" causality="parameter" variability="fixed"
  initial="exact"><String start=""/></ScalarVariable>
<ScalarVariable name="number" valueReference="3" causality="parameter" variability="fixed"
  initial="exact"><Integer start="0"/></ScalarVariable>
<ScalarVariable name="effect" valueReference="4" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
<ScalarVariable name="code" valueReference="5" causality="output" variability="continuous"
  initial="calculated"><Real/></ScalarVariable>
</ModelVariables>
<ModelStructure><Outputs><Unknown index="5"/><Unknown index="6"/></Outputs></ModelStructure>
</fmiModelDescription>"""


def build(target: Path) -> None:
    """Compile the attacks into the shared library `target`."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "layout.h").write_text(layout.c_header())
        sources = [*sorted((_HERE / "attacks").glob("*.c")), _HERE.parent / "fmus" / "base.c"]
        subprocess.run(
            ["cc", *_FLAGS, "-I", folder, "-o", target, *sources, *_LIBRARIES], check=True
        )


def install(library: bytes, folder: Path, *, at_load: str = "", note: str = "") -> Model:
    """The FMU extracted into `folder`, as the model store does it.

    `at_load` orders an attack for when the library is loaded; `note` is a file of the model.
    """
    buffer = io.BytesIO(compiled.archive(_DESCRIPTION, library, _IDENTIFIER))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("resources/note.txt", note)
        if at_load:
            file.writestr("resources/at_load", at_load)
    inspection = inspect(buffer.getvalue(), Limits())
    extract(buffer.getvalue(), inspection, folder, Limits())
    return load("fmu_hostile", inspection.sha256, folder)


def order(model: Model, engine: str, attack: str = "nothing", **told: str | int) -> CanonicalRun:
    """A run of `model` with that attack and its `path`, `other` and `number`."""
    request = SimulationRequest.model_validate(
        {"fmu_id": model.id, "engine": engine, "start_values": {"attack": attack, **told}}
    )
    return plan(model, request, RunLimits())
