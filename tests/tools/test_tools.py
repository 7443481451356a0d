"""What a language model reads of the tools is short, true and complete."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway_tools.parsing import parsed
from gateway_tools.registry import TOOLS
from gateway_tools.tool import Tool


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_description_is_short_and_ends_with_an_example_that_parses(tool: Tool[Any]) -> None:
    assert len(tool.description.split()) < 120
    parsed(tool.input, tool.example)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_schemas_are_objects_without_noise(tool: Tool[Any]) -> None:
    for schema in (tool.input_schema, tool.output_schema):
        assert schema["type"] == "object"
        assert "title" not in schema


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_what_is_published_of_the_arguments_takes_the_example(tool: Tool[Any]) -> None:
    Draft202012Validator.check_schema(tool.input_schema)
    Draft202012Validator(tool.input_schema).validate(tool.example)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_every_argument_is_published_here_or_at_the_tool_that_the_description_names(
    tool: Tool[Any],
) -> None:
    fields = {field.alias or name for name, field in tool.input.model_fields.items()}
    assert fields == tool.input_schema["properties"].keys() | tool.elsewhere
    named = [other for other in TOOLS.values() if re.search(rf"\b{other.name}\b", tool.description)]
    described = {name for other in named for name in other.input_schema["properties"]}
    assert tool.elsewhere <= described
    assert tool.input_schema.get("additionalProperties", True) is bool(tool.elsewhere)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_what_is_told_of_an_answer_beforehand_is_in_it(tool: Tool[Any]) -> None:
    Draft202012Validator.check_schema(tool.output_schema)
    answers = (tool.output, tool.or_output or tool.output)
    assert set(tool.tells) <= {name for answer in answers for name in answer.model_fields}


def test_a_failure_fits_the_published_answer_of_every_tool() -> None:
    """Some clients hold it against the schema of the tool that they called."""
    failure = {"code": "c", "message": "m", "remedy": "r", "untrusted": ["details"], "details": {}}
    for tool in TOOLS.values():
        Draft202012Validator(tool.output_schema).validate(failure)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_no_argument_travels_in_a_header(tool: Tool[Any]) -> None:
    """The MCP door relies on it: see `_no_headers` there."""
    assert "x-mcp-header" not in json.dumps(tool.input_schema)


def test_only_paying_is_marked_as_destructive() -> None:
    assert [tool.name for tool in TOOLS.values() if tool.destructive] == ["pay"]
