#!/usr/bin/env python3
"""Export Modelica models as FMUs with OpenModelica, each with a card for the gateway's library.

    python scripts/msl_catalog_exporter.py --packages Modelica.Blocks --only-examples
    python scripts/msl_catalog_exporter.py --models models.txt --output fmus --jobs 4
    LIBRARY_PATH=fmus fmu-gateway serve

Each model is translated by an omc of its own, so that one that fails, hangs or crashes stops no
other. Begun again, it goes on where it was: what is there and unchanged is kept, what failed is
tried again. The folder gets <model>.fmu and <model>.yaml, and report.json and report.md say what
became of every model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from openmodelica import Facts, Omc, OmcError, OmcMissingError, find_omc

from gateway_library.operator_card import OperatorCard, as_yaml
from gateway_simulation.archive import Limits, inspect
from gateway_simulation.exceptions import ArchiveError

OPTIONS: Final = "--fmiFlags=s:cvode --fmuRuntimeDepends=modelica"
_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_LOOK_S: Final = 600
_MESSAGE: Final = 1000  # characters of what omc said

Status = Literal["exported", "kept", "failed", "unusable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one model. `made_by`: compiler and options, by which a later call keeps it."""

    model: str
    status: Status
    seconds: float = 0.0
    message: str = ""
    kinds: tuple[str, ...] = ()
    sha256: str = ""
    made_by: str = ""


