"""C to a shared library, with whatever compiler the machine has.

Only the standard library: this also runs where a wheel is built, before anything is installed.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

# Strict IEEE arithmetic: a fused or reordered operation would make numbers depend on the machine.
FLAGS: Final = (
    "-std=c11",
    "-O2",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
_POSITION_INDEPENDENT: Final = {"linux": ("-fPIC",), "darwin": ("-fPIC",), "win": ()}
LINKING: Final = {
    "linux": ("-fPIC", "-shared", "-Wl,--build-id=none", "-Wl,-z,defs", "-Wl,-s"),
    "darwin": ("-fPIC", "-dynamiclib"),
    "win": ("-shared",),
}
_TIMEOUT_S: Final = 300  # zig's first run builds a C library of its own


class NoCompilerError(RuntimeError):
    """The machine has no C compiler and no `ziglang` package."""


class CompilationError(RuntimeError):
    """The compiler refused the sources. The message holds what it said."""


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that FMUs are built for: the one that builds them."""

    system: str  # "linux", "darwin" or "win"
    architecture: str  # "x86_64", "aarch64", ...
    bits: int

    @property
    def suffix(self) -> str:
        """The file extension of a shared library."""
        return {"linux": ".so", "darwin": ".dylib", "win": ".dll"}[self.system]

    def folders(self, version: Literal["2.0", "3.0"]) -> tuple[str, ...]:
        """The folders below `binaries/` (FMI 2.0.4, section 2.3; FMI 3.0.2, section 2.5.1.4).

        FMI 2.0 has no names for machines other than x86: importers look under either of two.
        """
        system = "windows" if self.system == "win" else self.system
        named = f"{self.architecture}-{system}"
        if version == "3.0":
            return (named,)
        short = f"{self.system}{self.bits}"
        return (short,) if self.architecture.startswith("x86") else (short, named)


def this_machine() -> Target:
    """The target that this interpreter runs on."""
    system = "win" if sys.platform == "win32" else sys.platform
    machine = platform.machine().lower()
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    return Target(system, architecture, 64 if sys.maxsize > 2**32 else 32)


def system_compiler() -> tuple[str, ...] | None:
    """The command of a C compiler on this machine: `$CC`, then the usual names; None if none."""
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return tuple(words)
    return None


def find_compiler() -> tuple[str, ...]:
    """A C compiler's command: the machine's own, else the `ziglang` package.

    Raises:
        NoCompilerError: neither is there.

    """
    found = system_compiler()
    if found is not None:
        return found
    if find_spec("ziglang") is not None:
        return (sys.executable, "-m", "ziglang", "cc")
    message = "no C compiler found: install one, name it in CC, or `pip install ziglang`"
    raise NoCompilerError(message)


def compile_library(
    compiler: Iterable[str],
    folder: Path,
    sources: Iterable[str],
    result: str,
    libraries: Iterable[str] = ("m",),
) -> None:
    """Compile `sources` in `folder` into the shared library `result`, linked with `libraries`.

    File names are relative to `folder`, so that no path of this machine gets into the result.

    Raises:
        CompilationError: the compiler failed or took too long.

    """
    linking = LINKING[this_machine().system]
    _compile([*compiler, *FLAGS, *linking, *sources, "-o", result], folder, libraries)


def compile_object(compiler: Iterable[str], folder: Path, source: str, result: str) -> None:
    """Compile one of a library's sources into the object `result`, to be named as one of them.

    Raises:
        CompilationError: the compiler failed or took too long.

    """
    flags = _POSITION_INDEPENDENT[this_machine().system]
    _compile([*compiler, *FLAGS, *flags, "-c", source, "-o", result], folder, ())


def compile_program(
    compiler: Iterable[str],
    folder: Path,
    sources: Iterable[str],
    result: str,
    libraries: Iterable[str] = ("m",),
) -> None:
    """The same, for a program."""
    _compile([*compiler, *FLAGS, *sources, "-o", result], folder, libraries)


_ENVIRONMENT: Final = (
    *("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LOCALAPPDATA", "LD_LIBRARY_PATH"),
    *("CPATH", "LIBRARY_PATH", "INCLUDE", "LIB", "SDKROOT", "DEVELOPER_DIR"),
    *("XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"),
)
"""What a compiler may see of the environment: no secret of the gateway's."""


def _compile(command: list[str], folder: Path, libraries: Iterable[str]) -> None:
    if this_machine().system != "win":
        command += [f"-l{library}" for library in libraries]
    try:
        done = subprocess.run(  # noqa: S603  the machine's own compiler
            command,
            cwd=folder,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilationError(str(error)) from error
    if done.returncode != 0:
        message = f"{shlex.join(command)}\n{done.stderr}"
        raise CompilationError(message)
