"""Units to show results in: by the model's own definitions, else by a table of common ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway_simulation.model import ModelDescription, Unit
from gateway_simulation.trajectory import Samples, Trajectory


@dataclass(frozen=True, slots=True)
class Conversion:
    """shown = factor * value + offset."""

    factor: float = 1.0
    offset: float = 0.0

    def apply(self, values: Samples) -> Samples:
        """Values in the other unit, same shape."""
        return self.factor * values + self.offset


_LENGTH, _TIME = (0, 1, 0, 0, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0, 0, 0)
_SPEED, _ACCELERATION = (0, 1, -1, 0, 0, 0, 0, 0), (0, 1, -2, 0, 0, 0, 0, 0)
_AREA, _VOLUME, _VOLUME_FLOW = (
    (0, 2, 0, 0, 0, 0, 0, 0),
    (0, 3, 0, 0, 0, 0, 0, 0),
    (0, 3, -1) + (0,) * 5,
)
_ANGLE, _ANGULAR = (0,) * 7 + (1,), (0, 0, -1, 0, 0, 0, 0, 1)
_FREQUENCY, _TEMPERATURE = (0, 0, -1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0, 0, 0)
_PRESSURE, _FORCE = (1, -1, -2, 0, 0, 0, 0, 0), (1, 1, -2, 0, 0, 0, 0, 0)
_ENERGY, _POWER = (1, 2, -2, 0, 0, 0, 0, 0), (1, 2, -3, 0, 0, 0, 0, 0)
_MASS, _MASS_FLOW = (1,) + (0,) * 7, (1, 0, -1, 0, 0, 0, 0, 0)
_CURRENT, _VOLTAGE = (0, 0, 0, 1, 0, 0, 0, 0), (1, 2, -3, -1, 0, 0, 0, 0)
_RESISTANCE, _NUMBER = (1, 2, -3, -2, 0, 0, 0, 0), (0,) * 8

_COMMON: Final[dict[tuple[int, ...], dict[str, float | tuple[float, float]]]] = {
    _LENGTH: {
        "m": 1, "km": 1e3, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "in": 0.0254, "ft": 0.3048,
        "mi": 1609.344,
    },
    _TIME: {"s": 1, "ms": 1e-3, "us": 1e-6, "min": 60, "h": 3600, "d": 86400},
    _SPEED: {
        "m/s": 1, "km/h": 1 / 3.6, "mm/s": 1e-3, "mi/h": 0.44704, "mph": 0.44704, "ft/s": 0.3048,
        "kn": 1852 / 3600,
    },
    _ACCELERATION: {"m/s2": 1, "m/s^2": 1, "g": 9.80665},
    _AREA: {"m2": 1, "cm2": 1e-4, "mm2": 1e-6},
    _VOLUME: {"m3": 1, "l": 1e-3, "L": 1e-3, "ml": 1e-6, "cm3": 1e-6},
    _VOLUME_FLOW: {"m3/s": 1, "m3/h": 1 / 3600, "l/s": 1e-3, "l/min": 1e-3 / 60},
    _ANGLE: {"rad": 1, "deg": math.pi / 180, "rev": 2 * math.pi},
    _ANGULAR: {
        "rad/s": 1, "deg/s": math.pi / 180, "rev/s": 2 * math.pi, "rev/min": math.pi / 30,
        "rpm": math.pi / 30, "1/min": math.pi / 30,
    },
    _FREQUENCY: {"Hz": 1, "1/s": 1, "kHz": 1e3, "MHz": 1e6},
    _TEMPERATURE: {
        "K": 1, "degC": (1, 273.15), "°C": (1, 273.15), "degF": (5 / 9, 459.67 * 5 / 9),
        "°F": (5 / 9, 459.67 * 5 / 9), "degR": 5 / 9,
    },
    _PRESSURE: {
        "Pa": 1, "hPa": 1e2, "kPa": 1e3, "MPa": 1e6, "bar": 1e5, "mbar": 1e2,
        "psi": 6894.757293168361, "atm": 101325,
    },
    _FORCE: {"N": 1, "kN": 1e3, "lbf": 4.4482216152605},
    _ENERGY: {
        "J": 1, "N.m": 1, "Nm": 1, "kJ": 1e3, "MJ": 1e6, "Wh": 3600, "kWh": 3.6e6,
        "cal": 4.184, "kcal": 4184,
    },
    _POWER: {"W": 1, "mW": 1e-3, "kW": 1e3, "MW": 1e6, "hp": 745.6998715822702},
    _MASS: {"kg": 1, "g": 1e-3, "mg": 1e-6, "t": 1e3, "lb": 0.45359237},
    _MASS_FLOW: {"kg/s": 1, "g/s": 1e-3, "kg/h": 1 / 3600, "t/h": 1 / 3.6},
    _CURRENT: {"A": 1, "mA": 1e-3, "kA": 1e3},
    _VOLTAGE: {"V": 1, "mV": 1e-3, "kV": 1e3},
    _RESISTANCE: {"Ohm": 1, "kOhm": 1e3, "mOhm": 1e-3, "MOhm": 1e6},
    _NUMBER: {"1": 1, "%": 1e-2},
}  # fmt: skip
"""SI value = factor * value + offset, by the exponents of kg, m, s, A, K, mol, cd, rad."""


def convert(
    description: ModelDescription, unit: str | None, shown: str, *, relative: bool
) -> Conversion | None:
    """How values in `unit` become values in `shown`, None where nobody knows.

    The model's display units come first, then its base units, then the common ones. A `relative`
    quantity (a temperature difference) takes no offset.
    """
    if unit is None:
        return None
    found = _convert(description, unit, shown)
    return replace(found, offset=0.0) if found is not None and relative else found


def known(description: ModelDescription, unit: str | None) -> tuple[str, ...]:
    """Units that values in `unit` can be shown in."""
    if unit is None:
        return ()
    own = {d.name for u in description.units for d in u.display_units if u.name == unit}
    named = {u.name for u in description.units}
    common = {name for table in _COMMON.values() for name in table}
    return tuple(sorted(n for n in own | named | common if _convert(description, unit, n)))


def displayed(
    trajectory: Trajectory, description: ModelDescription, shown: Iterable[tuple[str, str]]
) -> Trajectory:
    """The trajectory with the columns in `shown` (name, unit) converted; the rest as it is.

    Names may be variables or columns; names and units have passed `plan`.
    """
    units: dict[str, str | None] = dict(trajectory.units)
    values = trajectory.values.copy()
    for name, unit in shown:
        variable = description.by_name.get(name) or description.by_name[name.rpartition("[")[0]]
        conversion = convert(description, variable.unit, unit, relative=variable.relative_quantity)
        for position, column in enumerate(trajectory.names):
            if conversion and (column == name or column.rpartition("[")[0] == name):
                values[:, position] = conversion.apply(values[:, position])
                units[column] = unit
    return replace(trajectory, values=values, units=units)


def of_difference(unit: str | None) -> str | None:
    """The unit of a difference of two values in `unit`: an offset drops out, degC becomes K."""
    if unit is None:
        return None
    entry = _COMMON[_TEMPERATURE].get(unit)
    if not isinstance(entry, tuple):
        return unit
    return "K" if entry[0] == 1 else f"delta_{unit}"


def of_integral(unit: str | None) -> str | None:
    """The unit of an integral over time, in FMI's way of writing."""
    if unit is None:
        return None
    if unit == "1":
        return "s"
    return f"({unit}).s" if "/" in unit else f"{unit}.s"


def _convert(description: ModelDescription, unit: str, shown: str) -> Conversion | None:
    if unit == shown:
        return Conversion()
    own: Mapping[str, Unit] = {u.name: u for u in description.units}
    for display in own[unit].display_units if unit in own else ():
        if display.name == shown:
            return Conversion(display.factor, display.offset)
    source, target = _si(own, unit, None), None
    if source is not None:
        target = _si(own, shown, source[0])
    if source is None or target is None or source[0] != target[0]:
        return None
    return Conversion(source[1] / target[1], (source[2] - target[2]) / target[1])


def _si(
    own: Mapping[str, Unit], name: str, exponents: tuple[int, ...] | None
) -> tuple[tuple[int, ...], float, float] | None:
    """Exponents, factor and offset of a unit; of several meanings the one with `exponents`."""
    unit = own.get(name)
    if unit is not None and unit.exponents is not None and unit.factor:
        return unit.exponents, unit.factor, unit.offset
    for dimension, table in _COMMON.items():
        if name in table and exponents in {None, dimension}:
            entry = table[name]
            factor, offset = entry if isinstance(entry, tuple) else (entry, 0.0)
            return dimension, factor, offset
    return None
