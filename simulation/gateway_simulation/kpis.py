"""Key figures (being written)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway_simulation.request import KpiRequest

if TYPE_CHECKING:
    from gateway_simulation.model import ModelDescription
    from gateway_simulation.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Kpi:
    """One key figure to compute: `name` is how the answer calls it."""

    name: str
    variable: str
    statistic: str
    threshold: float | None = None
    from_time: float | None = None
    to_time: float | None = None
    target: float | None = None
    band: float | None = None


@dataclass(frozen=True, slots=True)
class KpiValue:
    """A key figure's value, None where it doesn't exist (never settled), and its unit."""

    value: float | None
    unit: str | None


def parse_kpis(
    requests: Sequence[str | KpiRequest], description: ModelDescription, outputs: Sequence[str]
) -> tuple[tuple[Kpi, ...], tuple[str, ...]]:
    """The KPIs asked for, and warnings. Raises UnknownKpiError, InvalidKpiError."""
    raise NotImplementedError


def evaluate(kpi: Kpi, trajectory: Trajectory) -> KpiValue:
    """The value of `kpi`. Give it `units.displayed(trajectory, ...)` for display units."""
    raise NotImplementedError
