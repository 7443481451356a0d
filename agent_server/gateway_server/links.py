"""Where clients of a door find results and uploads."""

from __future__ import annotations

from pathlib import Path

from gateway_server.local_files import Folders
from gateway_tools.context import Door
from gateway_tools.exceptions import PathNotReadableError


def http_door(base_url: str, name: str) -> Door:
    """Links of the HTTP server at `base_url`; `name`: which of its protocols it is."""
    return Door(
        name=name,
        result_link=lambda result_id, form: f"{base_url}/results/{result_id}?format={form}",
        upload_link=lambda ticket: f"{base_url}/uploads/{ticket}",
    )


def result_uri(result_id: str, form: str) -> str:
    """The MCP resource that holds a result in some form."""
    return f"result://{result_id}/{form}"


def stdio_door(allowed: tuple[Path, ...], limit_bytes: int) -> Door:
    """Links and files for a client on this machine: results are resources, paths can be read."""
    folders = Folders.of(allowed)
    return Door(
        name="stdio",
        result_link=result_uri,
        readable=lambda path: _read(path, folders, limit_bytes),
    )


def _read(path: str, folders: Folders, limit_bytes: int) -> bytes:
    try:
        return folders.read(path, limit_bytes + 1)  # one more: the archive's check tells the size
    except (OSError, ValueError):
        raise PathNotReadableError(map(str, folders.allowed)) from None
