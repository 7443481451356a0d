"""Read a modelDescription.xml: FMPy parses and validates it, we keep what matters, bounded."""

from __future__ import annotations

import itertools
import math
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway_simulation.exceptions import InvalidModelDescriptionError
from gateway_simulation.foreign import hides_something, readable
from gateway_simulation.model import (
    CoSimulationInterface,
    DefaultExperiment,
    DisplayUnit,
    ModelDescription,
    ModelExchangeInterface,
    Scalar,
    Unit,
    Variable,
    VariableType,
)
from gateway_simulation.xmlguard import Outline, outline

_NAME_LENGTH: Final = 1000
_UNIT_LENGTH: Final = 100
_TEXT_LENGTH: Final = 1000
_LINE_LENGTH: Final = 300
_MODEL_NAME_LENGTH: Final = 200
_ELEMENTS: Final = 1_000_000
_PROBLEMS: Final = 10
_CHUNK: Final = 2**16
_COUNTS: Final = (0, 1_000_000)
_REFERENCES: Final = (0, 2**32 - 1)
_ITEMS: Final = (-(2**31), 2**31 - 1)
_TYPES: Final[dict[str, VariableType]] = {
    "Real": "real",
    "Boolean": "boolean",
    "String": "string",
    "Enumeration": "enumeration",
    "Binary": "binary",
    "Clock": "clock",
}
_CAUSALITIES: Final = frozenset(
    {"parameter", "calculatedParameter", "input", "output", "local", "independent"}
    | {"structuralParameter", "dependent"}
)
_VARIABILITIES: Final = frozenset({"constant", "fixed", "tunable", "discrete", "continuous"})
_INITIALS: Final = frozenset({"exact", "approx", "calculated"})
_IMPORTING: Final = threading.Lock()
"""FMPy's modules import each other: the first calls, side by side, must not meet in them."""
_BASE_UNITS: Final = ("kg", "m", "s", "A", "K", "mol", "cd", "rad")


def parse(
    xml: bytes, *, platforms: tuple[str, ...], has_sources: bool
) -> tuple[ModelDescription, tuple[str, ...]]:
    """The description in `xml`, and what of it breaks the standard, quoted from the validator.

    A document that breaks the schema but can be read is taken: many tools write such, and their
    models run. Every text is `readable` from here on, every name one that shows all it holds.
    Raises ArchiveError for a document that can't be read.
    """
    guard = outline(xml)
    raw, problems = _read(xml, guard.fmi_version)
    try:
        description = _describe(raw, guard, platforms, has_sources=has_sources)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise _invalid(error) from error
    return description, problems


def type_of(fmi_type: str) -> VariableType:
    """The reader's word for FMI's `Float32`, `UInt8`, …."""
    if fmi_type.startswith("Float"):
        return "real"
    return _TYPES.get(fmi_type, "integer")


