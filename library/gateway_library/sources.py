"""What the library is made from: one folder for each model, `model.toml` beside `model.c`.

Only the standard library: this also runs where a wheel is built, before anything is installed.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

FmiVersion = Literal["2.0", "3.0"]
FMI_VERSIONS: Final[tuple[FmiVersion, ...]] = ("2.0", "3.0")
CATEGORIES: Final = {
    "logStatusError": "Why a call was refused or failed",
    "logEvents": "When an event changed the states",
}

_FOLDER: Final = Path(__file__).parent
_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_METHODS: Final = {"explicit": "dormand_prince.c", "stiff": "radau.c"}
_RANK: Final = 2
_TYPES: Final = ("real", "integer", "boolean", "enumeration", "string", "size")


class CardError(ValueError):
    """A `model.toml` that cannot be built. The message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class DeclaredVariable:
    """A variable as the card declares it. `reference` is its FMI value reference."""

    reference: int
    name: str
    type: str
    causality: str
    variability: str
    description: str
    unit: str | None
    dimensions: tuple[str, ...]  # names of structural parameters; none of one value
    start: float | str | tuple[float, ...] | None  # an array's by rows
    min: float | None
    max: float | None
    nominal: float
    derivative: str | None  # of a state: the name of its derivative
    reinit: bool
    event_indicator: bool
    enumeration: str | None  # the name of its type

    @property
    def is_structural(self) -> bool:
        """Whether it decides the size of arrays (FMI 3.0.2, section 2.4.7.5)."""
        return self.causality == "structuralParameter"

    @property
    def starts(self) -> tuple[float, ...]:
        """The numbers that it starts with, as far as they are declared."""
        if isinstance(self.start, tuple):
            return self.start
        return (self.start,) if isinstance(self.start, float) else ()

    @property
    def field(self) -> str:
        """The name in C: `der(h)` is `der_h`, `load.phi` is `load_phi`."""
        return re.sub(r"\W+", "_", self.name).strip("_")

    @property
    def initial(self) -> str | None:
        """The FMI attribute; None where the standard forbids it."""
        if self.causality in {"input", "independent"}:
            return None
        return "exact" if self.start is not None else "calculated"


@dataclass(frozen=True, slots=True)
class Experiment:
    """The default experiment: seconds, except for the relative tolerance."""

    start: float
    stop: float
    step: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class ModelSource:
    """One model of the library, as its folder describes it."""

    name: str
    description: str
    tags: tuple[str, ...]
    literature: tuple[str, ...]
    verified_against: str
    error: float | None
    how: str
    experiment: Experiment
    variables: tuple[DeclaredVariable, ...]  # time first, strings last
    units: Mapping[str, Mapping[str, Any]]  # those in use
    enumerations: Mapping[str, Mapping[str, str]]  # type -> item -> description, counted from 1
    parts: tuple[str, ...]  # headers of physics/ that model.c includes
    solver: str  # inside Co-Simulation: "explicit" or "stiff"
    versions: tuple[FmiVersion, ...]  # that it is built for
    folder: Path

    @property
    def identifier(self) -> str:
        """The name as C allows it."""
        return self.name.replace(".", "_")

    @property
    def numbers(self) -> tuple[DeclaredVariable, ...]:
        """All variables but the strings."""
        return tuple(v for v in self.variables if v.type != "string")

    @property
    def strings(self) -> tuple[DeclaredVariable, ...]:
        """The strings; their references follow the numbers'."""
        return tuple(v for v in self.variables if v.type == "string")

    @property
    def states(self) -> tuple[DeclaredVariable, ...]:
        """The continuous states."""
        return tuple(v for v in self.variables if v.derivative is not None)

    @property
    def derivatives(self) -> tuple[DeclaredVariable, ...]:
        """The states' derivatives, in the states' order."""
        named = {v.name: v for v in self.variables}
        return tuple(named[state.derivative] for state in self.states if state.derivative)

    @property
    def indicators(self) -> tuple[DeclaredVariable, ...]:
        """The event indicators."""
        return tuple(v for v in self.variables if v.event_indicator)

    def shape(self, variable: DeclaredVariable) -> tuple[int, ...]:
        """Of an array: its sizes by default; () for one value."""
        named = {v.name: v for v in self.variables}
        return tuple(int(named[name].starts[0]) for name in variable.dimensions)

    def room(self, variable: DeclaredVariable) -> int:
        """How many values it may have."""
        named = {v.name: v for v in self.variables}
        return math.prod(int(named[name].max or 0) for name in variable.dimensions)

    def slots(self, variable: DeclaredVariable) -> range:
        """Where its values may stand among those of all numbers."""
        before = sum(self.room(v) for v in self.numbers[: variable.reference])
        return range(before, before + self.room(variable))

    @property
    def has_events(self) -> bool:
        """Whether the physics have an `event` function."""
        discrete = any(
            v.variability == "discrete" and v.causality != "input" for v in self.variables
        )
        return discrete or bool(self.indicators)

    @property
    def has_initial(self) -> bool:
        """Whether the physics have an `initial` function: for states without a start value."""
        return any(state.start is None for state in self.states)

    def files(self, version: FmiVersion) -> tuple[Path, ...]:
        """All that goes into one FMU: C files, headers and the card, sorted by name."""
        methods = set(_METHODS.values()) - {_METHODS[self.solver]}
        wrapper = [
            path
            for path in (_FOLDER / "fmi").iterdir()
            if path.suffix in {".c", ".h"}
            and path.name not in methods
            and not path.name.startswith(_other(version))
        ]
        physics = [path for path in self.folder.iterdir() if path.suffix in {".c", ".h"}]
        shared = [_FOLDER / "physics" / part for part in self.parts]
        return tuple(sorted(wrapper + physics + shared, key=lambda path: path.name))

    def sha256(self, version: FmiVersion) -> str:
        """Hash of everything that decides what this FMU computes: the same on every machine."""
        digest = hashlib.sha256(version.encode())
        shared = (self.folder.parent / "units.toml", self.folder / "model.toml")
        generators = (_FOLDER / "sources.py", _FOLDER / "descriptions.py")
        for path in (*self.files(version), *shared, *generators):
            text = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"\0{path.name}\0{len(text)}\0".encode())
            digest.update(text)
        return digest.hexdigest()


