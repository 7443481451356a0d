"""The overview as a picture: capability, margin, and the sizes to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from findings import Findings
from matplotlib import colormaps
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

_SIZE_IN: Final = (12.5, 9.0)
_DPI: Final = 120
_INK: Final = "0.15"
_COLORS: Final = "RdYlGn"
_SCALE: Final = TwoSlopeNorm(0.0, -50.0, 100.0)  # %: red where the requirement isn't met
_PALE: Final = (-25.0, 80.0)  # %: beyond these the colour is dark


def draw(findings: Findings, title: str, path: Path) -> None:
    """Write the picture; the right column shares one scale of colours."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout=layout)
    figure.suptitle(title, fontsize=13)
    (flows, field), (sizes, grid) = figure.subplots(2, 2)
    _flows(flows, findings)
    _field(field, findings)
    _sizes(sizes, findings)
    colors = _grid(grid, findings)
    bar = figure.colorbar(colors, ax=[field, grid], format=_PERCENT, extend="both")
    bar.set_label("margin by the requirement")
    figure.savefig(path)


def _flows(axes: Any, findings: Findings) -> None:  # noqa: ANN401  matplotlib has no types
    """Capability by temperature at the worst aeration, above the requirement."""
    case = findings.case
    a = case.aerations.index(findings.worst.aeration)
    colors = colormaps["plasma"](np.linspace(0.05, 0.85, len(case.temperatures)))
    for t, temperature in enumerate(case.temperatures):
        label = f"{temperature:g} °C"
        axes.plot(case.speeds, findings.capability[t, a], color=colors[t], label=label)
    required = findings.requirement[0, a]
    axes.plot(case.speeds, required, color=_INK, linestyle="--", linewidth=2, label="required")
    axes.fill_between(case.speeds, 0, required, color=_INK, alpha=0.06)
    axes.set(
        title=f"Oil that the pump can return, {case.aerations[a] * 100:.0f} % air",
        xlabel="engine speed [rev/min]",
        ylabel="oil flow [L/min]",
        ylim=(0, None),
        xlim=(case.speeds[0], case.speeds[-1]),
    )
    axes.legend(title="oil", loc="lower right", ncols=2, fontsize=9)
    axes.grid(visible=True, alpha=0.3)


def _field(axes: Any, findings: Findings) -> None:  # noqa: ANN401
    """Margin over speed and aeration at the worst temperature."""
    case = findings.case
    t = case.temperatures.index(findings.worst.temperature)
    margin = findings.relative[t] * 100
    levels = np.arange(-100, 201, 5)
    axes.contourf(
        case.speeds,
        case.aerations,
        margin,
        levels=levels,
        cmap=_COLORS,
        norm=_SCALE,
        extend="both",
    )
    if margin.min() < 0 < margin.max():
        line = axes.contour(case.speeds, case.aerations, margin, levels=[0], colors=_INK)
        axes.clabel(line, fmt={0: "requirement just met"}, fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.0f} %")
    axes.set(
        title=f"Margin at {case.temperatures[t]:g} °C",
        xlabel="engine speed [rev/min]",
        ylabel="air in the oil (volume)",
    )


def _grid(axes: Any, findings: Findings) -> Any:  # noqa: ANN401
    """The smallest margin over all speeds, in numbers; what maps them to colours."""
    case = findings.case
    smallest = findings.relative.min(axis=2) * 100
    drawn = axes.imshow(smallest, cmap=_COLORS, norm=_SCALE, aspect="auto", origin="lower")
    for (t, a), margin in np.ndenumerate(smallest):
        weight = "bold" if margin < 0 else "normal"
        color = _INK if _PALE[0] < margin < _PALE[1] else "white"
        text = _percent(margin)
        axes.text(a, t, text, ha="center", va="center", fontweight=weight, color=color)
    axes.set_xticks(range(len(case.aerations)), [f"{a * 100:.0f} %" for a in case.aerations])
    axes.set_yticks(range(len(case.temperatures)), [f"{t:g}" for t in case.temperatures])
    axes.set(
        title="Smallest margin over all speeds",
        xlabel="air in the oil (volume)",
        ylabel="oil temperature [°C]",
    )
    return drawn


def _sizes(axes: Any, findings: Findings) -> None:  # noqa: ANN401
    """The smallest margin in the envelope by scavenge ratio, a line for each bore."""
    case, best = findings.case, findings.recommended
    colors = colormaps["viridis"](np.linspace(0.1, 0.75, len(case.bores)))
    for bore, color in zip(case.bores, colors, strict=True):
        these = [size for size in findings.sizes if size.bore == bore]
        axes.plot(
            [size.ratio for size in these],
            [size.worst * 100 for size in these],
            marker="o",
            color=color,
        )
        last = (these[-1].ratio, these[-1].worst * 100)
        axes.annotate(
            f"suction line {bore:g} mm",
            last,
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
            color=color,
        )
    axes.axhline(0, color=_INK, linewidth=1)
    axes.axhline(case.reserve * 100, color=_INK, linewidth=1, linestyle=":")
    axes.text(
        case.ratio_of(case.displacements[-1]),
        case.reserve * 100 + 0.8,
        f"{case.reserve * 100:.0f} % reserve",
        ha="right",
        fontsize=9,
    )
    axes.axvline(case.installed_ratio, color="0.6", linewidth=1, linestyle="--", label="installed")
    if best is not None:
        axes.plot(
            best.ratio,
            best.worst * 100,
            marker="*",
            markersize=19,
            color="tab:red",
            linestyle="none",
            label=f"recommended {best.ratio:.1f}:1",
        )
    axes.margins(y=0.12)  # room for the label above the highest line
    axes.yaxis.set_major_formatter(_PERCENT)
    axes.set(
        title="Smallest margin in the whole envelope",
        xlabel="scavenge ratio (swept volume by supply pump's)",
        ylabel="margin by the requirement",
    )
    axes.legend(fontsize=9, loc="center right", bbox_to_anchor=(1, 0.3))
    axes.grid(visible=True, alpha=0.3)


def _percent(margin: float) -> str:
    rounded = round(margin)
    return f"{rounded:+d} %" if rounded else "0 %"


_PERCENT: Final = FuncFormatter(lambda margin, _: _percent(margin))
