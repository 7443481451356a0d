"""Plots of a study: lines for one parameter, a map for two, parallel coordinates for more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gateway_runs.drawing import Form, figure, plain, rendered, with_unit
from gateway_runs.study_tables import StudyTable
from gateway_simulation.trajectory import Samples

MAX_KPIS: Final = 6
MAX_AXES: Final = 7
_MAX_LINES: Final = 2000
_MAX_LABELS: Final = 8
_NAME_LENGTH: Final = 28
_COLOURS: Final = "viridis"
_FAILED: Final = "#c0392b"
_ENOUGH_TO_INTERPOLATE: Final = 8
_A_PLANE: Final = 2


def plot_study(study: StudyTable, title: str, form: Form) -> bytes:
    """The plot that suits how many parameters vary."""
    varying = study.varying or study.parameters[:1]
    if len(varying) == 1:
        return rendered(_lines(study, varying[0], title), form)
    if len(varying) == _A_PLANE:
        return rendered(_map(study, varying, title), form)
    return rendered(_parallel(study, varying[:MAX_AXES], title), form)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the cells of a column lie along an axis; `labels` where they are no numbers."""

    at: Samples
    labels: tuple[str, ...] | None


def _places(study: StudyTable, name: str) -> _Places:
    if study.is_number(name):
        return _Places(study.numbers(name), None)
    cells = [str(cell) for cell in study.columns[name]]
    kinds = list(dict.fromkeys(cells))
    position = {kind: i for i, kind in enumerate(kinds)}
    at = np.array([position[cell] for cell in cells], dtype=np.float64)
    return _Places(at, tuple(plain(kind, 12) for kind in kinds))


def _lines(study: StudyTable, parameter: str, title: str) -> Any:  # noqa: ANN401  matplotlib's
    """Each KPI over the parameter; KPIs of one unit share a panel."""
    panels: dict[str | None, list[str]] = {}
    for kpi in study.kpis[:MAX_KPIS]:
        panels.setdefault(study.units.get(kpi), []).append(kpi)
    made = figure(8.0, 0.9 + 2.6 * len(panels), title)
    axes = made.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    places = _places(study, parameter)
    for axis, (unit, kpis) in zip(axes, panels.items(), strict=True):
        _draw_lines(axis, study, places, kpis)
        axis.set_ylabel(plain(f"[{unit}]") if unit else "")
    axes[-1].set_xlabel(with_unit(parameter, study.units.get(parameter)))
    if places.labels is not None:
        axes[-1].set_xticks(range(len(places.labels)), places.labels)
    return made


def _draw_lines(axis: Any, study: StudyTable, places: _Places, kpis: list[str]) -> None:  # noqa: ANN401
    order = np.argsort(places.at, kind="stable")
    line = "solid" if places.labels is None else "none"
    for kpi in kpis:
        figures = study.numbers(kpi)[order]
        axis.plot(
            places.at[order], figures, linestyle=line, marker="o", markersize=3.5,
            linewidth=1.3, label=plain(kpi),
        )  # fmt: skip
    extremes = study.extremes()
    if study.objective in kpis and extremes is not None:
        best = extremes[0]
        _star(axis, places.at[best], study.numbers(study.objective)[best])
    failed = places.at[sorted(study.failures)]
    if failed.size:
        bottom = np.zeros(failed.size)
        axis.plot(
            failed, bottom, "x", color=_FAILED, transform=axis.get_xaxis_transform(),
            clip_on=False, zorder=5, label="failed",
        )  # fmt: skip
    axis.grid(visible=True, alpha=0.3)
    axis.legend(loc="best", fontsize=8, framealpha=0.8)


def _map(study: StudyTable, varying: tuple[str, ...], title: str) -> Any:  # noqa: ANN401
    """The objective over two parameters, coloured."""
    made = figure(7.4, 5.6, title)
    axis = made.subplots()
    x, y = (_places(study, name) for name in varying)
    figures = study.numbers(study.objective)
    axis.set_facecolor("0.93")
    shown = _coloured(axis, x.at, y.at, figures)
    if shown is not None:
        label = with_unit(study.objective, study.units.get(study.objective))
        made.colorbar(shown, ax=axis, label=label)
    failed = sorted(study.failures)
    if failed:
        axis.plot(x.at[failed], y.at[failed], "x", color=_FAILED, label="failed", clip_on=False)
    extremes = study.extremes()
    if extremes is not None:
        _star(axis, x.at[extremes[0]], y.at[extremes[0]])
    for places, ticks in ((x, axis.set_xticks), (y, axis.set_yticks)):
        if places.labels is not None:
            ticks(range(len(places.labels)), places.labels)
    axis.set_xlabel(with_unit(varying[0], study.units.get(varying[0])))
    axis.set_ylabel(with_unit(varying[1], study.units.get(varying[1])))
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper right", fontsize=8, framealpha=0.9)
    return made


