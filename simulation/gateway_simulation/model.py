"""What a model is: its description and where its files lie.

A description is what the modelDescription.xml says, reduced to what running and describing need,
parsed once at upload and kept as JSON beside the extracted files (`metadata`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["co_simulation", "model_exchange"]
Scalar = float | int | bool | str
"""A value as FMI knows it, the type by the variable's `type`."""

VariableType = Literal["real", "integer", "boolean", "string", "enumeration", "binary", "clock"]

NUMERIC_TYPES: frozenset[str] = frozenset({"real", "integer", "boolean", "enumeration"})
"""Types whose values fit a column of numbers."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a model.

    `fmi_type` is the type as FMI spells it (`Real`, `Float32`, `UInt8`, …), which decides the call
    that sets or gets it; `type` is the reader's word. `dimensions` is () for a scalar, else the
    shape at the default structural parameters; `dimension_references` names for each dimension the
    structural parameter that holds it (its value reference), or None where it is fixed. `start` is
    a scalar, or for arrays a tuple in row-major order.
    """

    name: str
    value_reference: int
    causality: str
    variability: str
    type: VariableType
    fmi_type: str
    unit: str | None = None
    display_unit: str | None = None
    relative_quantity: bool = False
    start: Scalar | tuple[Scalar, ...] | None = None
    min: float | None = None
    max: float | None = None
    description: str | None = None
    initial: str | None = None
    dimensions: tuple[int, ...] = ()
    dimension_references: tuple[int | None, ...] = ()
    items: tuple[tuple[str, int], ...] = ()

    @property
    def continuous(self) -> bool:
        """Whether its value changes between events, so that interpolation makes sense."""
        return self.type == "real" and self.variability == "continuous"


@dataclass(frozen=True, slots=True)
class DefaultExperiment:
    """What the model's author suggests; times in the model's unit of time [s]."""

    start_time: float | None = None
    stop_time: float | None = None
    tolerance: float | None = None
    step_size: float | None = None


@dataclass(frozen=True, slots=True)
class CoSimulationInterface:
    """What the FMU says of itself for Co-Simulation."""

    model_identifier: str
    can_handle_variable_step: bool = False
    can_interpolate_inputs: bool = False
    has_event_mode: bool = False
    fixed_internal_step_size: float | None = None
    can_be_instantiated_only_once: bool = False


@dataclass(frozen=True, slots=True)
class ModelExchangeInterface:
    """What the FMU says of itself for Model Exchange."""

    model_identifier: str
    needs_completed_integrator_step: bool = True
    can_be_instantiated_only_once: bool = False


@dataclass(frozen=True, slots=True)
class DisplayUnit:
    """Another way to show a unit: shown = factor * value + offset (FMI 2.0 §2.2.2)."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit the model defines: SI value = factor * value + offset.

    `exponents` of kg, m, s, A, K, mol, cd, rad; None where the model doesn't say.
    """

    name: str
    exponents: tuple[int, ...] | None = None
    factor: float = 1.0
    offset: float = 0.0
    display_units: tuple[DisplayUnit, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What the model says of itself. Variables keep the order of the modelDescription.xml.

    `compiled_by`: the compiler, where its archive had no binary for this machine and it was built
    here from its sources; `platforms` then names this machine's too.
    """

    model_name: str
    fmi_version: str
    guid: str
    variables: tuple[Variable, ...]
    description: str | None = None
    generation_tool: str | None = None
    default_experiment: DefaultExperiment = field(default_factory=DefaultExperiment)
    co_simulation: CoSimulationInterface | None = None
    model_exchange: ModelExchangeInterface | None = None
    states: tuple[str, ...] = ()
    n_states: int = 0
    n_event_indicators: int = 0
    units: tuple[Unit, ...] = ()
    platforms: tuple[str, ...] = ()
    has_sources: bool = False
    compiled_by: str | None = None
    by_name: dict[str, Variable] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the variables once."""
        object.__setattr__(self, "by_name", {v.name: v for v in self.variables})

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What it can be run as, what `auto` prefers first."""
        offered: list[Kind] = []
        if self.co_simulation is not None:
            offered.append("co_simulation")
        if self.model_exchange is not None:
            offered.append("model_exchange")
        return tuple(offered)

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The declared outputs."""
        return tuple(v for v in self.variables if v.causality == "output")

    def variable(self, name: str) -> Variable | None:
        """The variable of that name, None if there is none."""
        return self.by_name.get(name)


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to run: `folder` holds the extracted FMU and is only ever read.

    `sha256` is the archive's; `source_sha256` that of a library model's sources, whose build may
    differ from machine to machine while the physics doesn't. `resets` says that fmiReset was seen
    to restore it, so that many runs may share one instance.
    """

    id: str
    sha256: str
    folder: Path
    description: ModelDescription
    source_sha256: str | None = None
    resets: bool = False

    def __post_init__(self) -> None:
        """Find out once where the folder really is: each run asks."""
        object.__setattr__(self, "folder", self.folder.resolve())

    @property
    def identity(self) -> str:
        """The hash that stands for the physics: of the sources where we have them."""
        return self.source_sha256 or self.sha256
