"""A tool's answer as MCP carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types


def tool_result(body: Mapping[str, Any], *, is_error: bool) -> types.CallToolResult:
    """The answer as structured content, and as text for clients that show nothing else."""
    text = types.TextContent(text=json.dumps(body, separators=(",", ":"), ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=dict(body), is_error=is_error)
