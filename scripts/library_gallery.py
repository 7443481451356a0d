"""A picture and a line for every model of the library: docs/gallery.md and docs/gallery/*.png.

    uv run python scripts/library_gallery.py            writes them
    uv run python scripts/library_gallery.py --times    also prints how long each run takes

Each model runs its default experiment through the gateway's own simulator.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from PIL import Image

from gateway_library.build import build_library, built_folder
from gateway_library.catalogue import FMI3, Card, Catalogue
from gateway_library.sources import models_folder
from gateway_runs.plots import plot
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
POINTS: Final = 1500
UNITS: Final = 2
CURVES: Final = 4
WIDTH: Final = 560
COLOURS: Final = 48


@dataclass(frozen=True, slots=True)
class Shown:
    """A model's card, its default run and the kinds and FMI versions that it comes in."""

    card: Card
    run: Trajectory
    versions: tuple[str, ...]

    @property
    def short(self) -> str:
        """The name without what all names of the Modelica Standard Library have."""
        return self.card.model_name.removeprefix("Modelica.").replace(".Examples", "")


def main() -> None:
    """Draw and write; or say how long runs take."""
    parser = argparse.ArgumentParser(description="Pictures of the library's models")
    parser.add_argument("--times", action="store_true", help="print the time of each run")
    asked = parser.parse_args()
    shown = _run_all()
    (DOCS / "gallery").mkdir(exist_ok=True)
    for old in (DOCS / "gallery").glob("*.png"):
        old.unlink()
    for one in shown:
        _picture(one)
    (DOCS / "gallery.md").write_text(_page(shown), encoding="utf-8")
    for one in shown if asked.times else ():
        card = one.card
        line = (
            f"{one.short:60} {card.verified_against:24} {card.error:8.0e} {one.run.wall_ms:8.1f} ms"
        )
        sys.stdout.write(f"{line}\n")


def _run_all() -> list[Shown]:
    folder = build_library(models_folder(), built_folder()).folder
    simulator = Simulator(timeout_s=60, memory_mb=512)
    with tempfile.TemporaryDirectory() as cache:
        catalogue = Catalogue.load(folder, Path(cache))
        names = sorted({card.model_name for card in catalogue.cards})
        shown = [_run(catalogue, simulator, name) for name in names]
    simulator.close()
    return shown


def _run(catalogue: Catalogue, simulator: Simulator, name: str) -> Shown:
    cards = [card for card in catalogue.cards if card.model_name == name]
    first = next((card for card in cards if not card.id.endswith(FMI3)), cards[0])
    experiment = first.default_experiment
    start, stop = experiment.start_time or 0.0, experiment.stop_time or 1.0
    step = (stop - start) / POINTS
    request = SimulationRequest(fmu_id=first.id, start_time=start, stop_time=stop, step=step)
    run = simulator.run(plan(catalogue.resolve(first.id), request, RunLimits()))
    return Shown(first, run, tuple(sorted(card.fmi_version for card in cards)))


def _picture(one: Shown) -> None:
    """A small one: few curves, few colours."""
    run = one.run
    units = list(dict.fromkeys(run.units[name] for name in run.names))[:UNITS]
    names = [
        name
        for unit in units
        for name in [n for n in run.names if run.units[n] == unit][: CURVES // len(units)]
    ]
    columns = [run.names.index(name) for name in names]
    few = replace(run, names=tuple(names), values=run.values[:, columns])
    image = Image.open(io.BytesIO(plot(few, one.short, "png")))
    height = round(image.height * WIDTH / image.width)
    small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(COLOURS).save(DOCS / "gallery" / f"{one.card.model_name}.png", optimize=True)


def _page(shown: list[Shown]) -> str:
    rows = [_row(one) for one in shown]
    pictures = [
        f"## {one.short}\n\n`{one.card.id}`: {one.card.description}.\n\n"
        f"![{one.short}](gallery/{one.card.model_name}.png)\n"
        for one in shown
    ]
    head = """# Gallery

Every model of the library with its default experiment, as
`uv run python scripts/library_gallery.py` draws it. The error is a bound on the difference from
what the model was verified against, relative to each signal's range; its card (`list_library`)
says what was compared. `uv run python scripts/reference_trajectory.py check NAME` repeats the
comparison with a published trajectory.

| model | FMI | states | verified against | error |
|---|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n\n" + "\n".join(pictures)


def _row(one: Shown) -> str:
    card = one.card
    error = "" if card.error is None else f"{card.error:.0e}"
    versions = ", ".join(one.versions)
    return f"| {one.short} | {versions} | {card.n_states} | {card.verified_against} | {error} |"


if __name__ == "__main__":
    main()
