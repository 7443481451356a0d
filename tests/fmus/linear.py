"""Linear FMUs of any size, FMI 2.0 or 3.0, for Model Exchange and Co-Simulation.

`linear.h` says what they compute, `linear_exact` what that must come to. Their numbers are
parameters, so that hypothesis varies them freely and each size is compiled once.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from fmus import compiled

from gateway_simulation import platforms

Version = Literal["2.0", "3.0"]

_HERE: Final = Path(__file__).resolve().parent
_FLAGS: Final = ("-shared", "-fPIC", "-O1", "-w", "-fvisibility=default")
_FACES: Final = {"2.0": ("linear_fmi2.c", "base.c"), "3.0": ("linear_fmi3.c",)}
_FMI2_TYPES: Final = {"Float64": "Real", "Int32": "Integer"}
_OUT_OF_REACH: Final = 1e9


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each a model has."""

    states: int
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Stepping:
    """What a model says of itself for Co-Simulation.

    Only FMI 2.0 can interpolate inputs, only FMI 3.0 has event mode.
    """

    variable: bool = True
    interpolates: bool = False
    has_event_mode: bool = False


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable; `reference` is its place in `linear.h`, of an array its first element's."""

    name: str
    reference: int
    shape: tuple[int, ...]
    causality: str
    variability: str
    start: float | None
    type: str

    @property
    def is_calculated(self) -> bool:
        return self.start is None and self.causality != "independent"

    @property
    def state(self) -> str | None:
        """The state that it is the derivative of."""
        return self.name[4:-1] if self.name.startswith("der(") else None

    @property
    def elements(self) -> Iterator[_Variable]:
        """Its scalars, row-major, named as FMI 2.0 names them."""
        indices = itertools.product(*(range(1, n + 1) for n in self.shape))
        for offset, index in enumerate(indices):
            place = f"[{','.join(map(str, index))}]" if index else ""
            name = f"der({self.state}{place})" if self.state else f"{self.name}{place}"
            yield replace(self, name=name, reference=self.reference + offset, shape=())

    @property
    def attributes(self) -> dict[str, str]:
        """What both versions say of it."""
        found = {
            "name": self.name,
            "valueReference": str(self.reference),
            "causality": self.causality,
            "variability": self.variability,
        }
        if self.is_calculated:
            found["initial"] = "calculated"
        return found

    @property
    def starts(self) -> dict[str, str]:
        """Its start values, where it has any."""
        if self.start is None:
            return {}
        return {"start": " ".join([str(self.start)] * math.prod(self.shape))}


@cache
def fmu(version: Version, size: Size, stepping: Stepping | None = None) -> bytes:
    """The archive of a model of that size, which steps as `Stepping()` unless told otherwise."""
    describe = _description_two if version == "2.0" else _description_three
    root = describe(size, stepping or Stepping())
    names = platforms.folder_names(platforms.host())
    folder = names[-1] if version == "2.0" else names[0]
    xml = ET.tostring(root, encoding="unicode")
    return compiled.archive(xml, _binary(version, size), "linear", folder)


@cache
def _binary(version: Version, size: Size) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "linear.so"
        sizes = (f"-DN={size.states}", f"-DM={size.inputs}", f"-DP={size.outputs}")
        sources = [_HERE / name for name in ("linear.c", *_FACES[version])]
        subprocess.run(["cc", *_FLAGS, *sizes, "-o", target, *sources, "-lm"], check=True)
        return target.read_bytes()


