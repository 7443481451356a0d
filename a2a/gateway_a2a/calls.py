"""What a message asks for: a tool by name, with its arguments."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from a2a.types.a2a_pb2 import Message, Part, Role, Task
from google.protobuf.json_format import MessageToDict

from gateway_a2a.numbers import integral
from gateway_tools.exceptions import NotUnderstoodError
from gateway_tools.registry import TOOLS

_KEYS: Final = frozenset({"skill", "arguments"})


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
    if message.role != Role.ROLE_USER:
        _refuse("its role is not ROLE_USER")
    given = _given(part for part in message.parts if not (paying and task and _is_prose(part)))
    return _with_file(_continued(_so_far(task), given), message.parts)


def drop_files(message: Message) -> None:
    """Leave of each file how large it was: a task is kept, and told again and again."""
    for part in message.parts:
        if part.WhichOneof("content") == "raw":
            part.text = f"(a file of {len(part.raw)} bytes)"


def _refuse(reason: str) -> NoReturn:
    """Say what to send in place of what came."""
    example: dict[str, object] = {"skill": "simulate", "arguments": TOOLS["simulate"].example}
    raise NotUnderstoodError(reason, list(TOOLS), example)


def _given(parts: Iterable[Part]) -> dict[str, Any]:
    """What the parts say together, the last one last."""
    given: dict[str, Any] = {}
    for part in parts:
        if part.WhichOneof("content") != "raw":
            given |= _object(part)
    return given


def _continued(call: Call | None, given: dict[str, Any]) -> Call:
    """The call that is given in full, or the one so far with what is added to it."""
    arguments = given.get("arguments", {} if "skill" in given or call is None else given)
    if not isinstance(arguments, dict):
        _refuse('"arguments" is not an object')
    if "skill" in given or "arguments" in given:
        _refuse_others(given.keys() - _KEYS)
    skill = given.get("skill")
    if isinstance(skill, str):
        return Call(skill, arguments)
    if call is None or skill is not None:
        _refuse('"skill" is missing, or no text')
    return replace(call, arguments={**call.arguments, **arguments})


def _refuse_others(names: Iterable[str]) -> None:
    others = ", ".join(sorted(names))
    if others:
        _refuse(f'beside "skill" stands what belongs into "arguments": {others[:200]}')


def _so_far(task: Task | None) -> Call | None:
    """The call that the task's messages have made until now; those that made none don't count."""
    call: Call | None = None
    for message in task.history if task else ():
        if message.role == Role.ROLE_USER:
            try:
                call = _continued(call, _given(message.parts))
            except NotUnderstoodError:
                continue
    return call


def _object(part: Part) -> dict[str, Any]:
    match part.WhichOneof("content"):
        case "data":
            value = integral(MessageToDict(part.data))
        case "text":
            value = _parsed(part.text)
        case "url":
            _refuse("files are not fetched; send the bytes as a raw part")
        case _:
            _refuse("a part is empty")
    if not isinstance(value, dict):
        _refuse("a part is JSON, but not an object")
    return value


def _is_prose(part: Part) -> bool:
    return part.WhichOneof("content") == "text" and not part.text.lstrip().startswith("{")


def _parsed(text: str) -> Any:  # noqa: ANN401  any JSON
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    _refuse("a text part is not JSON, and words are not guessed at")


def _with_file(call: Call, parts: Iterable[Part]) -> Call:
    files = [part.raw for part in parts if part.WhichOneof("content") == "raw"]
    if not files:
        return call
    if len(files) > 1:
        _refuse("it brings more than one file")
    content = base64.b64encode(files[0]).decode()
    return replace(call, arguments={**call.arguments, "content_base64": content})
