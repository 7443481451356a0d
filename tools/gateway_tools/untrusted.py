"""Which fields of an answer hold text that a model's author wrote, told beside that text.

A language model can't tell a description from an order by itself. So each answer begins with
`untrusted`: the names of those of its fields below which foreign text may stand, as values or as
keys. Everything else in an answer is this gateway's own. A failure's foreign text is in its
`details` alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class _Mark:
    """Found in the metadata of fields that hold foreign text."""


_MARK: Final = _Mark()
Untrusted = Annotated[T, _MARK]
"""The type of a field below which text of a model's author may stand."""

DETAILS: Final = "details"


class Answer(BaseModel):
    """An answer that may hold foreign text. `untrusted` names its fields that do, this time."""

    untrusted: list[str] = []

    def model_post_init(self, _: Any, /) -> None:  # noqa: ANN401  pydantic's own signature
        """Name them: nobody has to think of it, nor can a caller set it."""
        self.untrusted = [name for name in foreign_fields(type(self)) if getattr(self, name)]


def foreign_fields(answer: type[BaseModel]) -> tuple[str, ...]:
    """The fields of `answer` that may hold foreign text."""
    return tuple(n for n, field in answer.model_fields.items() if _MARK in field.metadata)
