"""What a linear FMU must compute: its analytic solution, piece by piece a matrix exponential."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped]

Array = NDArray[np.float64]
Interpolation = Literal["linear", "hold"]

_SAMPLES: Final = 64
_TERMS: Final = 14
OUT_OF_REACH: Final = 1e9


@dataclass(frozen=True, slots=True)
class System:
    """x' = A x + gain B u, y = C x + gain D u, with the events of `linear.h`.

    Shapes: `a` (n, n), `b` (n, m), `c` (p, n), `d` (p, m), `x0` (n,); `period` in seconds, 0: none.
    """

    a: Array
    b: Array
    c: Array
    d: Array
    x0: Array
    level: float = OUT_OF_REACH
    back: float = 0.0
    period: float = 0.0

    def start_values(self, version: str) -> dict[str, Any]:
        """Its numbers as a request for the FMU gives them."""
        found: dict[str, Any] = {"level": self.level, "back": self.back, "period": self.period}
        arrays = {"A": self.a, "B": self.b, "C": self.c, "D": self.d, "x0": self.x0}
        for name, array in arrays.items():
            if version == "3.0" and array.size:
                found[name] = array.tolist()
            elif version == "2.0":
                for index, value in np.ndenumerate(array):
                    place = ",".join(str(i + 1) for i in index)
                    found[f"{name}[{place}]"] = float(value)
        return found

    def flow(self, x: Array, u: Array, slope: Array, gain: float, durations: Array) -> Array:
        """States after each of `durations` [s], inputs being u + slope t; shape (k, n)."""
        flows = _exponentials(durations[:, None, None] * self._generator(gain))
        states: Array = flows @ np.concatenate([x, u, slope])
        return states[:, : x.size]

    def after(self, piece: Piece, t: float) -> Array:
        """States at `t` [s] of `piece`."""
        durations = np.array([t - piece.begin])
        states: Array = self.flow(piece.x, piece.u, piece.slope, piece.discrete.gain, durations)[0]
        return states

    def height(self, piece: Piece, t: float) -> float:
        """How far the first state is above the level at `t` [s] of `piece`."""
        return float(self.after(piece, t)[0]) - self.level

    def heights(self, piece: Piece, end: float, count: int) -> Array:
        """The same at so many equidistant times from the beginning of `piece` to `end` [s]."""
        step = (end - piece.begin) / (count - 1)
        onward = _exponentials(step * self._generator(piece.discrete.gain)[None])[0]
        found = [np.concatenate([piece.x, piece.u, piece.slope])]
        for _ in range(count - 1):
            found.append(onward @ found[-1])
        return np.array([vector[0] for vector in found]) - self.level

    def next_tick(self, start: float, ticks: int) -> float:
        """When the next tick comes after that many [s]; infinity if never."""
        return start + (ticks + 1) * self.period if self.period else math.inf

    def sent_back(self, x: Array) -> Array:
        """The states after the first has crossed the level."""
        return np.concatenate([[self.back], x[1:]])

    def over(self, x: Array) -> bool:
        """Whether the first state has reached the level."""
        return bool(x.size and x[0] >= self.level)

    def _generator(self, gain: float) -> Array:
        """The matrix G of z' = G z, where z is states, inputs and their slopes."""
        n, m = self.b.shape
        found: Array = np.zeros((n + 2 * m, n + 2 * m))
        found[:n, :n], found[:n, n : n + m] = self.a, gain * self.b
        found[n : n + m, n + m :] = np.eye(m)
        return found


@dataclass(frozen=True, slots=True)
class Signal:
    """Input `element` (from 0) over time, as a request gives it."""

    element: int
    time: tuple[float, ...]
    values: tuple[float, ...]
    interpolation: Interpolation

    @property
    def request(self) -> dict[str, Any]:
        """It as a request gives it."""
        return {
            "name": f"u[{self.element + 1}]",
            "time": list(self.time),
            "values": list(self.values),
            "interpolation": self.interpolation,
        }


@dataclass(frozen=True, slots=True)
class Drive:
    """All inputs of a run; two instants less than `tolerance` [s] apart are the same."""

    count: int
    signals: tuple[Signal, ...]
    tolerance: float

    def at(self, t: float) -> tuple[Array, Array]:
        """Values and slopes of the inputs from `t` on, shape (count,) each."""
        values, slopes = np.zeros(self.count), np.zeros(self.count)
        for signal in self.signals:
            i = int(np.searchsorted(signal.time, t + self.tolerance, side="right")) - 1
            if signal.interpolation == "hold":
                values[signal.element] = signal.values[max(i, 0)]
                continue
            values[signal.element] = np.interp(t, signal.time, signal.values)
            if 0 <= i < len(signal.time) - 1:
                rise = signal.values[i + 1] - signal.values[i]
                slopes[signal.element] = rise / (signal.time[i + 1] - signal.time[i])
        return values, slopes

    def next(self, t: float, interpolation: Interpolation) -> float:
        """When an input so interpolated next has a point; infinity if never."""
        later = (
            point
            for signal in self.signals
            if signal.interpolation == interpolation
            for point in signal.time
            if point > t + self.tolerance
        )
        return min(later, default=math.inf)


