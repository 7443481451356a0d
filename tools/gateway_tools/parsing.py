"""From a caller's JSON to a typed input, with errors that name the nearest thing that fits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from gateway_tools.exceptions import InvalidInputError

InputT = TypeVar("InputT", bound=BaseModel)

_SHOWN: Final = 8
_LONGEST_NAME: Final = 64


def parsed(model: type[InputT], arguments: Mapping[str, Any]) -> InputT:
    """The arguments as `model`.

    Raises:
        InvalidInputError: they don't fit; it lists what is wrong, field by field.

    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        problems = [_problem(mistake) for mistake in mistakes[:_SHOWN]]
        unknown = [m["loc"] for m in mistakes[:_SHOWN] if m["type"] == "extra_forbidden"]
        raise InvalidInputError(problems, _nearest(model, unknown)) from None


def _problem(mistake: Any) -> dict[str, str]:  # noqa: ANN401  pydantic's ErrorDetails
    field = ".".join(str(part) for part in mistake["loc"])[:200]
    return {"field": field, "problem": str(mistake["msg"])[:300]}


def _nearest(model: type[BaseModel], unknown: list[tuple[int | str, ...]]) -> dict[str, list[str]]:
    """For each unknown name at the top the names that were perhaps meant."""
    names = [str(loc[0])[:_LONGEST_NAME] for loc in unknown if len(loc) == 1]
    known = [field.alias or name for name, field in model.model_fields.items()]
    return {name: difflib.get_close_matches(name, known, n=3, cutoff=0.4) for name in names}
