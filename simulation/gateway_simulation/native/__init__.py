"""The native core: where it is, whether it can be used here, and what it is made of.

`core.c` and its neighbours run an order; `zygote.c` is the program that forks a child for each. As
a shared library the core tells its version, and whether this machine can load what was built here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_FAILURES: Final = (OSError, AttributeError)
_SUFFIXES: Final = {"darwin": ".dylib", "win32": ".dll"}


def built_library() -> Path:
    """Where an installation keeps the core."""
    built = Path(__file__).resolve().parent / "built"
    return built / f"core{_SUFFIXES.get(sys.platform, '.so')}"


def built_zygote() -> Path:
    """Where an installation keeps the program that runs orders by the core."""
    return built_library().with_name("zygote")


def built_compile_jail() -> Path:
    """Where it keeps the program that confines compilers."""
    return built_library().with_name("compile_jail")


@cache
def problem() -> str | None:
    """Why the native core can't run models here; None where it can."""
    path = built_library()
    if not (path.is_file() and built_zygote().is_file()):
        return "it was not built when the gateway was installed"
    try:
        library()
    except _FAILURES as error:
        return str(error).replace(str(path), path.name)[:300]
    return None


@cache
def library() -> ctypes.CDLL:
    """The core, loaded. Raises OSError or AttributeError where it can't be."""
    core = ctypes.CDLL(str(built_library()))
    core.core_run.argtypes, core.core_run.restype = [ctypes.c_void_p, ctypes.c_void_p], None
    core.core_version.argtypes, core.core_version.restype = [], ctypes.c_char_p
    core.core_load_sundials.argtypes = [ctypes.c_char_p]
    core.core_load_sundials.restype = ctypes.c_char_p
    core.jail_prepare.argtypes = [ctypes.c_int, ctypes.c_char_p]
    core.jail_prepare.restype = ctypes.c_char_p
    core.jail_life.argtypes = []
    core.jail_enter.argtypes, core.jail_enter.restype = [ctypes.c_char_p] * 2, ctypes.c_bool
    core.jail_confine.argtypes, core.jail_confine.restype = [ctypes.c_char_p], ctypes.c_bool
    core.jail_attack.argtypes, core.jail_attack.restype = [ctypes.c_char_p], ctypes.c_char_p
    return core


@cache
def core_version() -> str:
    """Names the core's sources and how they were compiled, such as `5e1f0c2a9b34`."""
    return bytes(library().core_version()).decode()


@cache
def libc_version() -> str:
    """The C library, whose `libm` computes the models' functions, such as `glibc 2.36`."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "unknown"


@cache
def sundials_version() -> str | None:
    """Such as `7.4.0`; None where there is none for this machine."""
    folder = sundials_folder()
    if folder is None:
        return None
    text = ctypes.create_string_buffer(32)
    try:
        failed = ctypes.CDLL(str(folder / "sundials_core.so")).SUNDIALSGetVersion(text, len(text))
    except _FAILURES:
        return None
    return None if failed else text.value.decode("ascii", "replace")


@cache
def sundials_folder() -> Path | None:
    """SUNDIALS for this machine in FMPy's package, looked up without importing it."""
    spec = find_spec("fmpy")
    if spec is None or spec.origin is None:
        return None
    machine = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
    folder = Path(spec.origin).parent / "sundials" / f"{machine}-{sys.platform}"
    return folder if any(folder.glob("sundials_cvode*")) else None
