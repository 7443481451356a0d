"""How long a start takes with many FMUs in LIBRARY_PATH, and a search through many models.

    uv run python benchmarks/library.py [--fmus 500] [--models 10000]

Times are of the processor, which other work on the machine disturbs less, but for the first look,
where most of the work is done by other processes.

first look   every FMU is new: checked, extracted, tried in the sandbox. A gateway that is serving
             does that beside its calls, one FMU after the other; nobody waits for it.
start        a process that knows the folder: what a gateway's start pays for LIBRARY_PATH
one look     at the folder while nothing changes, every other second
new file     from the moment that a file lies there until a search finds it, in rounds of work
search       one query through the models and an account's own uploads, in a warm process

The FMUs are those of the library under other names, each with bytes of its own; the models are
made up out of the library's cards and engineering words.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from measurement import Call, percentiles, seconds
from search_cases import CASES

from gateway_library.build import built_folder
from gateway_library.catalogue import Catalogue
from gateway_library.domains import vocabulary
from gateway_library.entries import Entry, library_entry
from gateway_library.examination import Examiner
from gateway_library.extraction import ExtractionCache
from gateway_library.index import Index
from gateway_library.operators import OperatorLibrary
from gateway_library.search import search
from gateway_simulation.archive import Limits
from gateway_simulation.runner import Simulator

_ROUNDS: Final = 5
_UPLOADS: Final = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fmus", type=int, default=500)
    parser.add_argument("--models", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _starts(Path(name), asked.fmus)
    _searches(asked.models)


def _starts(work: Path, fmus: int) -> None:
    folder = work / "fmus"
    folder.mkdir()
    for number in range(fmus):
        _write(folder, number)
    simulator = Simulator(timeout_s=20, memory_mb=512)
    try:
        operators = _opened(work, folder, simulator)
        _tell(f"first look at {fmus} FMUs", seconds(lambda: _learn(operators)), "s")
        assert len(operators.shelf.offered) == fmus, operators.shelf.troubles[:3]
        starts = [_busy(lambda: _served(work, folder, simulator)) for _ in range(_ROUNDS)]
        _tell("start, the folder known", max(starts), "s, the slowest of 5")
        _tell("one look", percentiles([_busy(operators.refresh) for _ in range(20)])[0], "ms")
        _write(folder, fmus)
        _tell("new file", _busy(lambda: operators.refresh(patient=False)) * 1000, "ms of work")
        assert len(operators.shelf.offered) == fmus + 1
    finally:
        simulator.close()


def _write(folder: Path, number: int) -> None:
    """One of the library's FMUs with a file more."""
    models = sorted(built_folder().glob("*.fmu"))
    source = models[number % len(models)]
    stem, _, version = source.stem.partition("@")
    target = folder / f"{stem}{number:05}{'@' if version else ''}{version}.fmu"
    shutil.copy(source, target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("resources/number.txt", str(number))


def _opened(work: Path, folder: Path, simulator: Simulator) -> OperatorLibrary:
    cache = ExtractionCache(work / "cache", Limits())
    examiner = Examiner(cache, Limits(), simulator)
    return OperatorLibrary(folder, work / "operators.json", cache, examiner)


def _learn(operators: OperatorLibrary) -> None:
    while operators.refresh(patient=False).more:
        pass


def _served(work: Path, folder: Path, simulator: Simulator) -> None:
    """All that a start does until a search is answered."""
    built = Catalogue.load(built_folder(), work / "cache")
    cards = built.with_operators(_opened(work, folder, simulator)).cards
    assert search((Index(map(library_entry, cards)),), "ball")


def _searches(models: int) -> None:
    entries = _made_up(models + _UPLOADS)
    indexes: list[Index] = []
    _tell(f"index of {models} models", _busy(lambda: indexes.append(Index(entries[:models]))), "s")
    (library,) = indexes
    uploads = Index([replace(entry, source="upload") for entry in entries[models:]])
    queries = [*CASES, "", "pmup", "temprature controler", "x" * 1000, "flow " * 200]
    for query in queries:
        search((library, uploads), query)
    times = [
        _busy(lambda query=query: search((library, uploads), query)[:10])  # type: ignore[misc]
        for _ in range(_ROUNDS)
        for query in queries
    ]
    median, slow = percentiles(times)
    _tell("search, p50", median, "ms")
    _tell("search, p95", slow, "ms")
    _tell("search, slowest", max(times) * 1000, "ms")


def _made_up(count: int) -> list[Entry]:
    """Models that nobody built, of which each has 30 words of its own choice."""
    dice = random.Random(1)  # noqa: S311  the same each time
    cards = Catalogue.load(built_folder(), Path()).cards
    words = _words()
    return [
        _varied(library_entry(card), number, dice, words)
        for number, card in zip(range(count), itertools.cycle(cards), strict=False)
    ]


def _varied(entry: Entry, number: int, dice: random.Random, words: Sequence[str]) -> Entry:
    name = "".join(word.title() for word in (words[number % len(words)], *dice.sample(words, 2)))
    return replace(
        entry,
        id=f"msl:{name}",
        model_name=name,
        description=" ".join(dice.sample(words, 10)),
        tags=tuple(dice.sample(words, 6)),
        variables=tuple(f"{dice.choice(words)}{dice.randrange(300)}.x" for _ in range(12)),
    )


def _words() -> list[str]:
    said = vocabulary()["synonyms"]
    text = " ".join([*said, *(phrase for phrases in said.values() for phrase in phrases)])
    return sorted({word for word in text.split() if len(word) > 2})  # noqa: PLR2004


def _busy(call: Call) -> float:
    """Processor time of this process [s]."""
    started = time.process_time()
    call()
    return time.process_time() - started


def _tell(what: str, value: float, unit: str) -> None:
    print(f"{what:28} {value:8.2f} {unit}")


if __name__ == "__main__":
    main()
