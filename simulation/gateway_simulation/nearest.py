"""The closest valid names to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str], most: int = 5) -> tuple[str, ...]:
    """Up to `most` of `candidates` that look like `name`, best first."""
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - only a mistake needs it

    found = process.extract(
        name[:1000].casefold(),
        {candidate: candidate.casefold() for candidate in candidates},
        scorer=fuzz.WRatio,
        limit=most,
        score_cutoff=0,
    )
    ranked = sorted(found, key=lambda match: (-match[1], len(match[2]), match[2]))
    return tuple(match[2] for match in ranked)
