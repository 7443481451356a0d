"""Which shared libraries a Linux binary asks for (System V ABI, chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from platform import machine
from typing import Final

from gateway_simulation.foreign import readable

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_MACHINES: Final = {"linux64": 62, "aarch64-linux": 183}
_CACHE: Final = Path("/etc/ld.so.cache")
_FOLDERS: Final = tuple(
    Path(folder)
    for folder in (
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        f"/lib/{machine()}-linux-gnu",
        f"/usr/lib/{machine()}-linux-gnu",
    )
)
_MOST: Final = 1000
_LINE: Final = 100
_SHT_DYNSYM: Final = 11
_GLOBAL: Final = (1, 2)  # global, weak
_MOST_SYMBOLS: Final = 100_000


def needed(binary: bytes, platform: str) -> tuple[str, ...]:
    """Libraries that `binary` names as needed.

    Raises ValueError if it is no 64-bit little-endian shared library for `platform`, or is damaged.
    """
    try:
        return _needed(binary, platform)
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        msg = "a damaged ELF file"
        raise ValueError(msg) from error


def exported(binary: bytes) -> frozenset[str]:
    """Names that `binary`, as a linker leaves it, offers to others; none where it is damaged."""
    try:
        return frozenset(_exported(binary))
    except (struct.error, UnicodeDecodeError, ValueError):
        return frozenset()


def missing(libraries: tuple[str, ...], shipped: frozenset[str]) -> tuple[str, ...]:
    """Those of `libraries` that neither this system nor the model's own folder has, as text.

    One that is named by a path is only looked for in the model's folder: a stranger's path says
    nothing here, nor may it ask which files this machine has.
    """
    cache = _CACHE.read_bytes() if _CACHE.is_file() else b""
    return tuple(
        readable(name, _LINE)
        for name in libraries
        if name.rpartition("/")[2] not in shipped
        and ("/" in name or not _on_this_system(name, cache))
    )


def _on_this_system(name: str, cache: bytes) -> bool:
    return name.encode() + b"\0" in cache or any((folder / name).exists() for folder in _FOLDERS)


def _needed(binary: bytes, platform: str) -> tuple[str, ...]:
    if binary[:6] != b"\x7fELF\x02\x01":
        msg = "no 64-bit ELF file"
        raise ValueError(msg)
    kind, cpu = struct.unpack_from("<HH", binary, 16)
    if kind != 3 or cpu != _MACHINES.get(platform, cpu):  # noqa: PLR2004 - ET_DYN
        msg = f"no shared library for {platform}"
        raise ValueError(msg)
    (table,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    segments = [struct.unpack_from("<IIQQQQ", binary, table + i * size) for i in range(count)]
    loads = [(s[3], s[2], s[5]) for s in segments if s[0] == _PT_LOAD]
    dynamic = next((s for s in segments if s[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return ()
    entries = []
    for i in range(min(dynamic[5] // 16, 10 * _MOST)):
        tag, value = struct.unpack_from("<QQ", binary, dynamic[2] + 16 * i)
        if tag == _DT_NULL:
            break
        entries.append((tag, value))
    strings = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if strings is None:
        return ()
    start = _file_offset(strings, loads)
    offsets = [value for tag, value in entries if tag == _DT_NEEDED][:_MOST]
    return tuple(_string(binary, start + offset) for offset in offsets)


def _exported(binary: bytes) -> Iterator[str]:
    (table,) = struct.unpack_from("<Q", binary, 40)
    size, count = struct.unpack_from("<HH", binary, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", binary, table + i * size) for i in range(count)]
    for section in sections:
        if section[1] != _SHT_DYNSYM:
            continue
        strings = sections[section[6]][4] if section[6] < count else len(binary)
        for place in range(section[4], section[4] + min(section[5], 24 * _MOST_SYMBOLS), 24):
            name, info, _, home = struct.unpack_from("<IBBH", binary, place)
            if home and info >> 4 in _GLOBAL:
                yield _string(binary, strings + name)


def _file_offset(address: int, loads: list[tuple[int, int, int]]) -> int:
    for virtual, offset, size in loads:
        if virtual <= address < virtual + size:
            return offset + address - virtual
    msg = "an address outside the file"
    raise ValueError(msg)


def _string(binary: bytes, start: int) -> str:
    end = binary.find(b"\0", start, start + 256)
    if end < 0:
        msg = "an endless name"
        raise ValueError(msg)
    return binary[start:end].decode()
