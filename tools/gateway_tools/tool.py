"""What a tool is: everything that an agent can learn about it, and the functions behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from gateway_tools.context import Context
from gateway_tools.observing import observed
from gateway_tools.parsing import parsed
from gateway_tools.schema import input_schema, output_schema

InputT = TypeVar("InputT", bound=BaseModel)
_EXAMPLE: Final = "Example: "


@dataclass(frozen=True, slots=True)
class File:
    """A rendered file that goes with an answer: a CSV, a plot."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What a tool says, and the file that goes with it where one was asked for."""

    output: BaseModel
    file: File | None = None


@dataclass(frozen=True)
class Tool(Generic[InputT]):
    """One thing an agent can do.

    `handle` answers with `output`, or with `or_output` where there is one; a tool that
    `gives_files` wraps it with the file. `description` is read by a language model; `tells` are the
    fields of the answer that it is told of beforehand, `elsewhere` the arguments that it reads of
    at another tool. `read_only`, `destructive` and `idempotent` mean what MCP's tool annotations
    mean by them.
    """

    name: str
    title: str
    description: str
    input: type[InputT]
    output: type[BaseModel]
    handle: Callable[[Context, InputT], BaseModel | Answered]
    tells: tuple[str, ...]
    elsewhere: frozenset[str] = frozenset()
    or_output: type[BaseModel] | None = None
    gives_files: bool = False
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False

    def call(self, context: Context, arguments: dict[str, Any]) -> Answered:
        """Check the arguments and do it. Raises what `errors.problem` can tell a caller."""
        with observed(context, self.name):
            if context.refused is not None:
                raise context.refused
            answer = self.handle(context, parsed(self.input, arguments))
        return answer if isinstance(answer, Answered) else Answered(answer)

    @cached_property
    def example(self) -> dict[str, Any]:
        """The arguments that end the description."""
        text = self.description.partition(_EXAMPLE)[2].rstrip().removesuffix(".")
        arguments: dict[str, Any] = json.loads(text)
        return arguments

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, as an agent needs it."""
        return input_schema(self.input, self.elsewhere)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """JSON Schema of the answer, as an agent needs it."""
        answers = [model for model in (self.output, self.or_output) if model is not None]
        return output_schema(answers, self.tells)
