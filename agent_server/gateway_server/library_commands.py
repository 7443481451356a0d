"""`fmu-gateway library list | verify | add`: what operators do with models of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway_library.catalogue import PREFIX
from gateway_library.folder import look
from gateway_library.operator_card import card_beside, card_places
from gateway_library.operators import OperatorLibrary
from gateway_library.shelf import Offered
from gateway_server.compose import catalogue, operators_of, simulator_of
from gateway_server.settings import Settings, SettingsError
from gateway_simulation.exceptions import SandboxUnavailableError
from gateway_simulation.runner import Simulator


class LibraryCommandError(Exception):
    """Why a command did nothing: `lines` say it."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line about one file."""

    word: Literal["ok", "WARN", "FAIL"]
    file: str
    told: str

    @property
    def line(self) -> str:
        """As it is printed."""
        return f"{self.word:4} {self.file}: {self.told}"


def listed(settings: Settings) -> Iterator[str]:
    """Each model: id, what it is, what it was verified against, and the operator's file."""
    with _simulating(settings) as simulator:
        library = catalogue(settings, simulator)
        files = {PREFIX + o.name: o.file for o in _offered(library.operators)}
        for card in library.cards:
            file = f"  ({files[card.id]})" if card.id in files else ""
            against = card.verified_against or "not verified"
            yield f"{card.id:28} {card.description}  [{against}]{file}"


def verified(settings: Settings, path: Path | None) -> list[Verdict]:
    """What is to be said of each file: of LIBRARY_PATH, or of another file or folder.

    Raises:
        LibraryCommandError: there is nothing of that name, or nothing can be run here.

    """
    if path is None and settings.library_path is None:
        raise SettingsError(["LIBRARY_PATH: not set; name a file or a folder to verify"])
    if path is not None and not path.exists():
        raise LibraryCommandError([f"{path}: there is no such file or folder"])
    with _simulating(settings) as simulator:
        library = catalogue(settings, simulator)
        if path is None:
            assert library.operators is not None
            return _verdicts(library.operators)
        with _elsewhere(settings, path, simulator, library.own_names) as operators:
            return _verdicts(operators)


def add(settings: Settings, file: Path, card: Path | None, *, replace: bool) -> list[Verdict]:
    """Check an FMU and its card, and put copies into LIBRARY_PATH, each in one step.

    Raises:
        LibraryCommandError: it would not be served; nothing was copied.

    """
    target = _target(settings, file, replace=replace)
    card = card or card_beside(file)
    with _simulating(settings) as simulator:
        library = catalogue(settings, simulator)
        others = {o.name for o in _offered(library.operators) if o.file != target.name}
        with (
            _gathered(file, card) as folder,
            _elsewhere(settings, folder, simulator, library.own_names | others) as operators,
        ):
            verdicts = _verdicts(operators)
    if any(verdict.word == "FAIL" for verdict in verdicts):
        raise LibraryCommandError([verdict.line for verdict in verdicts])
    if card is not None:
        _copy(card, card_places(target)[0])
    _copy(file, target)
    return verdicts


@contextmanager
def _simulating(settings: Settings) -> Iterator[Simulator]:
    with closing(simulator_of(settings)) as simulator:
        try:
            simulator.start()
        except SandboxUnavailableError as error:
            raise LibraryCommandError([f"no model can be tried here: {error}"]) from error
        yield simulator


@contextmanager
def _elsewhere(
    settings: Settings, path: Path, simulator: Simulator, taken: frozenset[str]
) -> Iterator[OperatorLibrary]:
    """The models of a folder, or one with its card, that is not LIBRARY_PATH."""
    with tempfile.TemporaryDirectory(prefix="fmu-gateway-") as cache:
        if path.is_dir():
            yield operators_of(settings, (path, Path(cache)), simulator, taken)
            return
        with _gathered(path, card_beside(path)) as folder:
            yield operators_of(settings, (folder, Path(cache)), simulator, taken)


@contextmanager
def _gathered(file: Path, card: Path | None) -> Iterator[Path]:
    """A folder that seems to hold these two and nothing else, side by side."""
    with tempfile.TemporaryDirectory(prefix="fmu-gateway-") as name:
        here = Path(name) / file.name
        here.symlink_to(file.resolve())
        if card is not None:
            card_places(here)[0].symlink_to(card.resolve())
        yield Path(name)


def _offered(operators: OperatorLibrary | None) -> tuple[Offered, ...]:
    """What the folder offers, all of it examined now."""
    if operators is None:
        return ()
    while operators.refresh(patient=False).more:
        pass
    return operators.shelf.offered


def _verdicts(operators: OperatorLibrary) -> list[Verdict]:
    offered = _offered(operators)
    found = [Verdict("ok", o.file, f"served as {PREFIX}{o.name}") for o in offered]
    found += [Verdict("WARN", o.file, warning) for o in offered for warning in o.examined.warnings]
    for trouble in operators.shelf.troubles:
        word: Literal["WARN", "FAIL"] = "WARN" if trouble.served else "FAIL"
        found += [Verdict(word, trouble.file, problem) for problem in trouble.problems]
    told = {verdict.file for verdict in found}
    untold = look(operators.folder).places.keys() - told
    found += [Verdict("FAIL", file, "can't be tried now: verify it again") for file in untold]
    return sorted(found, key=lambda verdict: verdict.file)


def _target(settings: Settings, file: Path, *, replace: bool) -> Path:
    if settings.library_path is None:
        raise SettingsError(["LIBRARY_PATH: not set; it names the folder that models are added to"])
    if not file.is_file() or file.suffix != ".fmu":
        raise LibraryCommandError([f"{file}: there is no FMU (a file named *.fmu) there"])
    target = Path(settings.library_path) / file.name
    if target.exists() and not replace:
        raise LibraryCommandError([f"{target}: is there already; --replace puts this one there"])
    return target


def _copy(source: Path, target: Path) -> None:
    """A copy that appears under its name only when it is whole and on the disk."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".adding-")
    try:
        with os.fdopen(descriptor, "wb") as file, source.open("rb") as original:
            shutil.copyfileobj(original, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
