"""Compiles the native core when the gateway is installed, so that running needs no compiler.

Only the standard library: this also runs where a wheel is built, before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from gateway_simulation import compiler
from gateway_simulation.layout import c_header
from gateway_simulation.native import built_compile_jail, built_library, built_zygote

_LIBRARIES: Final = ("m", "dl")
_HERE: Final = Path(__file__).resolve().parent


def build_core() -> bool:
    """Compile the core and its programs unless they are up to date; whether they were compiled.

    Raises:
        CompilationError: the compiler refuses it.
        NoCompilerError: there is none.

    """
    version = _version()
    built = built_library()
    note = built.with_name("version")
    whole = all(path.is_file() for path in (built, built_zygote(), built_compile_jail()))
    if whole and note.is_file() and note.read_text() == version:
        return False
    with tempfile.TemporaryDirectory(prefix="core-") as name:
        folder = Path(name)
        for source in _sources():
            shutil.copy(source, folder)
        (folder / "layout.h").write_text(f'#define CORE_VERSION "{version}"\n{c_header()}')
        units = [source.name for source in _sources() if source.suffix == ".c"]
        found = compiler.find_compiler()
        parts = [unit for unit in units if unit not in {"zygote.c", "compile_jail.c"}]
        compiler.compile_library(found, folder, parts, built.name, _LIBRARIES)
        zygote, jail = built_zygote(), built_compile_jail()
        compiler.compile_program(found, folder, [*parts, "zygote.c"], zygote.name, _LIBRARIES)
        compiler.compile_program(found, folder, ["compile_jail.c", "jail.c"], jail.name)
        built.parent.mkdir(exist_ok=True)
        for path in (built, zygote, jail):
            _replace(folder / path.name, path)
    note.write_text(version)
    return True


def _sources() -> list[Path]:
    return sorted(path for path in _HERE.iterdir() if path.suffix in {".c", ".h"})


def _version() -> str:
    """Twelve digits that stand for all that decides what the core computes."""
    target = compiler.this_machine()
    parts = [source.name.encode() + source.read_bytes() for source in _sources()]
    text = b"\0".join([*parts, c_header().encode(), repr((compiler.FLAGS, target)).encode()])
    return hashlib.sha256(text).hexdigest()[:12]


def _replace(made: Path, target: Path) -> None:
    """In one go: a process may be running the old one."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".")
    os.close(descriptor)
    shutil.copy(made, temporary)
    Path(temporary).chmod(0o755)
    Path(temporary).replace(target)