def models_folder() -> Path:
    """Where the models of the library stand."""
    return _FOLDER / "models"


def interface(version: FmiVersion) -> Path:
    """The C file with the functions of the standard, which depends on no model."""
    return _FOLDER / "fmi" / f"fmi{version[0]}.c"


def read_models(folder: Path) -> tuple[ModelSource, ...]:
    """All models under `folder`, by name.

    Raises:
        CardError: a card is incomplete or contradicts itself, or two have one name.

    """
    units = tomllib.loads((folder / "units.toml").read_text(encoding="utf-8"))
    found = [_read(path, units) for path in sorted(folder.glob("*/model.toml"))]
    names = [model.name for model in found]
    if len(set(names)) < len(names):
        message = f"{folder}: two models have the same name"
        raise CardError(message)
    return tuple(found)


def _other(version: FmiVersion) -> str:
    return "fmi3" if version == "2.0" else "fmi2"


def _read(path: Path, units: Mapping[str, Mapping[str, Any]]) -> ModelSource:
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        variables = (_time(), *_variables(card["variable"]))
        model = ModelSource(
            name=card["name"],
            description=card["description"],
            tags=tuple(card["tags"]),
            literature=tuple(card["literature"]),
            verified_against=card["verified"]["against"],
            error=card["verified"].get("error"),
            how=card["verified"]["how"],
            experiment=Experiment(**card["experiment"]),
            variables=variables,
            enumerations=card.get("enumerations", {}),
            units={name: units[name] for name in sorted({v.unit for v in variables if v.unit})},
            parts=tuple(card.get("parts", ())),
            solver=card.get("solver", "explicit"),
            versions=tuple(card.get("versions", FMI_VERSIONS)),
            folder=path.parent,
        )
    except KeyError as error:
        message = f"{path}: {error.args[0]!r} is missing (units stand in units.toml)"
        raise CardError(message) from error
    except (TypeError, tomllib.TOMLDecodeError) as error:
        message = f"{path}: {error}"
        raise CardError(message) from error
    _check(path, model)
    return model


def _time() -> DeclaredVariable:
    return DeclaredVariable(
        reference=0,
        name="time",
        type="real",
        causality="independent",
        variability="continuous",
        description="Simulation time",
        unit="s",
        dimensions=(),
        start=None,
        min=None,
        max=None,
        nominal=1.0,
        derivative=None,
        reinit=False,
        event_indicator=False,
        enumeration=None,
    )


