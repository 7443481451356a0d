"""What the run's process is told: a run reduced to value references and numbers.

It crosses the process border as JSON, from `launch` to the engine; it holds no names but those that
error messages need.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from gateway_simulation import instants


@dataclass(frozen=True, slots=True)
class Setting:
    """Values to set before initialization; `structural` ones in configuration mode (FMI 3.0)."""

    name: str
    fmi_type: str
    reference: int
    values: tuple[float | int | bool | str, ...]
    structural: bool


@dataclass(frozen=True, slots=True)
class Drive:
    """One scalar input over time: element `index` of a variable of `size` elements."""

    fmi_type: str
    reference: int
    size: int
    index: int
    time: tuple[float, ...]
    values: tuple[float, ...]
    hold: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One column to record: element `index` of a variable of `size` elements."""

    name: str
    fmi_type: str
    reference: int
    size: int
    index: int


@dataclass(frozen=True, slots=True)
class Order:
    """Everything the engine needs to know. Times in seconds."""

    folder: str
    model_identifier: str
    guid: str
    fmi_version: str
    mode: Literal["co_simulation", "model_exchange"]
    solver: str | None
    relative_tolerance: float | None
    step_size: float | None
    start_time: float
    stop_time: float
    step: float
    communication_step: float | None
    n_states: int
    n_event_indicators: int
    states: tuple[str, ...]
    needs_completed_step: bool
    can_handle_variable_step: bool
    can_interpolate_inputs: bool
    settings: tuple[Setting, ...]
    drives: tuple[Drive, ...]
    probes: tuple[Probe, ...]
    capacity: int

    @property
    def tolerance(self) -> float:
        """How far apart [s] two instants of this run may be and still be the same."""
        return instants.tolerance(
            self.start_time, self.stop_time, self.step, self.communication_step, self.step_size
        )


def to_json(order: Order) -> bytes:
    """The order as JSON bytes."""
    return json.dumps(asdict(order), separators=(",", ":")).encode()


def from_json(data: bytes) -> Order:
    """The order that `to_json` wrote."""
    document = json.loads(data)
    document["settings"] = tuple(Setting(**one) for one in document["settings"])
    document["drives"] = tuple(Drive(**one) for one in document["drives"])
    document["probes"] = tuple(Probe(**one) for one in document["probes"])
    document["states"] = tuple(document["states"])
    return Order(**document)
