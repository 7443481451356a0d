"""A client for this gateway's A2A door, on the official SDK: for the demo and the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from a2a.client import Client, ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.helpers import new_data_message, new_raw_part
from a2a.types.a2a_pb2 import Message, Part, Role, SendMessageRequest, Task, TaskState
from google.protobuf.json_format import MessageToDict


class A2AAgent:
    """Calls skills of one gateway, as another agent would."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(
        self, skill: str, arguments: dict[str, Any], *, file: bytes | None = None
    ) -> Task:
        """Send one call and wait until its task ends or asks for input."""
        message = new_data_message({"skill": skill, "arguments": arguments}, role=Role.ROLE_USER)
        if file is not None:
            message.parts.append(new_raw_part(file, media_type="application/octet-stream"))
        return await self.send(message)

    async def answer(self, task: Task, arguments: dict[str, Any]) -> Task:
        """Give a task that asks for input what it needs."""
        return await self.send(
            new_data_message(
                arguments, context_id=task.context_id, task_id=task.id, role=Role.ROLE_USER
            )
        )

    async def send(self, message: Message) -> Task:
        """Send a message and return its task as it ends up."""
        task = Task()
        async for event in self._client.send_message(SendMessageRequest(message=message)):
            if event.HasField("task"):
                task.CopyFrom(event.task)
            elif event.HasField("status_update"):
                task.id, task.context_id = (
                    event.status_update.task_id,
                    event.status_update.context_id,
                )
                task.status.CopyFrom(event.status_update.status)
            elif event.HasField("artifact_update"):
                task.artifacts.append(event.artifact_update.artifact)
        return task


@asynccontextmanager
async def connect(base_url: str, key: str, *, binding: str = "JSONRPC") -> AsyncIterator[A2AAgent]:
    """A client that found the gateway by its agent card; `binding` JSONRPC or HTTP+JSON."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        card = await A2ACardResolver(http, base_url).get_agent_card()
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding])
        yield A2AAgent(ClientFactory(config).create(card))


def state(task: Task) -> str:
    """The task's state as its name's last part: completed, input_required, failed."""
    name: str = TaskState.Name(task.status.state)
    return name.removeprefix("TASK_STATE_").lower()


def data(task: Task) -> dict[str, Any]:
    """The object that the task answered with: its first data artifact, else its status message."""
    parts: list[Part] = [part for artifact in task.artifacts for part in artifact.parts]
    parts += list(task.status.message.parts)
    found = next(part for part in parts if part.WhichOneof("content") == "data")
    value: dict[str, Any] = MessageToDict(found.data)
    return value


def files(task: Task) -> dict[str, bytes]:
    """The task's file artifacts by name."""
    return {
        part.filename: part.raw
        for artifact in task.artifacts
        for part in artifact.parts
        if part.WhichOneof("content") == "raw"
    }
