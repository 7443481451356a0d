"""What an agent reads costs few tokens, by a real tokenizer: the numbers of `count_tokens.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "count_tokens.py"
MOST_TOKENS: Final = {
    "tools/list": 3_100,
    "list_library": 1_200,
    "describe_model": 900,
    "upload_fmu of 1000 variables": 700,
    "describe_model of 1000 variables": 2_000,
    "quote": 300,
    "simulate": 800,
    "simulate with many outputs": 1_500,
    "run_study": 1_000,
    "get_result": 1_500,
    "compare_results": 600,
    "account": 800,
}


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, int]]:
    """By what was read, its bytes and tokens."""
    command = [sys.executable, str(SCRIPT), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {row.pop("what"): row for row in json.loads(done.stdout)}


def test_the_list_of_tools_is_under_12_kb(rows: dict[str, dict[str, int]]) -> None:
    assert rows["tools/list"]["bytes"] < 12_000


def test_each_answer_that_is_counted_has_a_limit(rows: dict[str, dict[str, int]]) -> None:
    assert {what for what in rows if not what.startswith("tools/list: ")} == MOST_TOKENS.keys()


@pytest.mark.parametrize("what", MOST_TOKENS)
def test_what_an_agent_reads_costs_few_tokens(rows: dict[str, dict[str, int]], what: str) -> None:
    assert 50 < rows[what]["tokens"] < MOST_TOKENS[what]
