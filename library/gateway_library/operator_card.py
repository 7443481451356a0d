"""The card that an operator may put beside an FMU: `Pump.yaml` beside `Pump.fmu`.

Every scalar is read as the text that stands there, so that `tags: [on, off]` means words and
`error: 1e-3` a number. What is wrong is told with its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway_library.domains import Domain
from gateway_simulation.foreign import readable
from gateway_simulation.nearest import nearest

NAME: Final = r"^[A-Za-z_][\w.\-]{0,199}(@fmi3)?$"
_LONGEST: Final = 64 * 1024  # bytes
_LINE: Final = 2000  # characters of one text
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML has it

Where = tuple[str | int, ...]


def _clean(text: str) -> str:
    shown = readable(text, _LINE)
    if not shown:
        message = "says nothing"
        raise ValueError(message)
    return shown


Line = Annotated[str, AfterValidator(_clean)]


class OperatorCardError(Exception):
    """A card that can't be used. `problems` holds one line each, with the line in the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Verified(BaseModel):
    """What the operator compared the model with. `error`: no larger deviation was found then."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Literal["published trajectory", "analytic", "independent integration", "measurement"]
    error: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    how: Line


class OperatorCard(BaseModel):
    """What the operator says of an FMU, in place of or beside what the FMU says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(default=None, pattern=NAME, description="msl:<name>; else the file's")
    description: Line | None = None
    domains: tuple[Domain, ...] = ()
    tags: tuple[Line, ...] = Field(default=(), max_length=50)
    literature: tuple[Line, ...] = Field(default=(), max_length=50)
    notes: Line | None = Field(default=None, description="Units, validity: what a user must know")
    kpis: tuple[Line, ...] = Field(default=(), max_length=20, description="<variable>_<statistic>")
    verified: Verified | None = None


def read_card(text: bytes) -> OperatorCard:
    """The card in `text`.

    Raises:
        OperatorCardError: it is no YAML, or says something that a card doesn't say.

    """
    root = _composed(text)
    try:
        return OperatorCard.model_validate(_plain(root))
    except ValidationError as error:
        problems = [_told(root, one["loc"], one["msg"]) for one in error.errors()]
        raise OperatorCardError(problems) from None


def card_beside(fmu: Path) -> Path | None:
    """The card of `fmu`, if there is one."""
    return next((path for path in card_places(fmu) if path.is_file()), None)


def card_places(fmu: Path) -> tuple[Path, Path]:
    """Where the card of `fmu` may lie."""
    return fmu.with_suffix(".yaml"), fmu.with_suffix(".yml")


def as_yaml(card: OperatorCard) -> str:
    """The card as a file that `read_card` reads."""
    return yaml.safe_dump(
        card.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True
    )


def _composed(text: bytes) -> yaml.MappingNode:
    """The document with its lines. No aliases: a few lines of them stand for gigabytes."""
    if len(text) > _LONGEST:
        raise OperatorCardError([f"a card of more than {_LONGEST} bytes"])
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _LOADER)):
            raise OperatorCardError(["aliases (*name) have no use in a card"])
        root = yaml.compose(text, _LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise OperatorCardError([f"{place}{error.problem or 'no YAML'}"]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise OperatorCardError(["no YAML that can be read"]) from error
    if not isinstance(root, yaml.MappingNode):
        raise OperatorCardError(["a card is a list of `field: value` lines"])
    twice = list(_twice(root))
    if twice:
        raise OperatorCardError(twice)
    return root


def _plain(node: yaml.Node) -> Any:  # noqa: ANN401  any JSON
    if isinstance(node, yaml.MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _twice(node: yaml.Node) -> Iterator[str]:
    """Fields that one mapping has twice: YAML would silently take the last."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if str(key.value) in seen:
            yield f"line {key.start_mark.line + 1}: {str(key.value)!r} is there twice"
        seen.add(str(key.value))
        yield from _twice(value)


def _told(root: yaml.MappingNode, place: Where, message: str) -> str:
    line = _line(root, place)
    field = ".".join(str(part) for part in place)
    if message.startswith("Extra inputs"):
        known = (*OperatorCard.model_fields, *Verified.model_fields)
        (meant,) = nearest(str(place[-1]), known, most=1)
        message = f"a card has no such field; is {meant!r} meant?"
    return f"line {line}: {field}: {message}"


def _line(node: yaml.Node, place: Where) -> int:
    """The line of the innermost node on the way to `place` that is there."""
    line = node.start_mark.line + 1
    for part in place:
        inner = _inner(node, part)
        if inner is None:
            break
        line, node = inner
    return line


def _inner(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        item = node.value[part]
        return item.start_mark.line + 1, item
    if isinstance(node, yaml.MappingNode):
        fields: Mapping[str, tuple[int, yaml.Node]] = {
            str(key.value): (key.start_mark.line + 1, value) for key, value in node.value
        }
        return fields.get(str(part))
    return None
