"""The customer's engine and the question: what is run, and nothing of how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fmu_gateway_sdk import InputSignal, SimulateRequest

Numbers = NDArray[np.float64]

MODEL: Final = "msl:ScavengePump"
OUTPUTS: Final = ("oil_capacity", "requirement", "margin", "relative_margin", "pump.efficiency")
WORST: Final = "relative_margin_min"
_HOLD: Final = 1.0  # s for each operating point: all that is read there is in equilibrium at once


@dataclass(frozen=True, slots=True)
class Case:
    """A dry-sump engine, where it works, and which larger pumps may be had.

    Speeds [rev/min] of the engine, temperatures of the oil [degC], aerations [1] by volume at
    ambient pressure, displacements of all scavenge stages [cm3/rev], bores of the suction line
    [mm]. `parameters` are the model's, in its units; whatever stands not there is its default.
    """

    speeds: tuple[float, ...] = tuple(float(n) for n in range(1000, 9001, 500))
    temperatures: tuple[float, ...] = (20.0, 50.0, 80.0, 110.0, 140.0)
    aerations: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5)
    displacements: tuple[float, ...] = (50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
    bores: tuple[float, ...] = (24.0, 27.0, 30.0)
    reserve: float = 0.1  # of the requirement: what a pump must have left to be recommended
    parameters: dict[str, float] = field(
        default_factory=lambda: {
            "scavenge_ratio": 1.2,
            "pump.D": 60.0,
            "pump.ratio": 0.6,
            "pump.dp": 1.0,
            "inlet.d": 24.0,
            "inlet.l": 400.0,
            "supply.D": 22.0,
            "supply.ratio": 0.6,
            "supply.limit": 55.0,
            "oil.nu40": 105.0,
            "oil.nu100": 14.0,
            "V_oil": 8.0,
            "sump.V_max": 1.0,
        }
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many temperatures, aerations and speeds: the order of all arrays."""
        return len(self.temperatures), len(self.aerations), len(self.speeds)

    @property
    def installed_ratio(self) -> float:
        """Swept volume of the scavenge pump by that of the supply pump, per turn of the engine."""
        return self.ratio_of(self.parameters["pump.D"])

    def ratio_of(self, displacement: float) -> float:
        """The geometric scavenge ratio that a displacement [cm3/rev] gives."""
        p = self.parameters
        return displacement * p["pump.ratio"] / (p["supply.D"] * p["supply.ratio"])

    def envelope(self, **changed: float) -> SimulateRequest:
        """One run that visits every operating point, each for a second."""
        grid = np.meshgrid(self.temperatures, self.aerations, self.speeds, indexing="ij")
        columns = dict(zip(("T_oil", "aeration", "speed"), grid, strict=True))
        time: Numbers = np.arange(grid[0].size, dtype=np.float64) * _HOLD
        signals = [
            InputSignal(name=name, time=time, values=values.ravel(), interpolation="hold")
            for name, values in columns.items()
        ]
        return SimulateRequest(
            fmu_id=MODEL,
            stop_time=float(grid[0].size * _HOLD),
            step=_HOLD / 2,
            start_values=self._values(changed),
            input_signals=signals,
            outputs=OUTPUTS,
            kpis=[WORST],
            reuse=True,
        )

    def sizes(self) -> list[tuple[float, float]]:
        """Each displacement with each bore."""
        return [(d, bore) for bore in self.bores for d in self.displacements]

    def sized(self, displacement: float, bore: float) -> SimulateRequest:
        """The envelope of another pump with another suction line."""
        return self.envelope(**{"pump.D": displacement, "inlet.d": bore})

    @property
    def corner(self) -> tuple[float, float, float]:
        """Coldest, most aerated, fastest."""
        return min(self.temperatures), max(self.aerations), max(self.speeds)

    def flooding(self, temperature: float, aeration: float, speed: float) -> SimulateRequest:
        """Two minutes at one operating point, from a sump as it should be."""
        point = {"T_oil": temperature, "aeration": aeration, "speed": speed}
        return SimulateRequest(
            fmu_id=MODEL,
            stop_time=120.0,
            step=0.05,
            start_values=self._values(point),
            outputs=["sump.V", "flooded"],
            kpis=["sump.V_max"],
            reuse=True,
        )

    def at_points(self, time: Numbers, values: Numbers) -> Numbers:
        """What an envelope run shows in the middle of each operating point, by `shape`."""
        middles = (np.arange(np.prod(self.shape)) + 0.5) * _HOLD
        return values[np.searchsorted(time, middles)].reshape(self.shape)

    def _values(self, changed: dict[str, float]) -> dict[str, Any]:
        return {**self.parameters, **changed}