def _variables(size: Size) -> list[_Variable]:
    """All in the order of `linear.h`, but for arrays without elements."""
    n, m, p = size.states, size.inputs, size.outputs
    jumping, changing = ("output", "discrete", None), ("local", "continuous", None)
    fixed = ("parameter", "fixed", 0.0)
    layout: dict[str, tuple[tuple[int, ...], tuple[str, str, float | None]]] = {
        "count": ((), jumping),
        "tick": ((), jumping),
        "time": ((), ("independent", "continuous", None)),
        "gain": ((), jumping),
        "level": ((), ("parameter", "fixed", _OUT_OF_REACH)),
        "back": ((), fixed),
        "period": ((), fixed),
        "z": ((), changing),
        "x": ((n,), changing),
        "der(x)": ((n,), changing),
        "u": ((m,), ("input", "continuous", 0.0)),
        "y": ((p,), ("output", "continuous", None)),
        "A": ((n, n), fixed),
        "B": ((n, m), fixed),
        "C": ((p, n), fixed),
        "D": ((p, m), fixed),
        "x0": ((n,), fixed),
    }
    counts = [math.prod(shape) for shape, _ in layout.values()]
    references = itertools.accumulate(counts, initial=0)
    return [
        _Variable(name, at, shape, *nature, "Int32" if name in {"count", "tick"} else "Float64")
        for (name, (shape, nature)), at in zip(layout.items(), references, strict=False)
        if math.prod(shape)
    ]


def _root(version: Version, token: str, **attributes: str) -> ET.Element:
    common = {"fmiVersion": version, "modelName": "linear", token: compiled.GUID}
    names = {"variableNamingConvention": "structured"}
    return ET.Element("fmiModelDescription", {**common, **names, **attributes})


def _description_two(size: Size, stepping: Stepping) -> ET.Element:
    indicators = str(int(size.states > 0))
    root = _root("2.0", "guid", numberOfEventIndicators=indicators)
    ET.SubElement(root, "ModelExchange", modelIdentifier="linear")
    ET.SubElement(
        root,
        "CoSimulation",
        modelIdentifier="linear",
        canHandleVariableCommunicationStepSize=_word(stepping.variable),
        canInterpolateInputs=_word(stepping.interpolates),
    )
    scalars = [e for v in _variables(size) if v.name != "time" for e in v.elements]
    index = {v.name: str(i) for i, v in enumerate(scalars, start=1)}
    variables = ET.SubElement(root, "ModelVariables")
    for one in scalars:
        variable = ET.SubElement(variables, "ScalarVariable", one.attributes)
        derivative = {"derivative": index[one.state]} if one.state else {}
        ET.SubElement(variable, _FMI2_TYPES[one.type], {**one.starts, **derivative})
    structure = ET.SubElement(root, "ModelStructure")
    unknowns = {
        "Outputs": [v for v in scalars if v.causality == "output"],
        "Derivatives": [v for v in scalars if v.state],
        "InitialUnknowns": [v for v in scalars if v.is_calculated and v.name != "z"],
    }
    for group, members in unknowns.items():
        if members:
            listed = ET.SubElement(structure, group)
            for one in members:
                ET.SubElement(listed, "Unknown", index=index[one.name])
    return root


def _description_three(size: Size, stepping: Stepping) -> ET.Element:
    root = _root("3.0", "instantiationToken")
    ET.SubElement(
        root, "ModelExchange", modelIdentifier="linear", needsCompletedIntegratorStep="true"
    )
    ET.SubElement(
        root,
        "CoSimulation",
        modelIdentifier="linear",
        canHandleVariableCommunicationStepSize=_word(stepping.variable),
        hasEventMode=_word(stepping.has_event_mode),
    )
    variables = _variables(size)
    reference = {v.name: str(v.reference) for v in variables}
    described = ET.SubElement(root, "ModelVariables")
    for one in variables:
        derivative = {"derivative": reference[one.state]} if one.state else {}
        variable = ET.SubElement(
            described, one.type, {**one.attributes, **one.starts, **derivative}
        )
        for length in one.shape:
            ET.SubElement(variable, "Dimension", start=str(length))
    structure = ET.SubElement(root, "ModelStructure")
    unknowns = {
        "Output": [v for v in variables if v.causality == "output"],
        "ContinuousStateDerivative": [v for v in variables if v.state],
        "InitialUnknown": [v for v in variables if v.is_calculated and v.name != "z"],
        "EventIndicator": [v for v in variables if v.name == "z" and size.states],
    }
    for kind, members in unknowns.items():
        for one in members:
            ET.SubElement(structure, kind, valueReference=reference[one.name])
    return root


def _word(value: bool) -> str:  # noqa: FBT001 - one word for it
    return str(value).lower()