class Report:
    """The outcomes so far, on disk after each of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.outcomes: dict[str, Outcome] = {}
        try:
            before = json.loads((folder / "report.json").read_bytes())
            self._before = {one["model"]: one for one in before["models"]}
        except (OSError, ValueError, KeyError, TypeError):
            self._before = {}

    def done_before(self, model: str, path: Path, made_by: str) -> bool:
        """Whether `path` is what an earlier call made in the same way."""
        before = self._before.get(model, {})
        if before.get("made_by") != made_by or not path.is_file():
            return False
        return bool(before.get("sha256") == _sha256(path.read_bytes()))

    def kept(self, model: str) -> Outcome:
        """What was said of it then."""
        before = self._before[model]
        return Outcome(**{**before, "status": "kept", "kinds": tuple(before["kinds"])})

    def add(self, outcome: Outcome) -> None:
        """Note what became of a model."""
        with self._lock:
            self.outcomes[outcome.model] = outcome
            models = [asdict(self.outcomes[name]) for name in sorted(self.outcomes)]
            _write(self._folder / "report.json", json.dumps({"models": models}, indent=1).encode())

    def write_table(self) -> None:
        """The same for people."""
        rows = [
            f"| {o.model} | {o.status} | {o.seconds:.1f} | {', '.join(o.kinds)} "
            f"| {' '.join(o.message.replace('|', '/').split())[:200]} |"
            for o in sorted(self.outcomes.values(), key=lambda o: (o.status, o.model))
        ]
        head = ["# Export", "", self.summary, "", "| model | | s | kinds | what was said |"]
        lines = [*head, "|---|---|---|---|---|", *rows, ""]
        _write(self._folder / "report.md", "\n".join(lines).encode())

    @property
    def summary(self) -> str:
        """One sentence."""
        counted = {s: sum(o.status == s for o in self.outcomes.values()) for s in _STATUSES}
        return ", ".join(f"{count} {status}" for status, count in counted.items() if count) + "."


_STATUSES: Final[tuple[Status, ...]] = ("exported", "kept", "failed", "unusable")


@dataclass(frozen=True, slots=True)
class Exporter:
    """How models are exported: by which compiler, into which folder, under which names."""

    omc: Omc
    version: str
    output: Path
    prefix: str
    options: str
    timeout_s: float
    report: Report

    @property
    def made_by(self) -> str:
        """What decides, besides the model, what comes out."""
        return f"{self.version} {self.options}".strip()

    def export(self, model: str, facts: Facts) -> Outcome:
        """Export one model; never raises for what is wrong with it."""
        target = self.output / f"{self.prefix}{model}.fmu"
        if self.report.done_before(model, target, self.made_by):
            outcome = self.report.kept(model)
        else:
            outcome = self._built(model, facts, target)
        self.report.add(outcome)
        return outcome

    def _built(self, model: str, facts: Facts, target: Path) -> Outcome:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="omc-") as name:
            try:
                data = self.omc.build(model, Path(name), self.options, self.timeout_s).read_bytes()
            except (OmcError, OSError) as error:
                return Outcome(model, "failed", _since(started), str(error)[:_MESSAGE])
        try:
            found = inspect(data, Limits())
        except ArchiveError as error:
            told = f"the gateway would refuse it: {error} {error.details or ''}"
            return Outcome(model, "unusable", _since(started), told[:_MESSAGE])
        _write(target.with_suffix(".yaml"), as_yaml(self._card(model, facts)).encode())
        _write(target, data)
        warnings = "; ".join((*found.warnings, *found.missing_libraries))[:_MESSAGE]
        kinds, sha256 = found.description.kinds, _sha256(data)
        return Outcome(model, "exported", _since(started), warnings, kinds, sha256, self.made_by)

    def _card(self, model: str, facts: Facts) -> OperatorCard:
        *packages, last = model.split(".")
        tags = [part for part in packages if part not in {"Modelica", "Examples"}]
        return OperatorCard(
            description=facts.comment.strip() or last,
            tags=tuple(tags),
            literature=(f"Modelica class {model}",),
            notes=f"Exported with {self.version}",
        )


def main(arguments: list[str] | None = None) -> int:
    """Export and report: 0 if every model is there, 1 if some aren't, 2 if nothing was begun."""
    asked = _asked(arguments)
    try:
        omc = Omc(find_omc(asked.omc), asked.load)
        with tempfile.TemporaryDirectory(prefix="omc-") as work:
            version = omc.version(Path(work))
            models = _selected(omc, asked, Path(work))
    except (OmcMissingError, OmcError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if asked.dry_run:
        for name, facts in models.items():
            print(f"{name}  {facts.comment}".rstrip())
        print(f"{len(models)} models, nothing exported (--dry-run)")
        return 0
    asked.output.mkdir(parents=True, exist_ok=True)
    report = Report(asked.output)
    exporter = Exporter(
        omc, version, asked.output, asked.prefix, asked.options, asked.timeout, report
    )
    _export_all(exporter, models, asked.jobs)
    report.write_table()
    print(f"{report.summary} See {asked.output / 'report.md'}")
    return 0 if all(o.status in {"exported", "kept"} for o in report.outcomes.values()) else 1


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--packages", nargs="+", metavar="NAME", help="all models in these")
    which.add_argument("--models", type=Path, metavar="FILE", help="a model's name on each line")
    parser.add_argument(
        "--only-examples", action="store_true", help="those that say how long to simulate them"
    )
    parser.add_argument("--limit", type=int, help="the first so many")
    parser.add_argument("--dry-run", action="store_true", help="list them, export nothing")
    parser.add_argument("--output", type=Path, default=Path("fmus"), help="default: fmus")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    parser.add_argument("--timeout", type=float, default=600, help="of one model [s]")
    parser.add_argument("--prefix", default="", help="ahead of each name, such as om.")
    parser.add_argument(
        "--load", nargs="+", default=["Modelica"], metavar="LIBRARY",
        help="Modelica, Modelica:4.0.0, or a .mo file; default: Modelica",
    )  # fmt: skip
    parser.add_argument("--options", default=OPTIONS, help=f"of omc; default: {OPTIONS}")
    parser.add_argument("--omc", metavar="PATH", help="the compiler; default: omc in PATH")
    asked = parser.parse_args(arguments)
    wrong = [name for name in asked.packages or () if not _NAME.fullmatch(name)]
    if wrong:
        parser.error(f"no name of a package: {wrong[0]}")
    if asked.jobs < 1 or asked.timeout <= 0:
        parser.error("give --jobs >= 1 and --timeout > 0")
    return asked


def _selected(omc: Omc, asked: argparse.Namespace, work: Path) -> dict[str, Facts]:
    """The models to export. Raises OmcError where one that was named isn't there."""
    if asked.models:
        names = list(dict.fromkeys(_listed(asked.models)))
    else:
        found = [omc.classes(package, work, _LOOK_S) for package in asked.packages]
        names = sorted({name for names in found for name in names if _NAME.fullmatch(name)})
    facts = dict(zip(names, omc.facts(names, work, _LOOK_S), strict=True)) if names else {}
    if asked.models:
        lacking = [name for name, one in facts.items() if not one.exists]
        if lacking:
            msg = f"there is no {', '.join(lacking)} in what is loaded"
            raise OmcError(msg)
    wanted = {
        name: one
        for name, one in facts.items()
        if (one.experiment if asked.only_examples else one.simulates or bool(asked.models))
    }
    return dict(list(wanted.items())[: asked.limit])


def _listed(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name = line.partition("#")[0].strip()
        if name and not _NAME.fullmatch(name):
            msg = f"{path}:{number}: no name of a model: {name}"
            raise OmcError(msg)
        if name:
            yield name


def _export_all(exporter: Exporter, models: dict[str, Facts], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(exporter.export, name, facts) for name, facts in models.items()]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                _tell(future.result(), number, len(futures))
        except BaseException:  # Ctrl-C: what was done stays, and the next call goes on from there
            pool.shutdown(wait=False, cancel_futures=True)
            exporter.omc.stop()
            raise


def _tell(outcome: Outcome, number: int, count: int) -> None:
    lines: Sequence[str] = outcome.message.strip().splitlines()
    said = f": {lines[0][:150]}" if lines and outcome.status != "kept" else ""
    print(f"[{number}/{count}] {outcome.status:8} {outcome.model}  {outcome.seconds:.1f} s{said}")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Replace `path` in one step."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
