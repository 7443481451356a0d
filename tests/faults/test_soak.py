"""Thousands of paid runs by a crowd: memory, descriptors and processes stay what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from faults.buyers import Crowd
from faults.site import Site
from hostile.processes import descendants

pytestmark = pytest.mark.slow

PURCHASES: Final = 3000
SETTLED: Final = 1000  # caches and pools are filled by then
GROWTH_MB: Final = 8


def held(pid: int) -> tuple[float, int]:
    """Memory of the process's own [MB], and its descriptors."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    private = [line for line in rollup if line.startswith(("Private_Dirty:", "Swap:"))]
    return sum(int(line.split()[1]) for line in private) / 1024, len(
        list(Path(f"/proc/{pid}/fd").iterdir())
    )


def test_a_long_time_of_work_leaves_nothing_behind(site: Site) -> None:
    crowd = Crowd(site.url, site.key, PURCHASES)
    seen: dict[int, tuple[float, int]] = {}
    crowd.buy(
        {
            count: lambda count=count: seen.update({count: held(site.pid)})  # type: ignore[misc]
            for count in (SETTLED, PURCHASES)
        }
    )
    (early_mb, early_files), (late_mb, late_files) = seen[SETTLED], seen[PURCHASES]
    print(f"{early_mb:.1f} -> {late_mb:.1f} MB, {early_files} -> {late_files} descriptors")  # noqa: T201
    assert crowd.refused == []
    assert site.audit() == []
    assert late_mb - early_mb < GROWTH_MB
    assert late_files <= early_files + 2
    assert len(descendants(site.zygote())) == 0
