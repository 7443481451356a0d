"""Plots of a trajectory, one panel a unit."""

from __future__ import annotations

from typing import Any, Final

from gateway_runs.drawing import Form, figure, plain, rendered
from gateway_simulation.trajectory import Trajectory

MAX_CURVES: Final = 12
_PANEL_HEIGHT_IN: Final = 2.4
_WIDTH_IN: Final = 8.0


def plot(trajectory: Trajectory, title: str, form: Form) -> bytes:
    """The first MAX_CURVES outputs over time; outputs of one unit share a panel."""
    panels = _by_unit(trajectory)
    made = figure(_WIDTH_IN, 0.9 + _PANEL_HEIGHT_IN * len(panels), title)
    axes = made.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (unit, names) in zip(axes, panels.items(), strict=True):
        _draw(axis, trajectory, unit, names)
    axes[-1].set_xlabel("time [s]")
    return rendered(made, form)


def _by_unit(trajectory: Trajectory) -> dict[str | None, list[str]]:
    panels: dict[str | None, list[str]] = {}
    for name in trajectory.names[:MAX_CURVES]:
        panels.setdefault(trajectory.units[name], []).append(name)
    return panels or {None: []}


def _draw(axis: Any, trajectory: Trajectory, unit: str | None, names: list[str]) -> None:  # noqa: ANN401
    for name in names:
        style = "steps-post" if name in trajectory.discrete else "default"
        axis.plot(
            trajectory.time,
            trajectory.column(name),
            label=plain(name),
            linewidth=1.3,
            drawstyle=style,
        )
    axis.set_ylabel(plain(f"[{unit}]") if unit else "")
    axis.grid(visible=True, alpha=0.3)
    if names:
        axis.legend(loc="best", fontsize=8, framealpha=0.8)
