"""What a message asks for: a tool by name, with its arguments."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from a2a.types.a2a_pb2 import Message, Part, Role, Task
from google.protobuf.json_format import MessageToDict

from gateway_a2a.numbers import integral
from gateway_tools.exceptions import NotUnderstoodError


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's name and its arguments."""

    skill: str
    arguments: dict[str, Any]


def call_of(message: Message, task: Task | None, *, paying: bool = False) -> Call:
    """The call that a message makes.

    A message to a task that waits for input may hold only what is to be added to the arguments, a
    payment token for instance. One that is `paying` may say so in plain words beside its payment.

    Raises:
        NotUnderstoodError: the message is no call, nor does it continue one.

    """
    parts = [
        _object(part)
        for part in message.parts
        if part.WhichOneof("content") != "raw" and not (paying and task and _is_prose(part))
    ]
    given: dict[str, Any] = {}
    for part in parts:
        given |= part
    call = _call(given) or _continued(given, task)
    if call is None:
        raise NotUnderstoodError
    return _with_file(call, message.parts)


def _call(given: dict[str, Any]) -> Call | None:
    skill, arguments = given.get("skill"), given.get("arguments", {})
    if not isinstance(skill, str) or not isinstance(arguments, dict):
        return None
    return Call(skill, arguments)


def _continued(given: dict[str, Any], task: Task | None) -> Call | None:
    """The call that the task began with, and what this message adds."""
    first = _first_call(task)
    if first is None:
        return None
    added = given.get("arguments", given)
    if not isinstance(added, dict):
        return None
    return replace(first, arguments={**first.arguments, **added})


def _first_call(task: Task | None) -> Call | None:
    if task is None:
        return None
    for message in task.history:
        if message.role == Role.ROLE_USER:
            for part in message.parts:
                call = _call(_object(part)) if part.WhichOneof("content") != "raw" else None
                if call is not None:
                    return call
    return None


def _object(part: Part) -> dict[str, Any]:
    match part.WhichOneof("content"):
        case "data":
            value = integral(MessageToDict(part.data))
        case "text":
            value = _parsed(part.text)
        case _:
            raise NotUnderstoodError
    if not isinstance(value, dict):
        raise NotUnderstoodError
    return value


def _is_prose(part: Part) -> bool:
    return part.WhichOneof("content") == "text" and not part.text.lstrip().startswith("{")


def _parsed(text: str) -> Any:  # noqa: ANN401  any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstoodError from None


def _with_file(call: Call, parts: Iterable[Part]) -> Call:
    files = [part.raw for part in parts if part.WhichOneof("content") == "raw"]
    if not files:
        return call
    if len(files) > 1:
        raise NotUnderstoodError
    content = base64.b64encode(files[0]).decode()
    return replace(call, arguments={**call.arguments, "content_base64": content})
