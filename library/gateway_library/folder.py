"""What lies in the operators' folder, told by a glance: names, sizes, times; no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".fmu"
_QUIET_S: Final = 2.0
_DEEPEST: Final = 8  # folders within folders


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file is still the one that was read."""

    modified_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class Place:
    """One FMU and its card, as they lie there. `card`: the card's file name, if there is one."""

    fmu: Stamp
    card: str | None = None
    card_stamp: Stamp | None = None

    def is_quiet(self, now: float) -> bool:
        """Whether nobody has written to either for a while; `now` in seconds of the epoch."""
        stamps = (self.fmu, self.card_stamp)
        return all(now - s.modified_ns / 1e9 > _QUIET_S for s in stamps if s is not None)


@dataclass(frozen=True, slots=True)
class Glance:
    """The FMUs under a folder by relative name, and the cards that lie there without an FMU."""

    places: dict[str, Place]
    lonely_cards: tuple[str, ...]


def look(folder: Path) -> Glance:
    """What lies under `folder`, in it and in its subfolders; hidden files and folders are not seen.

    Raises:
        OSError: the folder can't be read.

    """
    files = dict(_files(folder, "", _DEEPEST))
    fmus = {name for name in files if name.endswith(_SUFFIX)}
    places = {name: _place(name, files) for name in sorted(fmus)}
    used = {place.card for place in places.values()}
    cards = sorted(name for name in files.keys() - fmus if name.endswith((".yaml", ".yml")))
    return Glance(places, tuple(name for name in cards if name not in used))


def stamp_of(path: Path) -> Stamp:
    """The file's stamp at this moment. Raises OSError."""
    return _stamp(path.stat())


def _place(name: str, files: dict[str, Stamp]) -> Place:
    stem = name.removesuffix(_SUFFIX)
    for card in (f"{stem}.yaml", f"{stem}.yml"):  # as `card_places`, many times a minute
        if card in files:
            return Place(files[name], card, files[card])
    return Place(files[name])


def _files(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)
            elif entry.name.endswith((_SUFFIX, ".yaml", ".yml")):
                try:
                    yield f"{prefix}{entry.name}", _stamp(entry.stat())
                except OSError:  # gone meanwhile, or a link that leads nowhere
                    continue


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
