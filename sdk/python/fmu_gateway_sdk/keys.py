"""API keys, made once and kept for this user only: one file for each gateway."""

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


def user_folder(environ: Mapping[str, str]) -> Path:
    """Where programs of this user keep their settings for FMU Gateway."""
    if sys.platform == "win32" and "APPDATA" in environ:
        return Path(environ["APPDATA"]) / "fmu-gateway"
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "fmu-gateway"


class KeyStore:
    """Keys by name (usually a gateway's URL), each in a file that only its owner can read."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or user_folder(os.environ) / "keys"

    def find(self, name: str) -> str | None:
        """The key kept under this name."""
        try:
            kept = json.loads(self.path(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return str(kept["key"])

    def keep(self, name: str, key: str) -> str:
        """Keep `key`; where another process was faster, its key counts and is returned."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key") as fresh:  # mode 0600
            fresh.write(json.dumps({"gateway": name, "key": key}).encode())
            fresh.flush()
            with suppress(FileExistsError):
                os.link(fresh.name, path)
        return self.find(name) or key

    def set_aside(self, name: str) -> Path:
        """Keep the file under another name, since its gateway no longer knows the key."""
        path = self.path(name)
        number = 1
        while (aside := path.with_suffix(f".{number}.json")).exists():
            number += 1
        with suppress(FileNotFoundError):
            path.rename(aside)
        return aside

    def path(self, name: str) -> Path:
        """The file for this name: readable, and never two names in one file."""
        readable = re.sub(r"[^A-Za-z0-9.]+", "_", name.partition("://")[2] or name)[:60]
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self._folder / f"{readable}-{digest}.json"
