"""Ask the OSV database for known weaknesses of every pinned dependency, by pip-audit.

    python scripts/audit.py              fail if one is known; say so plainly if nobody answers
    python scripts/audit.py --required   fail also if nobody answers (before a release)

Without the internet nothing is audited, and the last line says NOT AUDITED. pip-audit's other
source, the package index, isn't asked: for an index that knows no advisories it reports success.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

REQUIREMENTS: Final = Path(__file__).resolve().parent.parent / "requirements.txt"
_OSV: Final = "https://api.osv.dev/v1/query"
_UNREACHED: Final = re.compile(r"ConnectionError|Timeout|ServiceError|ProxyError|SSLError")


def main() -> int:
    """Audit and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--required", action="store_true", help="fail if nobody answers")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS)
    parser.add_argument("--osv-url", default=_OSV, help="a mirror of the database")
    asked = parser.parse_args()
    done = _asked(asked.requirements, asked.osv_url)
    found = _dependencies(done.stdout)
    if found is None:
        return _unanswered(done.stderr, required=asked.required)
    return _told(found)


def _asked(requirements: Path, osv_url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--disable-pip", "--vulnerability-service", "osv", "--osv-url", osv_url]
    command += ["--format", "json", "--progress-spinner", "off"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _dependencies(output: str) -> list[dict[str, Any]] | None:
    """What pip-audit learned of each; None where it ended without an answer."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        return None
    return found


def _unanswered(said: str, *, required: bool) -> int:
    if not _UNREACHED.search(said):
        print(said, file=sys.stderr)
        print("NOT AUDITED: pip-audit failed")
        return 2
    print("NOT AUDITED: the advisory database can't be reached from here")
    return 1 if required else 0


def _told(found: list[dict[str, Any]]) -> int:
    weak = [(one, weakness) for one in found for weakness in one.get("vulns", ())]
    for one, weakness in weak:
        better = ", ".join(weakness["fix_versions"]) or "none"
        print(f"{one['name']} {one['version']}: {weakness['id']}; mended in: {better}")
    skipped = [one["name"] for one in found if "skip_reason" in one]
    if skipped or not found:
        print(f"NOT AUDITED: {', '.join(skipped) or 'nothing is pinned'}")
        return 1
    print(f"{len(found)} dependencies audited, {len(weak)} known weaknesses")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
