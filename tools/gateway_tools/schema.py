"""JSON Schemas that a language model reads: the same meaning as pydantic's in fewer tokens."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]


def input_schema(model: Any) -> Json:  # noqa: ANN401  a type
    """What a caller may send. That a field may be left out is said by not requiring it."""
    return _object(TypeAdapter(model).json_schema(by_alias=True), nullable=False)


class Failed(BaseModel):
    """What a call that fails answers; a payment requirement has more beside it."""

    code: str
    message: str
    remedy: str


def output_schema(model: Any) -> Json:  # noqa: ANN401  a type
    """What comes back: the answer or a failure, since some clients check a failure too."""
    either: Any = model | Failed
    schema = TypeAdapter(either).json_schema(mode="serialization")
    return {"type": "object", **_object(schema, nullable=True)}


def _object(schema: Json, *, nullable: bool) -> Json:
    """`schema` with every part made lean; names of properties and definitions stay.

    Of an answer (`nullable`) the words go too: models choose by what to send, not by what returns.
    """
    noise = {"title", "description", "default"} if nullable else {"title"}
    lean = _part({k: v for k, v in schema.items() if k not in noise}, nullable=nullable)
    for names in ("properties", "$defs"):
        if names in lean:
            lean[names] = {k: _object(v, nullable=nullable) for k, v in lean[names].items()}
    if isinstance(lean.get("items"), dict):
        lean["items"] = _object(lean["items"], nullable=nullable)
    if isinstance(lean.get("additionalProperties"), dict):
        lean["additionalProperties"] = _object(lean["additionalProperties"], nullable=nullable)
    return lean


def _part(part: Json, *, nullable: bool) -> Json:
    """One schema without its null (unless `nullable`), its alternatives of plain types merged."""
    alternatives = [_object(a, nullable=nullable) for a in part.get("anyOf", [])]
    if not alternatives:
        return part
    if not nullable:
        alternatives = [a for a in alternatives if a != {"type": "null"}]
        part = {k: v for k, v in part.items() if (k, v) != ("default", None)}
    rest = {k: v for k, v in part.items() if k != "anyOf"}
    if len(alternatives) == 1:
        return {**alternatives[0], **rest}
    if all(a.keys() == {"type"} for a in alternatives):
        return {"type": _types(alternatives), **rest}
    return {"anyOf": alternatives, **rest}


def _types(alternatives: list[Json]) -> str | list[str]:
    """Their types; a number may be an integer without our saying so."""
    types: list[str] = []
    for alternative in alternatives:
        named = alternative["type"]
        types += [named] if isinstance(named, str) else named
    if "number" in types:
        types = [name for name in types if name != "integer"]
    return types[0] if len(types) == 1 else types