def _read(xml: bytes, fmi_version: str) -> tuple[Any, tuple[str, ...]]:
    with _IMPORTING:
        import fmpy.validation  # type: ignore[import-untyped] # noqa: PLC0415 - reading imports it
        from fmpy.model_description import read_model_description  # type: ignore[import-untyped] # noqa: PLC0415
        from lxml import etree  # type: ignore[import-untyped] # noqa: PLC0415 - slow

    name = "fmi2" if fmi_version == "2.0" else "fmi3"
    place = Path(fmpy.__file__).parent / "schema" / name / f"{name}ModelDescription.xsd"
    schema = etree.XMLSchema(file=str(place))
    parser = etree.XMLParser(schema=schema, resolve_entities=False, no_network=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "modelDescription.xml"
        path.write_bytes(xml)
        try:
            problems = _problems(xml, parser)
            raw = read_model_description(str(path), validate=False)
        except Exception as error:  # whatever a hostile document provokes in the parser
            raise _invalid(error, problems) from error
    return raw, tuple(problems)


def _problems(xml: bytes, parser: Any) -> list[str]:  # noqa: ANN401 - lxml is untyped
    """What breaks the parser's schema, the first few.

    Validated while it is parsed, and no further than that: an error found in a whole tree costs a
    walk over its siblings, and half a million of them take hours and gigabytes.
    """
    with suppress(SyntaxError):
        for start in range(0, len(xml), _CHUNK):
            parser.feed(xml[start : start + _CHUNK])
            if len(parser.feed_error_log) > _PROBLEMS:
                break
        else:
            parser.close()
    found = itertools.islice(parser.feed_error_log, _PROBLEMS)
    return [readable(one.message, _LINE_LENGTH) for one in found]


def _invalid(error: Exception, problems: list[str] | None = None) -> InvalidModelDescriptionError:
    found = problems or [readable(str(error), _LINE_LENGTH) or type(error).__name__]
    msg = "modelDescription.xml can't be read as FMI 2.0 or 3.0"
    return InvalidModelDescriptionError(msg, {"problems": found})


def _describe(
    raw: Any,  # noqa: ANN401 - FMPy is untyped
    guard: Outline,
    platforms: tuple[str, ...],
    *,
    has_sources: bool,
) -> ModelDescription:
    if sum(len(v.declaredType.items) for v in raw.modelVariables if v.declaredType) > _ELEMENTS:
        msg = f"enumerations with more than {_ELEMENTS} items in all"
        raise ValueError(msg)
    variables = tuple(_variable(v, guard) for v in raw.modelVariables)
    if len({v.name for v in variables}) != len(variables):
        msg = "two variables have the same name"
        raise ValueError(msg)
    states = tuple(
        str(unknown.variable.derivative.name)
        for unknown in raw.derivatives
        if unknown.variable.derivative is not None
    )
    return ModelDescription(
        model_name=_text(raw.modelName, _MODEL_NAME_LENGTH) or "",
        fmi_version="2.0" if raw.fmiVersion == "2.0" else "3.0",
        guid=_name(raw.guid),
        variables=variables,
        description=_text(raw.description),
        generation_tool=_text(raw.generationTool, 200),
        default_experiment=_experiment(raw.defaultExperiment),
        co_simulation=_co_simulation(raw.coSimulation),
        model_exchange=_model_exchange(raw.modelExchange),
        states=states,
        n_states=_within(raw.numberOfContinuousStates, _COUNTS, "number of states"),
        n_event_indicators=_within(raw.numberOfEventIndicators, _COUNTS, "number of indicators"),
        units=tuple(_unit(u) for u in raw.unitDefinitions),
        platforms=platforms,
        has_sources=has_sources,
    )


def _variable(raw: Any, guard: Outline) -> Variable:  # noqa: ANN401
    kind = type_of(raw.type)
    declared = raw.declaredType
    shape = tuple(int(n) for n in raw.shape or ())
    if math.prod(shape) > _ELEMENTS or any(n < 0 for n in shape):
        msg = f"an array of shape {shape}"
        raise ValueError(msg)

    def own_or_declared(attribute: str) -> Any:  # noqa: ANN401
        own = getattr(raw, attribute)
        return getattr(declared, attribute) if own is None and declared is not None else own

    name = _name(raw.name)
    low, high = guard.bounds.get(name, (None, None))
    return Variable(
        name=name,
        value_reference=_within(raw.valueReference, _REFERENCES, "value reference"),
        causality=_word(raw.causality, _CAUSALITIES, "causality"),
        variability=_word(raw.variability, _VARIABILITIES, "variability"),
        type=kind,
        fmi_type=str(raw.type),
        unit=_unit_name(own_or_declared("unit")),
        display_unit=_unit_name(own_or_declared("displayUnit")),
        relative_quantity=name in guard.relative or bool(declared and declared.relativeQuantity),
        start=_start(raw.start, kind, array=bool(shape)),
        min=_number(low if low is not None else own_or_declared("min")),
        max=_number(high if high is not None else own_or_declared("max")),
        description=_text(raw.description, _LINE_LENGTH),
        initial=None if raw.initial is None else _word(raw.initial, _INITIALS, "initial"),
        dimensions=shape,
        dimension_references=tuple(d.valueReference for d in raw.dimensions),
        items=tuple(
            (_name(i.name), _within(i.value, _ITEMS, "enumeration item"))
            for i in (declared.items if declared else ())
        ),
    )


def _word(value: Any, known: frozenset[str], what: str) -> str:  # noqa: ANN401
    """One of the words that FMI knows: the schema isn't always obeyed."""
    if value not in known:
        msg = f"a {what} that FMI doesn't know"
        raise ValueError(msg)
    return str(value)


def _within(value: Any, bounds: tuple[int, int], what: str) -> int:  # noqa: ANN401
    number = int(value)
    if not bounds[0] <= number <= bounds[1]:
        msg = f"a {what} of {number}"
        raise ValueError(msg)
    return number


def _start(
    text: str | None, kind: VariableType, *, array: bool
) -> Scalar | tuple[Scalar, ...] | None:
    if text is None:
        return None
    if array:
        return tuple(_scalar(word, kind) for word in text.split())
    return _scalar(text, kind)


def _scalar(text: str, kind: VariableType) -> Scalar:
    match kind:
        case "real":
            return float(text)
        case "integer" | "enumeration":
            return int(text)
        case "boolean":
            return text.strip() in {"true", "1"}
    return _text(text) or ""


def _experiment(raw: Any) -> DefaultExperiment:  # noqa: ANN401
    if raw is None:
        return DefaultExperiment()
    return DefaultExperiment(
        start_time=_number(raw.startTime),
        stop_time=_number(raw.stopTime),
        tolerance=_number(raw.tolerance),
        step_size=_number(raw.stepSize),
    )


def _co_simulation(raw: Any) -> CoSimulationInterface | None:  # noqa: ANN401
    if raw is None or raw.needsExecutionTool:
        return None
    return CoSimulationInterface(
        model_identifier=_identifier(raw.modelIdentifier),
        can_handle_variable_step=bool(raw.canHandleVariableCommunicationStepSize),
        can_interpolate_inputs=bool(raw.canInterpolateInputs),
        has_event_mode=bool(raw.hasEventMode),
        fixed_internal_step_size=_number(raw.fixedInternalStepSize),
        can_be_instantiated_only_once=bool(raw.canBeInstantiatedOnlyOncePerProcess),
    )


def _model_exchange(raw: Any) -> ModelExchangeInterface | None:  # noqa: ANN401
    if raw is None or raw.needsExecutionTool:
        return None
    return ModelExchangeInterface(
        model_identifier=_identifier(raw.modelIdentifier),
        needs_completed_integrator_step=bool(raw.needsCompletedIntegratorStep),
        can_be_instantiated_only_once=bool(raw.canBeInstantiatedOnlyOncePerProcess),
    )


def _unit(raw: Any) -> Unit:  # noqa: ANN401
    base = raw.baseUnit
    return Unit(
        name=_name(raw.name, _UNIT_LENGTH),
        exponents=tuple(int(getattr(base, b)) for b in _BASE_UNITS) if base else None,
        factor=_finite(base.factor) if base else 1.0,
        offset=_finite(base.offset) if base else 0.0,
        display_units=tuple(
            DisplayUnit(_name(d.name, _UNIT_LENGTH), _finite(d.factor), _finite(d.offset))
            for d in raw.displayUnits
        ),
    )


def _identifier(text: str | None) -> str:
    """A C identifier, as FMI wants it: it becomes part of a path."""
    if text is None or not text.isascii() or not text.isidentifier():
        msg = "modelIdentifier is no C identifier"
        raise ValueError(msg)
    return text


def _number(value: str | float | None) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: str | float) -> float:
    number = float(value)
    if not math.isfinite(number):
        msg = "a number is not finite"
        raise ValueError(msg)
    return number


def _unit_name(text: str | None) -> str | None:
    return None if text is None else _name(text, _UNIT_LENGTH)


def _name(text: str | None, length: int = _NAME_LENGTH) -> str:
    """A name: it identifies, so it is refused rather than cut or cleaned."""
    if text is None or len(text) > length:
        msg = "a name is missing or too long"
        raise ValueError(msg)
    if hides_something(text):
        msg = f"a name with characters that don't show: {readable(text, _LINE_LENGTH)}"
        raise ValueError(msg)
    return text


def _text(text: str | None, length: int = _TEXT_LENGTH) -> str | None:
    """Free text: what can be read of it."""
    return None if text is None else readable(text, length)
