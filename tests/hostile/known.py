"""What is known to get through, and why: limits of a tier, and defects until they are mended."""

from __future__ import annotations

from typing import Final

_EVERY: Final = ("development", "strong", "standard")

_METADATA: Final = "Landlock doesn't hide that a file exists, how large it is, where a link leads"
_FOLDER: Final = "without namespaces a run's folder has no bound of its own"

_KNOWN: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "read: how large a file is": (("standard",), _METADATA),
    "read: that a file exists": (("standard",), _METADATA),
    "read: where a link leads": (("standard",), _METADATA),
    "write: 3000 files": (("standard",), _FOLDER),
    "write: more in files than it may have of memory": (("standard",), _FOLDER),
    "processes: 1500 threads": (("strong", "standard"), "no RLIMIT_NPROC except as root in strong"),
    "resources: deep folders": (("standard", "development"), "the folder's removal recurses"),
    "resources: a locked folder": (
        ("standard", "development"), "the folder's removal doesn't unlock what it meets"
    ),
    "protocol: forge a short run": (_EVERY, "rows that end before the run does are believed"),
    "protocol: forge at exit": (_EVERY, "rows that end before the run does are believed"),
    "protocol: forge absurd statistics": (_EVERY, "counters aren't checked"),
    "protocol: forge a failure of ours, to run unpaid": (
        _EVERY, "the model's process may say that the gateway failed"
    ),
}  # fmt: skip


def known(attack: str, tier: str) -> str:
    """Why the attack has an effect in that tier; empty where it must have none."""
    tiers, reason = _KNOWN.get(attack, ((), ""))
    return reason if tier in tiers else ""
