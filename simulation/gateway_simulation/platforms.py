"""Names of platforms: FMI 2.0 and 3.0 spell them differently, we speak the shorter ones."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from typing import Final

_FMI3: Final = {
    "x86-linux": "linux32",
    "x86_64-linux": "linux64",
    "x86-windows": "win32",
    "x86_64-windows": "win64",
    "x86_64-darwin": "darwin64",
}
"""FMI 3.0 §2.5.1.4.1; what has no FMI 2.0 name (aarch64-linux) keeps this one."""

_KNOWN: Final = frozenset(
    {"darwin64", "linux32", "linux64", "win32", "win64"}
    | {
        f"{machine}-{system}"
        for machine in ("aarch32", "aarch64", "ppc32", "ppc64", "riscv32", "riscv64")
        for system in ("darwin", "linux", "windows")
    }
)
_OTHER: Final = "other"

_MACHINES: Final = {"amd64": "x86_64", "i386": "x86", "i686": "x86", "arm64": "aarch64"}
_SYSTEMS: Final = {"win32": "windows"}


def host() -> str:
    """The platform of this machine, such as `linux64`."""
    machine = platform.machine().lower()
    system = _SYSTEMS.get(sys.platform, sys.platform)
    return normalised(f"{_MACHINES.get(machine, machine)}-{system}")


def normalised(folder: str) -> str:
    """The short name of a folder under `binaries/`."""
    return _FMI3.get(folder, folder)


def folder_names(platform_name: str) -> tuple[str, ...]:
    """How `binaries/` may call `platform_name`."""
    return (*(long for long, short in _FMI3.items() if short == platform_name), platform_name)


def of_entries(names: Iterable[str]) -> tuple[str, ...]:
    """Platforms for which an archive with these entry names has any binary, sorted.

    Folders that FMI doesn't know are `other`: their names are the archive's own words.
    """
    found = set()
    for name in names:
        parts = name.split("/")
        if len(parts) > 2 and parts[0] == "binaries" and parts[2]:  # noqa: PLR2004 - folder, file
            named = normalised(parts[1])
            found.add(named if named in _KNOWN else _OTHER)
    return tuple(sorted(found))
