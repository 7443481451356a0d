"""`/llms.txt`: the gateway in a page, for language models."""

from __future__ import annotations

from gateway_tools.registry import INSTRUCTIONS, TOOLS


def llms_txt() -> str:
    """What this is and what each tool does, from the tools themselves."""
    tools = "\n".join(
        f"- **{tool.name}**: {_sentence(tool.description)}" for tool in TOOLS.values()
    )
    return f"""# FMU Gateway

> {INSTRUCTIONS}

## Ways in
- MCP (streamable HTTP): /mcp
- A2A: card at /.well-known/agent-card.json, JSON-RPC at /a2a/
- REST: /docs (OpenAPI at /openapi.json)

Every way needs `Authorization: Bearer <key>`; `POST /keys` makes a key.

## Tools
{tools}
"""


def _sentence(description: str) -> str:
    return " ".join(description.split()).partition(". ")[0] + "."
