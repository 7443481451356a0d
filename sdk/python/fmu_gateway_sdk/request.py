"""One simulation, as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class InputSignal:
    """A signal over time [s] for one input."""

    name: str
    time: Sequence[float] | NDArray[np.float64]
    values: Sequence[float] | NDArray[np.float64]
    interpolation: Literal["linear", "hold"] = "linear"

    def as_json(self) -> dict[str, Any]:
        """As the gateway takes it; arrays of numpy become lists."""
        return {
            "name": self.name,
            "time": [float(t) for t in self.time],
            "values": [float(v) for v in self.values],
            "interpolation": self.interpolation,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateRequest:
    """What to run. Whatever is None comes from the model's default experiment.

    Times and steps in seconds. `fmu_path` is the model's file on this machine: it is uploaded
    where `fmu_id` is empty and the gateway doesn't have it, and lets a local simulator run it.
    `quote_id` or `payment_token`, once paid, are enough alone.
    """

    fmu_id: str | None = None
    start_time: float | None = None
    stop_time: float | None = None
    step: float | None = None
    start_values: Mapping[str, Any] | None = None
    input_signals: Sequence[InputSignal | Mapping[str, Any]] | None = None
    inputs_csv: str | None = None
    outputs: Sequence[str] | None = None
    kpis: Sequence[str | Mapping[str, Any]] | None = None
    mode: Literal["auto", "co_simulation", "model_exchange"] | None = None
    solver: Mapping[str, Any] | None = None
    display_units: Mapping[str, str] | None = None
    communication_step: float | None = None
    engine: str | None = None
    check_accuracy: bool | None = None
    points: int | Literal["all"] | None = None
    reuse: bool | None = None
    idempotency_key: str | None = None
    quote_id: str | None = None
    payment_token: str | None = None
    fmu_path: str | Path | None = None

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """A request out of its JSON form, such as a configuration file's.

        Raises:
            ValueError: it has fields that no request has.

        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(plain) - known)
        if unknown:
            message = f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            raise ValueError(message)
        return cls(**plain)

    def as_json(self) -> dict[str, Any]:
        """As the gateway takes it: what was given, without what is for this machine only."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {
            name: value for name, value in given.items() if value is not None and name != "fmu_path"
        }
        if self.input_signals is not None:
            plain["input_signals"] = [
                signal.as_json() if isinstance(signal, InputSignal) else dict(signal)
                for signal in self.input_signals
            ]
        for name in ("outputs", "kpis"):
            if name in plain:
                plain[name] = list(plain[name])
        return plain
