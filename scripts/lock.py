"""Pin the whole dependency tree, without naming any package host.

    python scripts/lock.py             pin what the ranges resolve to, within today's pins
    python scripts/lock.py --upgrade   forget the pins first
    python scripts/lock.py --check     fail if the two files don't agree with each other (CI)

`requirements.txt` (with hashes) is for pip and Docker, `deploy/build-requirements.txt` for building
the image; `constraint-dependencies` in pyproject.toml make `uv run` and `uv sync` take the same
versions.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = ROOT / "pyproject.toml"
REQUIREMENTS: Final = {
    ROOT / "requirements.txt": ("--no-dev",),
    ROOT / "deploy" / "build-requirements.txt": ("--only-group", "image"),
}
_BLOCK: Final = re.compile(r"^constraint-dependencies = \[\n(.*?)^\]\n", re.DOTALL | re.MULTILINE)
_PIN: Final = re.compile(
    r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^\s;\\]+)(?: *; *([^\\\n]+))?", re.MULTILINE
)
_EXPORT: Final = ["uv", "export", "--quiet", "--format", "requirements-txt", "--no-header"]


def main() -> int:
    """Write both files, or compare them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    return check() if asked.check else write(upgrade=asked.upgrade)


def write(*, upgrade: bool) -> int:
    """Resolve, then write the requirements and the constraints."""
    if upgrade:
        PROJECT.write_text(_with_constraints(PROJECT.read_text(), set()))
        (ROOT / "uv.lock").unlink(missing_ok=True)
    everything = _export("--all-groups", "--all-extras", "--no-hashes")
    PROJECT.write_text(_with_constraints(PROJECT.read_text(), _pins(everything)))
    for file, options in REQUIREMENTS.items():
        file.write_text(_export(*options, "--no-annotate"))
    return check()


def check() -> int:
    """Every version that is required is the constraint's, and nothing is left unpinned."""
    block = _BLOCK.search(PROJECT.read_text())
    constraints = _pins(re.sub(r'^ +"|",$', "", block[1], flags=re.MULTILINE)) if block else set()
    known = {pin[:2] for pin in constraints}
    status = 0
    for file in REQUIREMENTS:
        required = _pins(file.read_text())
        wrong = {name for name, version, _ in required if (name, version) not in known}
        if wrong or not required:
            print(f"{file.name} and pyproject.toml disagree: {sorted(wrong)}; run scripts/lock.py")
            status = 1
        else:
            print(f"{len(required)} pins in {file.name} agree with {len(constraints)} constraints")
    return status


def _export(*options: str) -> str:
    command = [*_EXPORT, "--no-emit-workspace", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _pins(text: str) -> set[tuple[str, str, str]]:
    """Name, version and environment marker of each pin."""
    return {(name, version, marker.strip()) for name, version, marker in _PIN.findall(text)}


def _with_constraints(project: str, pins: set[tuple[str, str, str]]) -> str:
    lines = "".join(
        f'    "{name}=={version}{f" ; {marker}" if marker else ""}",\n'
        for name, version, marker in sorted(pins)
    )
    block = f"constraint-dependencies = [\n{lines}]\n"
    if _BLOCK.search(project):
        return _BLOCK.sub(lambda _: block, project)
    return project.replace("[tool.uv]\n", f"[tool.uv]\n{block}", 1)


if __name__ == "__main__":
    sys.exit(main())
