"""JSON Schemas that a language model reads, each time it is given the tools: as few as will do.

They are looser views of the pydantic models, which alone decide what is taken and answered. What
is left out here, lengths and patterns, nested parts of an answer, stands in full in OpenAPI, and an
error names what didn't fit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]

_UNSAID: Final = {
    "title",
    "format",
    "pattern",
    "minimum",
    "exclusiveMaximum",
    *(f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")),
}


def input_schema(model: type[BaseModel], elsewhere: Collection[str] = ()) -> Json:
    """What a caller may send. That a field may be left out is said by not requiring it.

    The fields `elsewhere` aren't told of, only that there may be more: another tool of the same
    listing, which the description names, has them.
    """
    schema = model.model_json_schema(by_alias=True)
    lean = _lean(schema, schema.get("$defs", {}))
    lean.pop("description", None)  # the tool's own stands above it
    if elsewhere:
        del lean["additionalProperties"]
    properties = {k: v for k, v in lean["properties"].items() if k not in elsewhere}
    return lean | {"properties": properties}


def output_schema(models: Iterable[type[BaseModel]], tells: Collection[str]) -> Json:
    """Of an answer, which is one of `models`, the fields that `tells` names.

    None is required: a failure is held against the same schema by some clients.
    """
    types: dict[str, list[str]] = {name: [] for name in tells}
    for model in models:
        schema = TypeAdapter(model).json_schema(mode="serialization")
        for name in types.keys() & schema["properties"].keys():
            types[name] += _types(schema["properties"][name], schema.get("$defs", {}))
    return {"type": "object", "properties": {name: _typed(found) for name, found in types.items()}}


def _lean(part: Json, definitions: Json) -> Json:
    """One schema without noise; what it refers to stands in its place."""
    lean = {k: v for k, v in part.items() if k not in _UNSAID | {"$defs", "$ref", "anyOf"}}
    if not lean.get("default", True) or "enum" in lean:
        lean.pop("default", None)
    if "properties" in lean:
        lean["properties"] = {k: _lean(v, definitions) for k, v in lean["properties"].items()}
    if isinstance(lean.get("items"), dict):
        lean["items"] = _lean(lean["items"], definitions)
    if lean.get("additionalProperties"):
        lean |= _of_any_name(lean.pop("additionalProperties"), definitions)
    if "$ref" in part:
        return _shape(_lean(_meant(part["$ref"], definitions), definitions)) | lean
    return _either(part.get("anyOf", []), definitions) | lean


def _of_any_name(values: Any, definitions: Json) -> Json:  # noqa: ANN401  a schema, or True
    """What stands under names of the caller's choice, where it has a shape of its own."""
    lean = {} if values is True else _lean(values, definitions)
    return {"additionalProperties": lean} if "properties" in lean else {}


def _shape(part: Json) -> Json:
    """A part of an argument by its names and types: the argument's own words tell the rest."""
    properties = {
        name: {k: v for k, v in inner.items() if k in {"type", "enum", "items"}}
        for name, inner in part["properties"].items()
    }
    wordless = {k: v for k, v in part.items() if k not in {"description", "additionalProperties"}}
    return wordless | {"properties": properties}


def _either(alternatives: list[Json], definitions: Json) -> Json:
    """Alternatives to null in one: objects with names of their own as such, others by type."""
    leans = [_lean(a, definitions) for a in alternatives if a != {"type": "null"}]
    if len(leans) > 1 and not any("properties" in lean for lean in leans):
        return _typed([name for a in leans for name in _types(a, definitions)])
    return leans[0] if len(leans) == 1 else {"anyOf": leans} if leans else {}


def _typed(types: list[str]) -> Json:
    """A schema of these types; a number may be an integer without our saying so."""
    distinct = [t for t in dict.fromkeys(types) if t != "integer" or "number" not in types]
    return {"type": distinct[0] if len(distinct) == 1 else distinct}


def _types(part: Json, definitions: Json) -> list[str]:
    if "$ref" in part:
        return _types(_meant(part["$ref"], definitions), definitions)
    if "anyOf" in part:
        return [name for a in part["anyOf"] for name in _types(a, definitions)]
    named = part["type"]
    return [named] if isinstance(named, str) else list(named)


def _meant(reference: str, definitions: Json) -> Json:
    meant: Json = definitions[reference.rpartition("/")[2]]
    return meant