@dataclass(frozen=True, slots=True)
class Discrete:
    """What changes at events only."""

    gain: float = 1.0
    tick: int = 0
    count: int = 0

    def ticked(self) -> Discrete:
        """It after a time event."""
        return Discrete(-self.gain, self.tick + 1, self.count)

    def counted(self) -> Discrete:
        """It after the level was crossed upwards."""
        return Discrete(self.gain, self.tick, self.count + 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """From `begin` [s] on nothing jumps and no input bends; `stretch` counts events before it."""

    begin: float
    stretch: int
    x: Array
    u: Array
    slope: Array
    discrete: Discrete


@dataclass(slots=True)
class Solution:
    """The exact solution with events, as Model Exchange must find it.

    `events` are their times [s]. `margin` is how far it keeps from an event that rounding would
    make or lose: a state that grazes the level, or reaches it as something else happens.
    """

    system: System
    pieces: list[Piece] = field(default_factory=list)
    events: list[float] = field(default_factory=list)
    margin: float = math.inf

    def at(self, times: Array) -> dict[str, Array]:
        """All variables at rows of these `times`: two of the same time are an event's limits."""
        stretches = np.concatenate([[0], np.cumsum(times[1:] == times[:-1])])
        rows: list[dict[str, float]] = [{}] * times.size
        for begin, end, piece in self._ranges(times, stretches):
            if begin == end:
                continue
            durations = times[begin:end] - piece.begin
            x = self.system.flow(piece.x, piece.u, piece.slope, piece.discrete.gain, durations)
            u = piece.u + durations[:, None] * piece.slope
            rows[begin:end] = [
                row(self.system, x[i], u[i], piece.discrete) for i in range(durations.size)
            ]
        return table(rows)

    def _ranges(self, times: Array, stretches: NDArray[np.intp]) -> list[tuple[int, int, Piece]]:
        """Which rows each piece is good for; those of a stretch all lie between its events."""
        bounds = [0]
        for before, piece in zip(self.pieces, self.pieces[1:], strict=False):
            if before.stretch == piece.stretch:
                inside = (stretches == piece.stretch) & (times >= piece.begin)
                later = (stretches > piece.stretch) | inside
            else:
                later = stretches >= piece.stretch
            bounds.append(int(np.argmax(later)) if later.any() else times.size)
        return list(zip(bounds, [*bounds[1:], times.size], self.pieces, strict=True))


def row(system: System, x: Array, u: Array, discrete: Discrete) -> dict[str, float]:
    """Every variable of one instant by name."""
    found: dict[str, float] = asdict(discrete)
    y = system.c @ x + discrete.gain * (system.d @ u)
    for name, values in (("x", x), ("u", u), ("y", y)):
        found |= {f"{name}[{i}]": float(value) for i, value in enumerate(values, start=1)}
    return found


def table(rows: Sequence[dict[str, float]]) -> dict[str, Array]:
    """Rows as columns."""
    return {name: np.array([one[name] for one in rows]) for name in rows[0]}


def exact(system: System, drive: Drive, start: float, stop: float) -> Solution:
    """The solution from `start` to `stop` [s], inputs acting continuously."""
    found = Solution(system)
    t, x, discrete = start, system.x0, Discrete()
    above, crossed = system.over(x), False
    while True:
        u, slope = drive.at(t)
        piece = Piece(t, len(found.events), x, u, slope, discrete)
        found.pieces.append(piece)
        if t >= stop - drive.tolerance:
            return found
        jump, due = drive.next(t, "hold"), system.next_tick(start, discrete.tick)
        end = min(jump, due, drive.next(t, "linear"), stop)
        crossing, margin = _crossing(system, piece, end, above=above, after_crossing=crossed)
        found.margin = min(found.margin, margin)
        crossed = crossing < end
        end = min(end, crossing)
        x, t = system.after(piece, end), end
        if crossed or min(jump, due) <= t + drive.tolerance:
            found.events.append(t)
        if due <= t + drive.tolerance:
            discrete = discrete.ticked()
        if crossed and not above:
            x, discrete = system.sent_back(x), discrete.counted()
        above = above and not crossed


class Stepped:
    """What Co-Simulation must give: inputs are sampled at communication points.

    Between them they stay, or go on with their slopes where the FMU `interpolates`. The level is
    looked at where a step ends, and at ticks.
    """

    def __init__(self, system: System, drive: Drive, start: float) -> None:
        self._system, self._drive, self._start = system, drive, start
        self._time, self._x, self._discrete = start, system.x0, Discrete()
        self._above = system.over(system.x0)
        self._u, _ = drive.at(start)
        self.rows = [self._row]
        self.times = [start]
        self.events: list[float] = []

    def to_all(self, points: Sequence[float], *, interpolates: bool = False) -> None:
        """Step from one of `points` [s] to the next, with ticks inside of steps."""
        for end in points:
            self._u, slope = self._drive.at(self._time)
            while self._time < end:
                due = self._system.next_tick(self._start, self._discrete.tick)
                self._flow(min(due, end), slope * interpolates)
                self._update(is_due=due <= self._time)
            self._record()

    def to_all_with_events(self, grid: Sequence[float]) -> None:
        """Step along `grid` [s] and to each event, where both limits are kept."""
        for end in grid:
            while self._time < end:
                self._u = self._held(self._u, self._drive.at(self._time)[0], of="linear")
                due = self._system.next_tick(self._start, self._discrete.tick)
                jump = self._drive.next(self._time, "hold")
                self._flow(min(due, jump, end), np.zeros_like(self._u))
                crossed = self._system.over(self._x) != self._above
                is_event = crossed or min(due, jump) <= self._time
                if is_event or self._time == end:
                    self._record()
                if is_event:
                    self.events.append(self._time)
                    self._u = self._drive.at(self._time)[0]
                    self._update(is_due=due <= self._time)
                    self._record()

    @property
    def table(self) -> dict[str, Array]:
        """All rows so far as columns."""
        return table(self.rows)

    def at(self, times: Array, tolerance: float) -> dict[str, Array]:
        """The rows at `times`, each of which is one of ours but for `tolerance` [s]."""
        places = np.searchsorted(self.times, times - 2 * tolerance)
        return {name: column[places] for name, column in self.table.items()}

    def _held(self, before: Array, now: Array, *, of: Interpolation) -> Array:
        """The inputs `before`, but those interpolated as `of` says as they are `now`."""
        taken = {s.element for s in self._drive.signals if s.interpolation == of}
        return np.array([now[i] if i in taken else before[i] for i in range(before.size)])

    def _flow(self, end: float, slope: Array) -> None:
        durations = np.array([end - self._time])
        gain = self._discrete.gain
        self._x = self._system.flow(self._x, self._u, slope, gain, durations)[0]
        self._u = self._u + slope * durations
        self._time = end

    def _update(self, *, is_due: bool) -> None:
        if is_due:
            self._discrete = self._discrete.ticked()
        if self._system.over(self._x) and not self._above:
            self._x, self._discrete = self._system.sent_back(self._x), self._discrete.counted()
        self._above = self._system.over(self._x)

    def _record(self) -> None:
        self.times.append(self._time)
        self.rows.append(self._row)

    @property
    def _row(self) -> dict[str, float]:
        return row(self._system, self._x, self._u, self._discrete)


def _exponentials(matrices: Array) -> Array:
    """The exponential of each matrix, shape (k, n, n): a Taylor series for a small part, squared.

    SciPy's `expm` does it by LAPACK, whose threads cost ten times the work on matrices this small.
    """
    largest = float(np.max(np.abs(matrices).sum(axis=-1), initial=0))
    squarings = max(0, math.ceil(math.log2(largest * 4))) if largest else 0
    small = matrices / 2**squarings
    term = found = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    for k in range(1, _TERMS):
        term = term @ small / k
        found = found + term
    for _ in range(squarings):
        found = found @ found
    return found


def _crossing(
    system: System, piece: Piece, end: float, *, above: bool, after_crossing: bool
) -> tuple[float, float]:
    """When the first state next crosses the level before `end`, and the margin until then."""
    if not system.x0.size or system.level == OUT_OF_REACH:
        return math.inf, math.inf
    heights = system.heights(piece, end, _SAMPLES)
    flips = np.flatnonzero((heights >= 0) != above)
    flips = flips[flips > 0]
    extrema = 1 + np.flatnonzero(np.diff(np.sign(np.diff(heights))))
    ends = [-1] if after_crossing else [0, -1]
    margin = float(np.min(np.abs(heights[[*extrema, *ends]])))
    if not flips.size:
        return math.inf, margin
    before, after = heights[flips[0] - 1 : flips[0] + 1]
    if before * after >= 0:
        return math.inf, 0.0
    step = (end - piece.begin) / (_SAMPLES - 1)
    low = piece.begin + (flips[0] - 1) * step
    root = brentq(lambda t: system.height(piece, t), low, low + step, xtol=1e-15)
    return float(root), min(margin, float(abs(after - before) / step))
