"""The machine's compiler, as the compile jail shows it: its program, its files, its version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway_simulation.compiler import NoCompilerError, find_compiler

# What every process of a jail sees anyway: `jail.c`.
_SYSTEM: Final = tuple(map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")))
_HEADERS: Final = ("/usr/include", "/usr/local/include")
_PARTS: Final = ("as", "ld", "cc1", "cc1plus", "collect2")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_TIMEOUT_S: Final = 20
_VERSION: Final = 100


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A C compiler. `tools` are all of its files and folders that the system's don't hold.

    The first of `command` is the program, by the path that isn't a link.
    """

    command: tuple[str, ...]
    tools: tuple[str, ...]
    version: str


@cache
def toolchain() -> Toolchain | None:
    """The compiler for source FMUs, asked once what it is made of; None where there is none."""
    try:
        command = find_compiler()
    except NoCompilerError:
        return None
    return _zig() if command[0] == sys.executable else _system(command)


@cache
def fmi_headers() -> Path | None:
    """FMI's official headers, which most archives leave out; FMPy's package has them."""
    spec = find_spec("fmpy")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "c-code"
    return folder if folder.is_dir() else None


def _zig() -> Toolchain | None:
    spec = find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).resolve().parent
    program = str(folder / "zig")
    version = f"zig {_ask((program, 'version')).strip()}"
    return Toolchain((program, "cc"), (program, str(folder / "lib")), version[:_VERSION])


def _system(command: tuple[str, ...]) -> Toolchain | None:
    program = shutil.which(command[0])
    if program is None:
        return None
    command = (os.path.realpath(program), *command[1:])
    tools = [*_root(command), Path(command[0]), *map(Path, _HEADERS)]
    for part in _PARTS:
        place = _ask((*command, f"-print-prog-name={part}")).strip()
        place = place if Path(place).is_absolute() else shutil.which(part, path=_PATH) or ""
        tools += _chain(Path(place)) if place else ()
    include = Path(_ask((*command, "-print-file-name=include")).strip())
    places = _needed([*tools, *([include] if include.is_absolute() else [])])
    version = _ask((*command, "--version")).partition("\n")[0].strip()[:_VERSION]
    return Toolchain(command, tuple(map(str, places)), version or Path(command[0]).name)


def _root(command: tuple[str, ...]) -> Iterator[Path]:
    """The folder that stands for `/` while this compiler works, where CC gives it one."""
    told = _ask((*command, "-print-sysroot")).strip()
    if Path(told).is_absolute() and Path(told) != Path("/"):
        yield Path(told)


def _ask(command: tuple[str, ...]) -> str:
    """What the compiler says of itself; nothing where it can't."""
    try:
        done = subprocess.run(  # noqa: S603 - the machine's own compiler, and no sources
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env={"PATH": _PATH, "LANG": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _chain(path: Path) -> Iterator[Path]:
    """A link, what it leads to, and so on to the file."""
    while path.is_symlink():
        yield path
        path = Path(os.path.normpath(path.parent / path.readlink()))
    yield path


def _needed(places: list[Path]) -> Iterator[Path]:
    """Those that are there and lie in no folder that is shown already."""
    shown: list[Path] = list(_SYSTEM)
    for place in dict.fromkeys(Path(os.path.normpath(place)) for place in places):
        if place.exists() and not any(place.is_relative_to(folder) for folder in shown):
            shown.append(place)
            yield place
