"""No requirement without a test."""

from __future__ import annotations

import re
from pathlib import Path

from a2a_door.requirements import REQUIREMENTS


def test_each_requirement_is_held_by_a_test() -> None:
    texts = (path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    calls = (
        call for text in texts for call in re.findall(r"^@holds\(([^)]*)\)", text, re.MULTILINE)
    )
    held = {name for call in calls for name in re.findall(r'"([^"]+)"', call)}
    assert held == REQUIREMENTS.keys()
