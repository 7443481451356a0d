"""Published trajectories of library models: thin one for the model's folder, or check against one.

    uv run python scripts/reference_trajectory.py thin FULL.csv library/.../reference.csv
    uv run python scripts/reference_trajectory.py check NAME [FULL.csv]

`thin` keeps events, extremes and about --points evenly chosen rows. `check` builds the library and
prints how far the model is from the trajectory in each version and mode, signal by signal.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np

from gateway_library.build import build_library, built_folder
from gateway_library.catalogue import FMI3, Catalogue
from gateway_library.sources import models_folder
from gateway_library.verification import (
    Mode,
    Reference,
    read_reference,
    reference_file,
    verify,
)
from gateway_simulation.runner import Simulator


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    thinning = commands.add_parser("thin")
    thinning.add_argument("source", type=Path)
    thinning.add_argument("target", type=Path)
    thinning.add_argument("--points", type=int, default=300)
    checking = commands.add_parser("check")
    checking.add_argument("name")
    checking.add_argument("reference", type=Path, nargs="?")
    asked = parser.parse_args()
    if asked.command == "thin":
        _write(asked.target, _thinned(read_reference(asked.source), asked.points))
        return
    path = asked.reference or reference_file(asked.name)
    if path is None:
        parser.error(f"{asked.name} has no reference.csv: name a file")
    _check(asked.name, read_reference(path))


def _thinned(full: Reference, points: int) -> Reference:
    keep = set(range(0, len(full.time), max(1, len(full.time) // points)))
    keep |= {0, len(full.time) - 1}
    for event in np.flatnonzero(np.diff(full.time) == 0):
        keep |= {int(event), int(event) + 1}
    for values in full.signals.values():
        keep |= {int(values.argmin()), int(values.argmax())}
    rows = sorted(keep)
    return Reference(full.time[rows], {name: v[rows] for name, v in full.signals.items()})


def _write(path: Path, reference: Reference) -> None:
    names = ",".join(f'"{name}"' for name in ("time", *reference.signals))
    table = np.column_stack([reference.time, *reference.signals.values()])
    rows = [",".join(f"{value:.12g}" for value in row) for row in table]
    path.write_text("\n".join([names, *rows]) + "\n", encoding="utf-8")


def _check(name: str, reference: Reference) -> None:
    library = build_library(models_folder(), built_folder()).folder
    simulator = Simulator(timeout_s=120, memory_mb=512)
    with tempfile.TemporaryDirectory() as cache:
        catalogue = Catalogue.load(library, Path(cache))
        for version in ("", FMI3):
            model = catalogue.resolve(name + version)
            for mode in get_args(Mode):
                found = verify(model, reference, simulator, mode)
                sys.stdout.write(f"{model.id} {mode}: {found.wall_ms:.1f} ms\n")
                for signal, error in found.errors.items():
                    sys.stdout.write(f"    {signal}: {error:.2e}\n")
    simulator.close()


if __name__ == "__main__":
    main()
