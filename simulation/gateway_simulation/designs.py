"""Where a study looks: a grid, or a Latin hypercube."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway_simulation.exceptions import InvalidStudyError, StudyTooLargeError, WrongTypeError
from gateway_simulation.finite import as_float
from gateway_simulation.model import Scalar, Variable
from gateway_simulation.study_request import MOST_RUNS, StudyRequest, Varied
from gateway_simulation.values import checked

POINTS_OF_A_RANGE = 5
SAMPLES_EACH = 10
"""Runs of a Latin hypercube for each parameter (Loeppky, Sacks, Welch 2009)."""

Row = tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A parameter that takes some values, checked."""

    choices: tuple[Scalar, ...]

    def at(self, share: float) -> Scalar:
        """The value of a place between 0 and 1."""
        return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]

    def points(self, _: int) -> tuple[Scalar, ...]:
        return self.choices


@dataclass(frozen=True, slots=True)
class _Range:
    """A parameter that takes all values between two, or all whole numbers."""

    low: float
    high: float
    whole: bool
    count: int | None

    def at(self, share: float) -> Scalar:
        if self.whole:
            return min(math.floor(self.low + share * (self.high - self.low + 1)), int(self.high))
        return float(self.low + share * (self.high - self.low))

    def points(self, count: int) -> tuple[Scalar, ...]:
        """Evenly spaced, both ends included; whole numbers each once."""
        found = np.linspace(self.low, self.high, self.count or count)
        if self.whole:
            return tuple(int(value) for value in np.unique(np.round(found)))
        return tuple(found.tolist())


def rows(variables: Sequence[Variable], request: StudyRequest) -> tuple[Row, ...]:
    """The values of `variables` in each run of the study, checked and in order.

    Of a grid the last variable varies fastest. Raises StudyTooLargeError before anything is laid
    out, WrongTypeError, OutOfRangeError, InvalidStudyError.
    """
    axes = [_axis(variable, request.parameters[variable.name]) for variable in variables]
    if request.design == "lhs":
        return _latin_hypercube(axes, request.samples or SAMPLES_EACH * len(axes), request.seed)
    return _grid(axes, request.samples or POINTS_OF_A_RANGE)


def _axis(variable: Variable, varied: Varied) -> _Listed | _Range:
    if varied.values is not None:
        choices = tuple(checked(variable, value) for value in varied.values)
        if len(set(choices)) < len(choices):
            msg = "a parameter has a value twice"
            raise InvalidStudyError(msg, {"name": variable.name, "reason": msg})
        return _Listed(choices)
    if variable.type not in {"real", "integer"}:
        msg = "only numbers have a range"
        raise WrongTypeError(msg, {"name": variable.name, "expected": "a list of values"})
    ends = (checked(variable, varied.min), checked(variable, varied.max))
    low, high = (as_float(end) for end in ends if not isinstance(end, str))
    if low >= high:
        msg = "a range's min is not below its max"
        raise InvalidStudyError(msg, {"name": variable.name, "reason": msg})
    return _Range(low, high, variable.type == "integer", varied.count)


def _grid(axes: Sequence[_Listed | _Range], samples: int) -> tuple[Row, ...]:
    sizes = [len(a.choices) if isinstance(a, _Listed) else a.count or samples for a in axes]
    _check_size(math.prod(sizes))
    return tuple(itertools.product(*(axis.points(samples) for axis in axes)))


def _latin_hypercube(axes: Sequence[_Listed | _Range], samples: int, seed: int) -> tuple[Row, ...]:
    from scipy.stats import qmc  # type: ignore[import-untyped]  # noqa: PLC0415  heavy

    _check_size(samples)
    shares = qmc.LatinHypercube(len(axes), rng=seed).random(samples).tolist()
    return tuple(
        tuple(axis.at(share) for axis, share in zip(axes, row, strict=True)) for row in shares
    )


def _check_size(runs: int) -> None:
    if runs > MOST_RUNS:
        raise StudyTooLargeError(runs, MOST_RUNS)
