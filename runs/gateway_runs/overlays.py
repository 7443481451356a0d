"""Two results over each other, with the tube that the second should stay in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway_runs.drawing import Form, figure, rendered, with_unit
from gateway_simulation.comparison import span
from gateway_simulation.differences import Curve, Difference

MAX_PANELS: Final = 6

Pair = tuple[Curve, Curve, Difference]


def plot_overlay(
    pairs: Mapping[str, Pair], labels: tuple[str, str], tolerance: float, form: Form
) -> bytes:
    """A panel for each of the first MAX_PANELS variables; where they part there is a line."""
    shown = dict(list(pairs.items())[:MAX_PANELS])
    made = figure(8.0, 1.1 + 2.4 * len(shown), f"{labels[0]} and {labels[1]}")
    axes = made.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, pair) in zip(axes, shown.items(), strict=True):
        _draw(axis, name, pair, labels, tolerance)
    axes[0].legend(loc="best", fontsize=8, framealpha=0.8)
    axes[-1].set_xlabel("time [s]")
    return rendered(made, form)


def _draw(
    axis: Any,  # noqa: ANN401  matplotlib's
    name: str,
    pair: Pair,
    labels: tuple[str, str],
    tolerance: float,
) -> None:
    one, other, found = pair
    allowed = tolerance * span(one.values)
    one, other = one.straight, other.straight
    axis.fill_between(
        one.time, one.values - allowed, one.values + allowed, color="C0", alpha=0.2, linewidth=0
    )
    axis.plot(one.time, one.values, color="C0", linewidth=2.4, label=labels[0])
    axis.plot(other.time, other.values, "--", color="C1", linewidth=1.3, label=labels[1])
    if found.parts is not None:
        axis.axvline(found.parts.time, color="C3", linewidth=1, linestyle=":", label="they part")
    axis.set_ylabel(with_unit(name, one.unit, 40))
    axis.grid(visible=True, alpha=0.3)
