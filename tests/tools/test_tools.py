"""What a language model reads of the tools is short, true and complete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_tools.parsing import parsed
from gateway_tools.registry import TOOLS
from gateway_tools.tool import Tool


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_description_is_short_and_ends_with_an_example_that_parses(tool: Tool[Any]) -> None:
    assert len(tool.description.split()) < 120
    example = tool.description.partition("Example: ")[2].rstrip().removesuffix(".")
    parsed(tool.input, json.loads(example))


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_schemas_are_objects_without_noise(tool: Tool[Any]) -> None:
    for schema in (tool.input_schema, tool.output_schema):
        assert schema["type"] == "object"
        assert "title" not in schema


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_no_argument_travels_in_a_header(tool: Tool[Any]) -> None:
    """The MCP door relies on it: see `_no_headers` there."""
    assert "x-mcp-header" not in json.dumps(tool.input_schema)


def test_only_paying_is_marked_as_destructive() -> None:
    assert [tool.name for tool in TOOLS.values() if tool.destructive] == ["pay"]
