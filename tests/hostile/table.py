"""Prints what every attack comes to, as Markdown: `python tests/hostile/table.py`.

Takes half a minute. `counts` are attacks whose control has its effect.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
sys.path[:1] = [str(_HERE.parent)]

from hostile import fmu  # noqa: E402 - found by the line above
from hostile.catalogue import ATTACKS, Attack  # noqa: E402
from hostile.matrix import TIERS, Matrix, Tried, measured  # noqa: E402
from hostile.users import SOMEBODY  # noqa: E402


def rows(matrices: Mapping[str, Matrix]) -> Iterator[str]:
    """The table, line by line."""
    columns = [(tier, user) for tier in TIERS for user in matrices]
    heads = [f"{'control' if tier == 'development' else tier}, {user}" for tier, user in columns]
    yield f"| attack | {' | '.join(heads)} |"
    yield f"|---|{'---|' * len(heads)}"
    for attack in ATTACKS:
        cells = [_cell(attack, matrices[user][tier]) for tier, user in columns]
        yield f"| {attack.id} | {' | '.join(cells)} |"


def summary(matrices: Mapping[str, Matrix]) -> Iterator[str]:
    """How many attacks of each family count, by who runs the gateway."""
    yield f"| family | attacks | {' | '.join(f'count, {user}' for user in matrices)} |"
    yield f"|---|---|{'---|' * len(matrices)}"
    for family in dict.fromkeys(attack.family for attack in ATTACKS):
        names = [a.id for a in ATTACKS if a.family == family]
        controlled = [a.id for a in ATTACKS if a.family == family and not a.ends and not a.held]
        counts = [
            sum(found["development"].findings[name].effect for name in controlled)
            for found in matrices.values()
        ]
        yield f"| {family} | {len(names)} | {' | '.join(map(str, counts))} |"


def _cell(attack: Attack, tried: Tried) -> str:
    if attack.id not in tried.findings:
        return "unavailable"
    found = tried.findings[attack.id]
    if found.effect:
        return "**effect**"
    outcome = found.outcome.removesuffix("Error")
    return f"none ({found.missing})" if found.missing else f"none, {outcome}"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        Path(folder).chmod(0o755)
        library = Path(folder) / "hostile.so"
        fmu.build(library)
        users = {"root": None, "user": SOMEBODY} if os.geteuid() == 0 else {"user": None}
        asked = {name: pool.submit(measured, library, user) for name, user in users.items()}
        matrices = {name: future.result() for name, future in asked.items()}
    sys.stdout.write("\n".join([*summary(matrices), "", *rows(matrices), ""]))


if __name__ == "__main__":
    main()
