"""Plots of a trajectory, one panel a unit."""

from __future__ import annotations

import io
from functools import cache
from typing import Any, Final, Literal

from gateway_simulation.trajectory import Trajectory

MAX_CURVES: Final = 12
_PANEL_HEIGHT_IN: Final = 2.4
_WIDTH_IN: Final = 8.0
_BOX: Final = "□"


def plot(trajectory: Trajectory, title: str, file_format: Literal["png", "svg"]) -> bytes:
    """The first MAX_CURVES outputs over time; outputs of one unit share a panel."""
    from matplotlib import rc_context  # noqa: PLC0415  heavy, not needed to start
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = _by_unit(trajectory)
    height = 0.9 + _PANEL_HEIGHT_IN * len(panels)
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (unit, names) in zip(axes, panels.items(), strict=True):
        _draw(axis, trajectory, unit, names)
    axes[-1].set_xlabel("time [s]")
    figure.suptitle(_plain(title), fontsize=11)
    sink = io.BytesIO()
    with rc_context({"svg.hashsalt": "fmu-gateway"}):  # the same trajectory, the same bytes
        figure.savefig(
            sink, format=file_format, metadata={"Date": None} if file_format == "svg" else None
        )
    return sink.getvalue()


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
            label=_plain(name),
            linewidth=1.3,
            drawstyle=style,
        )
    axis.set_ylabel(_plain(f"[{unit}]") if unit else "")
    axis.grid(visible=True, alpha=0.3)
    if names:
        axis.legend(loc="best", fontsize=8, framealpha=0.8)


def _plain(text: str) -> str:
    """Names come from the FMU: no mathtext, no legend hiding by a leading underscore.

    A box stands for each letter that the font lacks: the plot is drawn, and nobody is warned.
    """
    known = _letters()
    shown = "".join(c if ord(c) in known else _BOX for c in text[:80])
    escaped = shown.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


@cache
def _letters() -> frozenset[int]:
    """What the font of all plots can draw, as code points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    return frozenset(get_font(findfont(FontProperties())).get_charmap())
