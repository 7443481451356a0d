"""What the runs say: where the pump falls short, and which one wouldn't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from case import Case, Numbers


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point and its margin, relative to the requirement."""

    temperature: float
    aeration: float
    speed: float
    margin: float


@dataclass(frozen=True, slots=True)
class Shortfall:
    """At one temperature and aeration: between which speeds the requirement isn't met."""

    temperature: float
    aeration: float
    begins: float
    ends: float
    worst: float


@dataclass(frozen=True, slots=True)
class Size:
    """A pump with a suction line, and its smallest relative margin in the envelope."""

    displacement: float
    bore: float
    ratio: float
    worst: float


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The envelope of the pump as installed, arrays of `case.shape`; and other sizes."""

    case: Case
    capability: Numbers  # L/min of oil
    requirement: Numbers  # L/min of oil
    efficiency: Numbers  # volumetric, of the scavenge pump
    sizes: tuple[Size, ...]

    @property
    def relative(self) -> Numbers:
        """The margin by the requirement."""
        return self.capability / self.requirement - 1

    @property
    def worst(self) -> Point:
        """Where the margin is smallest."""
        t, a, n = np.unravel_index(int(self.relative.argmin()), self.case.shape)
        case = self.case
        margin = float(self.relative[t, a, n])
        return Point(case.temperatures[t], case.aerations[a], case.speeds[n], margin)

    @property
    def meets(self) -> bool:
        """Whether the requirement is met in all of the envelope."""
        return bool(self.relative.min() >= 0)

    @property
    def shortfalls(self) -> list[Shortfall]:
        """Where it isn't, by temperature and aeration."""
        found = []
        for t, temperature in enumerate(self.case.temperatures):
            for a, aeration in enumerate(self.case.aerations):
                margin = self.relative[t, a]
                if margin.min() < 0:
                    begins, ends = _short_of(np.array(self.case.speeds), margin)
                    found.append(
                        Shortfall(temperature, aeration, begins, ends, float(margin.min()))
                    )
        return found

    @property
    def bearable(self) -> dict[float, float]:
        """By temperature: the most aeration at which every speed has its margin."""
        aerations = np.array(self.case.aerations)
        smallest = self.relative.min(axis=2)
        return {
            temperature: _last_bearable(aerations, smallest[t])
            for t, temperature in enumerate(self.case.temperatures)
        }

    @property
    def recommended(self) -> Size | None:
        """The smallest pump that meets the requirement with the reserve, by the smallest bore."""
        enough = [size for size in self.sizes if size.worst >= self.case.reserve]
        return min(enough, key=lambda size: (size.displacement, size.bore), default=None)

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        case = self.case
        return {
            "axes": {
                "oil_temperature_degC": case.temperatures,
                "aeration": case.aerations,
                "speed_rev_per_min": case.speeds,
            },
            "oil_capacity_l_per_min": self.capability.round(4).tolist(),
            "requirement_l_per_min": self.requirement.round(4).tolist(),
            "relative_margin": self.relative.round(6).tolist(),
            "meets_requirement": self.meets,
            "worst": _plain(self.worst),
            "shortfalls": [_plain(one) for one in self.shortfalls],
            "bearable_aeration": {f"{t:g}": round(a, 4) for t, a in self.bearable.items()},
            "installed_scavenge_ratio": round(case.installed_ratio, 4),
            "sizes": [_plain(size) for size in self.sizes],
            "recommended": None if self.recommended is None else _plain(self.recommended),
        }


def _short_of(speeds: Numbers, margin: Numbers) -> tuple[float, float]:
    """The first and the last speed short of the requirement, between the points by a line."""
    short = np.flatnonzero(margin < 0)
    first, last = int(short[0]), int(short[-1])
    begins = speeds[0] if first == 0 else _zero(speeds, margin, first - 1)
    ends = speeds[-1] if last == len(speeds) - 1 else _zero(speeds, margin, last)
    return float(begins), float(ends)


def _last_bearable(aerations: Numbers, smallest: Numbers) -> float:
    short = np.flatnonzero(smallest < 0)
    if not short.size:
        return float(aerations[-1])
    first = int(short[0])
    return 0.0 if first == 0 else float(_zero(aerations, smallest, first - 1))


def _zero(x: Numbers, y: Numbers, left: int) -> float:
    """Where the line between two points passes zero."""
    a, b = float(y[left]), float(y[left + 1])
    return float(x[left] + (x[left + 1] - x[left]) * a / (a - b))


def _plain(record: Point | Shortfall | Size) -> dict[str, float]:
    return {name: round(getattr(record, name), 6) for name in record.__slots__}
