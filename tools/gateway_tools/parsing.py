"""From a caller's JSON to a typed input, with errors that name the nearest thing that fits.

Text that is no Unicode (lone surrogates) and numbers that no double holds are refused here, once
for all doors: further in they could be neither stored nor told back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from gateway_simulation.nearest import nearest
from gateway_tools.exceptions import InvalidInputError, MissingInputError

InputT = TypeVar("InputT", bound=BaseModel)

_SHOWN: Final = 8
_LONGEST_NAME: Final = 64


def parsed(model: type[InputT], arguments: Mapping[str, Any]) -> InputT:
    """The arguments as `model`.

    Raises:
        InvalidInputError: they don't fit; it lists what is wrong, field by field.
        MissingInputError: nothing is wrong but that some are missing.

    """
    unusable = next(_unusable(arguments, ()), None)
    if unusable is not None:
        raise InvalidInputError([unusable], {})
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        problems = [_problem(mistake) for mistake in mistakes[:_SHOWN]]
        if all(mistake["type"] == "missing" for mistake in mistakes):
            raise MissingInputError(problems) from None
        unknown = [m["loc"] for m in mistakes[:_SHOWN] if m["type"] == "extra_forbidden"]
        raise InvalidInputError(problems, _nearest(model, unknown)) from None


def _problem(mistake: Any) -> dict[str, str]:  # noqa: ANN401  pydantic's ErrorDetails
    named = (str(part) for part in mistake["loc"])
    field = ".".join(part for part in named if not part.startswith("function-"))[:200]
    return {"field": field, "problem": str(mistake["msg"])[:300]}


def _nearest(model: type[BaseModel], unknown: list[tuple[int | str, ...]]) -> dict[str, list[str]]:
    """For each unknown name at the top the names that were perhaps meant."""
    names = [str(loc[0])[:_LONGEST_NAME] for loc in unknown if len(loc) == 1]
    known = [field.alias or name for name, field in model.model_fields.items()]
    return {name: list(nearest(name, known, 3)) for name in names}


def _unusable(value: Any, where: tuple[str, ...]) -> Iterator[dict[str, str]]:  # noqa: ANN401
    """What in `value` can't be used, as a problem of the field that holds it."""
    match value:
        case str() if not _encodable(value):
            yield {"field": ".".join(where)[:200], "problem": "Text must be valid Unicode"}
        case float() | int() if not _finite(value):
            yield {"field": ".".join(where)[:200], "problem": "A number must be finite"}
        case Mapping():
            for key, item in value.items():
                if not _encodable(str(key)):
                    yield {"field": ".".join(where)[:200], "problem": "Names must be valid Unicode"}
                    return
                yield from _unusable(item, (*where, str(key)))
        case list():
            for item in value:
                yield from _unusable(item, where)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer that no double holds
        return False