def _variables(entries: Iterable[Mapping[str, Any]]) -> Iterator[DeclaredVariable]:
    in_order = sorted(entries, key=lambda entry: entry.get("type") == "string")
    for reference, entry in enumerate(in_order, start=1):
        kind = entry.get("type", "real")
        causality = entry.get("causality", "local")
        changes = "continuous" if kind == "real" else "discrete"
        default = "fixed" if causality in {"parameter", "structuralParameter"} else changes
        start = entry.get("start")
        yield DeclaredVariable(
            reference=reference,
            name=entry["name"],
            type=kind,
            causality=causality,
            variability=entry.get("variability", default),
            description=entry["description"],
            unit=entry.get("unit"),
            dimensions=tuple(entry.get("dimensions", ())),
            start=start if start is None or kind == "string" else _start(start),
            min=entry.get("min"),
            max=entry.get("max"),
            nominal=entry.get("nominal", 1.0),
            derivative=entry.get("derivative"),
            reinit=entry.get("reinit", False),
            event_indicator=entry.get("event_indicator", False),
            enumeration=entry.get("enumeration"),
        )


def _start(value: float | list[Any]) -> float | tuple[float, ...]:
    """A number, or an array's by rows: nested lists or one."""
    if not isinstance(value, list):
        return float(value)
    rows = (row if isinstance(row, list) else [row] for row in value)
    return tuple(float(element) for row in rows for element in row)


def _check(path: Path, model: ModelSource) -> None:
    for problem in _problems(model):
        message = f"{path}: {problem}"
        raise CardError(message)


def _problems(model: ModelSource) -> Iterator[str]:
    if not _NAME.fullmatch(model.name):
        yield f"{model.name!r} is not a name"
    if model.folder.name != model.name:
        yield f"the folder of {model.name!r} must have its name"
    if not (model.folder / "model.c").is_file():
        yield "model.c is missing beside it"
    if model.solver not in _METHODS:
        yield f"{model.solver!r} is no solver: {' or '.join(_METHODS)}"
    if not model.versions or not set(model.versions) <= set(FMI_VERSIONS):
        yield f"versions must be some of {', '.join(FMI_VERSIONS)}"
    for part in model.parts:
        if not (_FOLDER / "physics" / part).is_file():
            yield f"{part!r} isn't in physics/"
    yield from _problems_of_variables(model)
    yield from _problems_of_arrays(model)


def _problems_of_variables(model: ModelSource) -> Iterator[str]:
    fields = [variable.field for variable in model.variables]
    names = {variable.name for variable in model.variables}
    if len(set(fields)) < len(fields):
        yield "two variables have the same name in C"
    for variable in model.variables:
        needs_start = variable.causality in {"parameter", "structuralParameter", "input"}
        if needs_start and variable.start is None:
            yield f"{variable.name!r} needs a start value"
        if variable.derivative and variable.derivative not in names:
            yield f"{variable.derivative!r}, the derivative of {variable.name!r}, is missing"
        if variable.type not in _TYPES:
            yield f"{variable.type!r} is no type: {', '.join(_TYPES)}"
        if (variable.type == "enumeration") != (variable.enumeration in model.enumerations):
            yield f"{variable.name!r} needs an enumeration of this card"
        if not all(math.isfinite(number) for number in variable.starts):
            yield f"the start value of {variable.name!r} must be finite"


def _problems_of_arrays(model: ModelSource) -> Iterator[str]:
    sizes = {v.name: v for v in model.variables if v.is_structural}
    for variable in model.variables:
        if (variable.type == "size") != variable.is_structural:
            yield f"{variable.name!r}: 'size' is the type of structural parameters"
        if variable.is_structural and not 0 <= int((variable.starts or (0,))[0]) <= int(
            variable.max or 0
        ):
            yield f"{variable.name!r} needs a max, and a start value up to it"
        if not set(variable.dimensions) <= sizes.keys() or len(variable.dimensions) > _RANK:
            yield f"{variable.name!r} may have {_RANK} dimensions, each a structural parameter"
        elif variable.starts and len(variable.starts) != math.prod(model.shape(variable)):
            yield f"the start value of {variable.name!r} must have its shape"
        if variable.dimensions and (variable.type != "real" or variable.event_indicator):
            yield f"{variable.name!r} is an array, which must be of reals and no event indicator"
        if (variable.dimensions or variable.is_structural) and "2.0" in model.versions:
            yield f'{variable.name!r} needs versions = ["3.0"]'
