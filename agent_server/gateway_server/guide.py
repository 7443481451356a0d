"""`/llms.txt`: the gateway in a page, for language models."""

from __future__ import annotations

from gateway_tools.registry import INSTRUCTIONS, TOOLS


def llms_txt() -> str:
    """What this is and what each tool does, from the tools themselves."""
    tools = "\n".join(
        f"- **{tool.name}**: {_sentence(tool.description)} `{_example(tool.description)}`"
        for tool in TOOLS.values()
    )
    return f"""# FMU Gateway

> {INSTRUCTIONS}

## Ways in
- MCP (streamable HTTP): /mcp
- A2A: card at /.well-known/agent-card.json, JSON-RPC at /a2a/
- REST: /docs (OpenAPI at /openapi.json)

Every way needs `Authorization: Bearer <key>`; `POST /keys` makes a key:

```bash
KEY=$(curl -sS -X POST $GATEWAY/keys | sed 's/.*"key":"\\([^"]*\\)".*/\\1/')
curl -sS -H "Authorization: Bearer $KEY" "$GATEWAY/library?query=bouncing+ball&limit=1"
curl -sS -H "Authorization: Bearer $KEY" $GATEWAY/simulate \\
  -d '{{"fmu_id": "msl:BouncingBall", "stop_time": 3, "kpis": ["h_max"]}}'
```

## Tools
{tools}

## Money
A run that costs something answers 402 with a quote and offers and spends nothing: follow its
next_steps. account shows the balance and what this key may still spend; at budget_exceeded tell
the user what details says. A failed run gives its payment back. Never pay twice: ask pay with the
same id.
"""


def _example(description: str) -> str:
    """The arguments that end a tool's description."""
    return " ".join(description.split()).rpartition("Example: ")[2].rstrip(".")


def _sentence(description: str) -> str:
    return " ".join(description.split()).partition(". ")[0] + "."
