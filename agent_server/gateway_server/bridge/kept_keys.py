"""The key that this user's programs keep for a gateway: the same files as the Python SDK's.

The SDK is a distribution of its own that the server doesn't need, so its few lines stand here
again; a test holds both to the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def kept_at(url: str, environ: Mapping[str, str]) -> Path:
    """The file of the key for the gateway at `url`."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "_", url.partition("://")[2] or url)[:60]
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return user_folder(environ) / "keys" / f"{readable}-{digest}.json"


def read_key(path: Path) -> str | None:
    """The key in that file; None where there is no file."""
    with suppress(FileNotFoundError):
        return str(json.loads(path.read_text(encoding="utf-8"))["key"])
    return None


def keep_key(path: Path, url: str, key: str) -> str:
    """Keep `key`, for this user only; where another program was faster, its key is returned."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key") as fresh:  # mode 0600
        fresh.write(json.dumps({"gateway": url, "key": key}).encode())
        fresh.flush()
        with suppress(FileExistsError):
            os.link(fresh.name, path)
    return read_key(path) or key


def set_aside(path: Path) -> None:
    """Keep the file under another name, since its gateway no longer knows the key."""
    number = 1
    while (aside := path.with_suffix(f".{number}.json")).exists():
        number += 1
    with suppress(FileNotFoundError):
        path.rename(aside)


def user_folder(environ: Mapping[str, str]) -> Path:
    """Where programs of this user keep what they keep for FMU Gateway."""
    if sys.platform == "win32" and "APPDATA" in environ:
        return Path(environ["APPDATA"]) / "fmu-gateway"
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "fmu-gateway"
