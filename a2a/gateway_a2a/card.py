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

from gateway_tools.registry import INSTRUCTIONS, TOOLS
from gateway_tools.tool import Tool

RPC_PATH: Final = "/a2a/"
REST_PATH: Final = "/a2a/rest"
_FMU: Final = "application/octet-stream"
_EXAMPLE: Final = "Example: "


def agent_card(base_url: str, version: str, extensions: Sequence[AgentExtension]) -> AgentCard:
    """What another agent learns of this gateway before it calls; `base_url` without a slash."""
    return AgentCard(
        name="FMU Gateway",
        description=INSTRUCTIONS,
        version=version,
        supported_interfaces=[
            AgentInterface(
                url=f"{base_url}{RPC_PATH}", protocol_binding="JSONRPC", protocol_version="1.0"
            ),
            AgentInterface(
                url=f"{base_url}{REST_PATH}", protocol_binding="HTTP+JSON", protocol_version="1.0"
            ),
        ],
        capabilities=AgentCapabilities(
            streaming=True, push_notifications=False, extensions=extensions
        ),
        security_schemes={
            "api_key": SecurityScheme(
                http_auth_security_scheme=HTTPAuthSecurityScheme(
                    scheme="bearer", description=f"A key from POST {base_url}/keys"
                )
            )
        },
        security_requirements=[SecurityRequirement(schemes={"api_key": StringList(list=[])})],
        default_input_modes=["application/json", "text/plain"],
        default_output_modes=["application/json"],
        skills=[_skill(tool) for tool in TOOLS.values()],
    )


def _skill(tool: Tool[Any]) -> AgentSkill:
    modes = ["application/json", "text/plain"]
    return AgentSkill(
        id=tool.name,
        name=tool.title,
        description=tool.description,
        tags=["fmi", "simulation"],
        examples=_examples(tool),
        input_modes=[*modes, _FMU] if tool.name == "upload_fmu" else modes,
        output_modes=["application/json", "text/csv", "image/png"]
        if tool.gives_files
        else ["application/json"],
    )


def _examples(tool: Tool[Any]) -> list[str]:
    """The description's example as the message part that one would send."""
    text = tool.description.partition(_EXAMPLE)[2].rstrip().removesuffix(".")
    return [json.dumps({"skill": tool.name, "arguments": json.loads(text)})] if text else []
