"""Where clients of a door find results and uploads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway_tools.context import Door
from gateway_tools.exceptions import PathNotReadableError


def http_door(base_url: str) -> Door:
    """Links of the HTTP server at `base_url`."""
    return Door(
        result_link=lambda result_id, form: f"{base_url}/results/{result_id}?format={form}",
        upload_link=lambda ticket: f"{base_url}/uploads/{ticket}",
    )


def result_uri(result_id: str, form: str) -> str:
    """The MCP resource that holds a result in some form."""
    return f"result://{result_id}/{form}"


def stdio_door(allowed: tuple[Path, ...], limit_bytes: int) -> Door:
    """Links and files for a client on this machine: results are resources, paths can be read."""
    folders = tuple(folder.resolve() for folder in allowed)
    return Door(
        result_link=result_uri,
        readable=lambda path: _read(path, folders, limit_bytes),
    )


def _read(path: str, folders: tuple[Path, ...], limit_bytes: int) -> bytes:
    """The file, if it lies in one of the folders after all links are followed.

    Raises:
        PathNotReadableError: it doesn't, or can't be read.

    """
    try:
        real = (folders[0] / path).resolve(strict=True)
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            opened = Path(f"/proc/self/fd/{descriptor}").resolve()  # what it is by now
            inside = any(opened.is_relative_to(folder) for folder in folders)
            if not inside or not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PathNotReadableError
            return file.read(limit_bytes + 1)  # one more: the archive's check tells the size
    except (OSError, ValueError):
        raise PathNotReadableError from None
