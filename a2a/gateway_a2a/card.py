"""The agent card: each tool is a skill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)

from gateway_a2a.answers import FILES, JSON, RUNNING
from gateway_tools import compare_results, get_result, pay, upload_fmu
from gateway_tools.registry import INSTRUCTIONS, TOOLS
from gateway_tools.tool import Tool

RPC_PATH: Final = "/a2a/"
REST_PATH: Final = "/a2a/rest"
OLD_CARD_PATH: Final = "/.well-known/agent.json"
"""Of the card with the fields of protocol 0.3, which the schema of 1.0 doesn't allow."""
_INPUT: Final = (JSON, "text/plain")
_FMU: Final = ("application/octet-stream", "application/zip")
_HOW: Final = """\
Send a data part (or the same JSON as text) {"skill": name, "arguments": {...}}; an FMU as a raw
part beside it. A task that asks for input says what is missing: answer with its id."""
_EXAMPLES: Final[dict[str, list[dict[str, Any]]]] = {
    upload_fmu.NAME: [{}],  # answers with an address for the file
    pay.NAME: [{"fmu_id": "msl:BouncingBall"}],
    get_result.NAME: [],  # only the caller knows its results
    compare_results.NAME: [],
}
"""Where the description's example is not one that anybody can send."""


def agent_card(
    base_url: str,
    version: str,
    extensions: Sequence[AgentExtension],
    protocols: Sequence[str] = ("1.0",),
) -> AgentCard:
    """What another agent learns of this gateway before it calls; `base_url` without a slash.

    With protocol 0.3 among them, the SDK adds that version's fields to the card.
    """
    return AgentCard(
        name="FMU Gateway",
        description=f"{INSTRUCTIONS}\n{_HOW}",
        version=version,
        documentation_url=f"{base_url}/docs",
        supported_interfaces=[
            AgentInterface(
                url=f"{base_url}{path}", protocol_binding=binding, protocol_version=protocol
            )
            for protocol in protocols
            for binding, path in (("JSONRPC", RPC_PATH), ("HTTP+JSON", REST_PATH))
        ],
        capabilities=AgentCapabilities(
            streaming=True,
            push_notifications=True,
            extended_agent_card=False,
            extensions=extensions,
        ),
        security_schemes={
            "api_key": SecurityScheme(
                http_auth_security_scheme=HTTPAuthSecurityScheme(
                    scheme="bearer", description=f"A key from POST {base_url}/keys"
                )
            )
        },
        security_requirements=[SecurityRequirement(schemes={"api_key": StringList(list=[])})],
        default_input_modes=list(_INPUT),
        default_output_modes=[JSON],
        skills=[_skill(tool) for tool in TOOLS.values()],
    )


def _skill(tool: Tool[Any]) -> AgentSkill:
    return AgentSkill(
        id=tool.name,
        name=tool.title,
        description=tool.description,
        tags=["fmi", "simulation"],
        examples=[
            json.dumps({"skill": tool.name, "arguments": arguments})
            for arguments in _EXAMPLES.get(tool.name, [tool.example])
        ],
        input_modes=[*_INPUT, *_FMU] if tool.name == upload_fmu.NAME else list(_INPUT),
        output_modes=[JSON, *FILES] if tool.gives_files or tool.name in RUNNING else [JSON],
    )
