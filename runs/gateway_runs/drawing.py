"""What all plots have in common: a figure without a screen, plain text, the same bytes again."""

from __future__ import annotations

import io
from functools import cache
from typing import Any, Final, Literal

Form = Literal["png", "svg"]

_BOX: Final = "□"
_DOTS_PER_INCH: Final = 120
_LONGEST: Final = 80


def figure(width_in: float, height_in: float, title: str) -> Any:  # noqa: ANN401  matplotlib's
    """An empty figure; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  heavy
    from matplotlib.figure import Figure  # noqa: PLC0415

    made = Figure(figsize=(width_in, height_in), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(made)
    made.suptitle(plain(title), fontsize=11)
    return made


def rendered(made: Any, form: Form) -> bytes:  # noqa: ANN401  matplotlib's
    """The figure as a file; the same figure gives the same bytes."""
    from matplotlib import rc_context  # noqa: PLC0415  heavy

    sink = io.BytesIO()
    with rc_context({"svg.hashsalt": "fmu-gateway"}):
        made.savefig(sink, format=form, metadata={"Date": None} if form == "svg" else None)
    return sink.getvalue()


def plain(text: str, longest: int = _LONGEST) -> str:
    """Names come from the FMU: no mathtext, no legend hiding by a leading underscore.

    A box stands for each letter that the font lacks: the plot is drawn, and nobody is warned.
    """
    known = _letters()
    shown = "".join(c if ord(c) in known else _BOX for c in text[:longest])
    escaped = shown.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def with_unit(name: str, unit: str | None, longest: int = _LONGEST) -> str:
    """The label of an axis."""
    return plain(name, longest) + (plain(f" [{unit}]", longest) if unit else "")


@cache
def _letters() -> frozenset[int]:
    """What the font of all plots can draw, as code points."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    return frozenset(get_font(findfont(FontProperties())).get_charmap())
