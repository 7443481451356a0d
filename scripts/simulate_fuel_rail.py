#!/usr/bin/env python3
"""Pressure in a diesel common rail, in closed form: `python scripts/simulate_fuel_rail.py`.

The rail is one volume V of fuel that stiffens with pressure (bulk modulus K = K0 + k p):

    dp/dt = K(p) / V * (q_pump - q_injector - q_leak),    q_leak = G * p

Pump strokes and injections are rectangular pulses of constant flow, once each per firing. Between
two switchings the flows are constant and the equation is separable: with r = q_pump - q_injector -
G p and K at the beginning of such a piece,

    p(t) = p + r K f / (V - k r f),    f = (1 - exp(-c t)) / c,    c = (G K + k r) / V

so each piece is exact and no integrator is needed. The pump delivers what the injections and the
leakage at the target pressure take. Writes fuel_rail_pressure.csv and .png. The library's model
msl:CommonRail has the same rail with orifices as injectors, a controller and a limiting valve.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel  # type: ignore[import-untyped]

Samples = NDArray[np.float64]
Number = TypeVar("Number", np.float64, Samples)

BAR: Final = 1e5  # Pa
MM3: Final = 1e-9  # m3
DATA: Final = Path("data")


@dataclass(frozen=True, slots=True)
class FuelRail:
    """A rail, its pump and its injectors, in SI units. Four strokes: a firing each half turn."""

    volume: float = 20e-6  # m3, rail and lines
    bulk_modulus: float = 1.2e9  # Pa, of diesel at no pressure
    stiffening: float = 12.0  # growth of the bulk modulus with pressure: 2.4e9 Pa at 1000 bar
    leakage: float = 5e-15  # m3/(s Pa), laminar: 0.5 cm3/s at 1000 bar
    start_pressure: float = 1000 * BAR  # Pa
    target_pressure: float = 1000 * BAR  # Pa, at which the pump's metering balances the leakage
    speed: float = 2000 / 60  # 1/s, of the crankshaft
    firings_per_turn: float = 2.0  # four cylinders, four strokes
    injected_volume: float = 60 * MM3  # m3 for each firing
    injection_duration: float = 1.2e-3  # s
    stroke_start: float = 4e-3  # s, after the start of the injection
    stroke_duration: float = 6e-3  # s

    @property
    def period(self) -> float:
        """Time from one firing to the next [s]."""
        return 1 / (self.speed * self.firings_per_turn)

    @property
    def delivered_volume(self) -> float:
        """What the pump delivers with each stroke [m3]."""
        return self.injected_volume + self.leakage * self.target_pressure * self.period

    def pump_flow(self, time: Samples) -> Samples:
        """Flow into the rail at each time [m3/s]."""
        flow = self.delivered_volume / self.stroke_duration
        return np.where(self._during(time, self.stroke_start, self.stroke_duration), flow, 0.0)

    def injector_flow(self, time: Samples) -> Samples:
        """Flow out of the rail into the cylinders at each time [m3/s]."""
        flow = self.injected_volume / self.injection_duration
        return np.where(self._during(time, 0.0, self.injection_duration), flow, 0.0)

    def switchings(self, end: float) -> Samples:
        """The times in [0, end] between which all flows are constant, both ends included [s]."""
        starts = np.arange(int(np.ceil(end / self.period)) + 1) * self.period
        stroke_end = self.stroke_start + self.stroke_duration
        offsets = np.array([0.0, self.injection_duration, self.stroke_start, stroke_end])
        times = np.add.outer(starts, offsets).ravel()
        return np.unique(np.concatenate([[0.0, end], times[times < end]]))

    def pressure(self, time: Samples) -> Samples:
        """Rail pressure [Pa] at times >= 0 [s], shape (n,), exact on each piece."""
        knots = self.switchings(max(float(time.max()), self.period))
        middles = (knots[:-1] + knots[1:]) / 2
        flow = self.pump_flow(middles) - self.injector_flow(middles)
        at_knots = [np.float64(self.start_pressure)]
        for constant, lasts in zip(flow, np.diff(knots), strict=True):
            at_knots.append(self._after(at_knots[-1], constant, lasts))
        piece = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, len(flow) - 1)
        return self._after(np.array(at_knots)[piece], flow[piece], time - knots[piece])

    def _after(self, pressure: Number, flow: Number, lasts: Number) -> Number:
        """Pressure [Pa] after some time [s] of a constant flow into the rail [m3/s]."""
        modulus = self.bulk_modulus + self.stiffening * pressure
        net = flow - self.leakage * pressure
        rate = (self.leakage * modulus + self.stiffening * net) / self.volume
        effective = lasts * exprel(-rate * lasts)
        result: Number = pressure + net * modulus * effective / (
            self.volume - self.stiffening * net * effective
        )
        return result

    def _during(self, time: Samples, start: float, duration: float) -> NDArray[np.bool_]:
        """Whether a pulse that begins `start` after each firing is on."""
        since = np.mod(time, self.period)
        return (since >= start) & (since < start + duration)


def write_csv(path: Path, rail: FuelRail, time: Samples) -> None:
    """Time, pressure and flows, one line each."""
    columns = {
        "time": time,
        "pressure_bar": rail.pressure(time) / BAR,
        "pump_flow_cm3_per_s": rail.pump_flow(time) * 1e6,
        "injector_flow_cm3_per_s": rail.injector_flow(time) * 1e6,
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))


def write_plot(path: Path, rail: FuelRail, time: Samples) -> None:
    """The pressure above the flows that make it."""
    from matplotlib.figure import Figure  # noqa: PLC0415  a second to load

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(time * 1e3, rail.pressure(time) / BAR, color="tab:red")
    above.set_title(f"Common rail at {rail.speed * 60:.0f} rev/min, in closed form")
    above.set(ylabel="pressure [bar]")
    below.plot(time * 1e3, rail.pump_flow(time) * 1e6, label="pump")
    below.plot(time * 1e3, rail.injector_flow(time) * 1e6, label="injectors")
    below.set(xlabel="time [ms]", ylabel="flow [cm³/s]")
    below.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False)
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
        axes.margins(x=0)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> int:
    """Write the CSV and the plot; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stop", type=float, default=0.09, help="end of the simulation [s]")
    parser.add_argument("--step", type=float, default=2e-5, help="output interval [s]")
    parser.add_argument("--output", type=Path, default=DATA, help="folder for the files")
    options = parser.parse_args(arguments)
    if not 0 < options.step <= options.stop <= options.step * 1e6:
        parser.error("give 0 < step <= stop, and at most a million points")
    rail = FuelRail()
    time = np.arange(round(options.stop / options.step) + 1) * options.step
    options.output.mkdir(parents=True, exist_ok=True)
    for kind, write in (("csv", write_csv), ("png", write_plot)):
        path = options.output / f"fuel_rail_pressure.{kind}"
        write(path, rail, time)
        print(f"Wrote {path}")
    pressure = rail.pressure(time) / BAR
    print(f"Pressure between {pressure.min():.1f} and {pressure.max():.1f} bar")
    return 0


if __name__ == "__main__":
    sys.exit(main())