def _coloured(axis: Any, x: Samples, y: Samples, figures: Samples) -> Any:  # noqa: ANN401
    """Cells for a grid, a contour between enough scattered points, else the points; None if none.

    Nothing is coloured where a run failed.
    """
    kept = np.isfinite(figures)
    if not kept.any():
        return None
    columns, rows = np.unique(x), np.unique(y)
    if len(columns) * len(rows) == len(x):
        cells = np.full((len(rows), len(columns)), np.nan)
        cells[np.searchsorted(rows, y), np.searchsorted(columns, x)] = figures
        return axis.pcolormesh(columns, rows, cells, shading="nearest", cmap=_COLOURS)
    x, y, figures = x[kept], y[kept], figures[kept]
    flat = np.linalg.matrix_rank(np.column_stack([x - x[0], y - y[0]])) < _A_PLANE
    if len(x) >= _ENOUGH_TO_INTERPOLATE and np.ptp(figures) > 0 and not flat:
        filled = axis.tricontourf(x, y, figures, levels=14, cmap=_COLOURS)
        axis.plot(x, y, "o", color="white", markersize=2.5, alpha=0.7, clip_on=False)
        axis.margins(0.03)
        return filled
    return axis.scatter(x, y, c=figures, cmap=_COLOURS, s=40)


def _parallel(study: StudyTable, varying: tuple[str, ...], title: str) -> Any:  # noqa: ANN401
    """A line for each run across an axis for each parameter and the objective, which colours it."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415  heavy

    names = (*varying, study.objective)
    made = figure(max(7.0, 1.5 * len(names)), 4.8, title)
    axis = made.subplots()
    places = [_places(study, name) for name in names]
    heights = np.column_stack([_scaled(one.at) for one in places])
    figures = study.numbers(study.objective)
    kept = np.flatnonzero(np.isfinite(figures))[:_MAX_LINES]
    across = np.arange(len(names))
    lines = [np.column_stack([across, heights[row]]) for row in kept]
    many = LineCollection(
        lines, array=figures[kept], cmap=_COLOURS, linewidths=1.1, alpha=_opacity(len(kept))
    )
    axis.add_collection(many)
    failed = sorted(study.failures)[:_MAX_LINES]
    cut = [np.column_stack([across[:-1], heights[row, :-1]]) for row in failed]
    axis.add_collection(LineCollection(cut, colors=_FAILED, linewidths=0.9, linestyles="dotted"))
    extremes = study.extremes()
    if extremes is not None:
        axis.plot(across, heights[extremes[0]], color="black", linewidth=2, label="best")
    if failed:
        axis.plot([], [], color=_FAILED, linestyle="dotted", label="failed")
    _upright(axis, study, names, places)
    label = with_unit(study.objective, study.units.get(study.objective))
    made.colorbar(many, ax=axis, label=label, pad=0.02).solids.set_alpha(1)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize=8, frameon=False)
    return made


def _upright(
    axis: Any,  # noqa: ANN401
    study: StudyTable,
    names: tuple[str, ...],
    places: list[_Places],
) -> None:
    """An upright axis for each column, with its ends written beside it."""
    for i, (name, one) in enumerate(zip(names, places, strict=True)):
        axis.plot([i, i], [0, 1], color="0.3", linewidth=1, zorder=1)
        for height, text in _marks(one):
            axis.annotate(
                text, (i, height), xytext=(4, 3 if height else -11), textcoords="offset points",
                fontsize=8, bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )  # fmt: skip
        axis.annotate(
            with_unit(name, study.units.get(name), _NAME_LENGTH), (i, 1), xytext=(0, 18),
            textcoords="offset points", ha="center", fontsize=9,
        )  # fmt: skip
    axis.set_xlim(-0.4, len(names) - 0.5)
    axis.set_ylim(-0.06, 1.14)
    axis.set_axis_off()


def _marks(places: _Places) -> list[tuple[float, str]]:
    """What is written beside an upright axis: each text, or the ends of the numbers."""
    if places.labels is not None:
        top = max(1, len(places.labels) - 1)
        return [(i / top, label) for i, label in enumerate(places.labels[:_MAX_LABELS])]
    if not np.isfinite(places.at).any():
        return []
    low, high = np.nanmin(places.at), np.nanmax(places.at)
    return [(0.5, f"{low:.4g}")] if low == high else [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")]


def _scaled(values: Samples) -> Samples:
    """Between 0 and 1; in the middle where all are equal."""
    if not np.isfinite(values).any():
        return np.full(values.shape, 0.5)
    low, high = np.nanmin(values), np.nanmax(values)
    if high == low:
        return np.full(values.shape, 0.5)
    scaled: Samples = (values - low) / (high - low)
    return scaled


def _opacity(lines: int) -> float:
    """The more lines, the fainter each."""
    return float(np.clip(30 / max(lines, 1), 0.15, 0.9))


def _star(axis: Any, x: float, y: float) -> None:  # noqa: ANN401
    axis.plot(
        x, y, "*", markersize=13, color="white", markeredgecolor="black", zorder=6, label="best",
        linestyle="none", clip_on=False,
    )  # fmt: skip
