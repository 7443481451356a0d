"""Generated text: the model description of FMI 2.0 and 3.0, and the header that the C code sees.

Only the standard library: this also runs where a wheel is built, before anything is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gateway_library.sources import CATEGORIES, DeclaredVariable, FmiVersion, ModelSource

TOOL: Final = "FMU Gateway"
_FMI2_TYPES: Final = {
    "real": "Real",
    "integer": "Integer",
    "boolean": "Boolean",
    "enumeration": "Enumeration",
    "string": "String",
}
_FMI3_TYPES: Final = {**_FMI2_TYPES, "real": "Float64", "integer": "Int32", "size": "UInt64"}


def token(source_sha256: str) -> str:
    """The GUID (FMI 2.0) or instantiation token (FMI 3.0) of a build: part of its source's hash."""
    h = source_sha256
    return f"{{{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}}}"


def model_description(
    model: ModelSource, version: FmiVersion, source_files: Iterable[str]
) -> bytes:
    """`modelDescription.xml`. FMI 2.0 lists `source_files` in it, FMI 3.0 beside them."""
    root = _fmi2(model, source_files) if version == "2.0" else _fmi3(model)
    return _document(root)


def build_description(model: ModelSource, source_files: Iterable[str]) -> bytes:
    """`sources/buildDescription.xml` of FMI 3.0 (section 2.5.1.3)."""
    root = Element("fmiBuildDescription", fmiVersion="3.0")
    build = SubElement(root, "BuildConfiguration", modelIdentifier=model.identifier)
    files = SubElement(build, "SourceFileSet", language="C11")
    for name in source_files:
        SubElement(files, "SourceFile", name=name)
    SubElement(build, "Library", name="m", external="true")
    return _document(root)


def header(model: ModelSource, source_sha256: str) -> str:
    """`description.h`: the variables as a C struct, and tables by value reference."""
    fields = "\n".join(f"        double {_field(v, model)};" for v in model.numbers)
    texts = "\n".join(f"        char {variable.field}[TEXT_SIZE];" for variable in model.strings)
    texts_at_start = ", ".join(_quoted(str(v.start or "")) for v in model.strings) or '""'
    rows = "\n".join(_row(variable, model) for variable in model.variables)
    states = [slot for state in model.states for slot in model.slots(state)]
    return f"""/* Made from model.toml. */
#define MODEL_TOKEN "{token(source_sha256)}"
#define N_NUMBERS {len(model.numbers)}
#define N_STRINGS {len(model.strings)}
#define N_VARIABLES (N_NUMBERS + N_STRINGS)
#define N_VALUES {sum(model.room(v) for v in model.numbers)}
#define N_STATES {len(states)}
#define N_INDICATORS {len(model.indicators)}
#define HAS_EVENTS {int(model.has_events)}
#define HAS_INITIAL {int(model.has_initial)}

typedef struct {{
    union {{
        struct {{
{fields}
        }};
        double value[N_VALUES];
    }};
    union {{
        struct {{
{texts or "        char no_text;"}
        }};
        char text[{len(model.strings) or 1}][TEXT_SIZE];
    }};
}} Variables;

#ifdef GATEWAY_STATE_H
static const Declared DECLARED[N_VARIABLES] = {{
{rows}
}};
static const char *const TEXTS[] = {{{texts_at_start}}};
static const double STARTS[N_VALUES] = {{{_starts(model)}}};
{_table("double", "LARGEST_SIZE", [(v.max or 0) * v.is_structural for v in model.numbers])}
{_table("unsigned", "STATES", states)}
{_table("unsigned", "STATE_VARIABLES", [v.reference for v in model.states for _ in model.slots(v)])}
{_table("unsigned", "DERIVATIVES", [i for v in model.derivatives for i in model.slots(v)])}
{_table("unsigned", "INDICATORS", [i for v in model.indicators for i in model.slots(v)])}
{_table("double", "NOMINALS", [v.nominal for v in model.states for _ in model.slots(v)])}
#endif
"""


def _field(variable: DeclaredVariable, model: ModelSource) -> str:
    return variable.field + (f"[{model.room(variable)}]" if variable.dimensions else "")


def _starts(model: ModelSource) -> str:
    """The numbers that don't start with 0, each with its place."""
    placed = [
        f"[{slot}] = {_number(start)}"
        for variable in model.numbers
        for slot, start in zip(model.slots(variable), variable.starts, strict=False)
        if start
    ]
    return ", ".join(placed) or "0"


def _row(variable: DeclaredVariable, model: ModelSource) -> str:
    flags = [
        name
        for name, holds in (
            ("IS_INPUT", variable.causality == "input"),
            ("IS_TUNABLE", variable.variability == "tunable"),
            ("HAS_START", variable.initial == "exact" and not variable.is_structural),
            ("IS_DISCRETE", variable.variability == "discrete"),
            ("IS_STRUCTURAL", variable.is_structural),
        )
        if holds
    ]
    references = {v.name: v.reference for v in model.variables}
    sizes = [references[name] for name in variable.dimensions]
    slots = range(0) if variable.type == "string" else model.slots(variable)
    numbers = f"{slots.start}, {len(slots)}, {len(sizes)}, {{{', '.join(map(str, sizes or [0]))}}}"
    return f"    {{{variable.type.upper()}, {' | '.join(flags) or '0'}, {numbers}}},"


def _quoted(text: str) -> str:
    """A C string: each byte that C could read otherwise is an octal escape."""
    plain = re.compile(rb"[A-Za-z0-9 .,:;!()_/+-]")
    characters = (bytes([byte]) for byte in text.encode())
    return (
        '"' + "".join(c.decode() if plain.match(c) else f"\\{c[0]:03o}" for c in characters) + '"'
    )


def _table(kind: str, name: str, values: Iterable[float]) -> str:
    """An array; with one element where there is none, since C has no empty ones."""
    text = ", ".join(_number(value) for value in values)
    return f"static const {kind} {name}[] = {{{text or '0'}}};"


def _fmi2(model: ModelSource, source_files: Iterable[str]) -> Element:
    root = Element(
        "fmiModelDescription",
        fmiVersion="2.0",
        modelName=model.name,
        guid=token(model.sha256("2.0")),
        description=model.description,
        generationTool=TOOL,
        variableNamingConvention="structured",
        numberOfEventIndicators=str(len(model.indicators)),
    )
    shared = {
        "modelIdentifier": model.identifier,
        "canNotUseMemoryManagementFunctions": "true",
        "canGetAndSetFMUstate": "true",
        "canSerializeFMUstate": "true",
    }
    exchange = SubElement(
        root, "ModelExchange", {**shared, "completedIntegratorStepNotNeeded": "true"}
    )
    stepping = SubElement(
        root, "CoSimulation", {**shared, "canHandleVariableCommunicationStepSize": "true"}
    )
    for kind in (exchange, stepping):
        files = SubElement(kind, "SourceFiles")
        for name in source_files:
            SubElement(files, "File", name=name)
    _units(root, model.units)
    _enumerations(root, model, "2.0")
    _log_categories(root)
    _experiment(root, model)
    variables = SubElement(root, "ModelVariables")
    for variable in model.variables:
        _fmi2_variable(variables, variable, model)
    structure = SubElement(root, "ModelStructure")
    for group, members in (
        ("Outputs", _outputs(model)),
        ("Derivatives", model.derivatives),
        ("InitialUnknowns", _initial_unknowns(model)),
    ):
        if members:
            parent = SubElement(structure, group)
            for member in members:
                SubElement(parent, "Unknown", index=str(member.reference + 1))
    return root


def _attributes(variable: DeclaredVariable) -> dict[str, str]:
    """What both versions of FMI say of a variable, in the same words."""
    attributes = {
        "name": variable.name,
        "valueReference": str(variable.reference),
        "description": variable.description,
        "causality": variable.causality,
        "variability": variable.variability,
    }
    if variable.initial:
        attributes["initial"] = variable.initial
    return attributes


def _fmi2_variable(parent: Element, variable: DeclaredVariable, model: ModelSource) -> None:
    scalar = SubElement(parent, "ScalarVariable", _attributes(variable))
    inner = _value_attributes(variable)
    state = _state_of(variable, model)
    if state is not None:
        inner["derivative"] = str(state.reference + 1)
    if variable.reinit:
        inner["reinit"] = "true"
    if variable.type == "string" and variable.start is not None:
        inner["start"] = str(variable.start)
    SubElement(scalar, _FMI2_TYPES[variable.type], inner)


def _fmi3(model: ModelSource) -> Element:
    root = Element(
        "fmiModelDescription",
        fmiVersion="3.0",
        modelName=model.name,
        instantiationToken=token(model.sha256("3.0")),
        description=model.description,
        generationTool=TOOL,
        variableNamingConvention="structured",
    )
    shared = {
        "modelIdentifier": model.identifier,
        "canGetAndSetFMUState": "true",
        "canSerializeFMUState": "true",
    }
    SubElement(root, "ModelExchange", {**shared, "needsCompletedIntegratorStep": "false"})
    stepping = {"canHandleVariableCommunicationStepSize": "true", "hasEventMode": "true"}
    SubElement(root, "CoSimulation", {**shared, **stepping})
    _units(root, model.units)
    _enumerations(root, model, "3.0")
    _log_categories(root)
    _experiment(root, model)
    variables = SubElement(root, "ModelVariables")
    for variable in model.variables:
        _fmi3_variable(variables, variable, model)
    structure = SubElement(root, "ModelStructure")
    for element, members in (
        ("Output", _outputs(model)),
        ("ContinuousStateDerivative", model.derivatives),
        ("InitialUnknown", _initial_unknowns(model)),
        ("EventIndicator", model.indicators),
    ):
        for member in members:
            SubElement(structure, element, valueReference=str(member.reference))
    return root


def _fmi3_variable(parent: Element, variable: DeclaredVariable, model: ModelSource) -> None:
    attributes = _attributes(variable) | _value_attributes(variable)
    state = _state_of(variable, model)
    if state is not None:
        attributes["derivative"] = str(state.reference)
    if variable.reinit:
        attributes["reinit"] = "true"
    element = SubElement(parent, _FMI3_TYPES[variable.type], attributes)
    references = {v.name: v.reference for v in model.variables}
    for name in variable.dimensions:
        SubElement(element, "Dimension", valueReference=str(references[name]))
    if variable.type == "string" and variable.start is not None:
        SubElement(element, "Start", value=str(variable.start))


def _value_attributes(variable: DeclaredVariable) -> dict[str, str]:
    attributes = {}
    if variable.enumeration:
        attributes["declaredType"] = variable.enumeration
    if variable.unit:
        attributes["unit"] = variable.unit
    for name, value in (("min", variable.min), ("max", variable.max)):
        if value is not None:
            attributes[name] = _value(variable, value)
    if variable.derivative:
        attributes["nominal"] = _number(variable.nominal)
    if variable.starts:
        attributes["start"] = " ".join(_value(variable, start) for start in variable.starts)
    return attributes


def _value(variable: DeclaredVariable, value: float) -> str:
    if variable.type == "boolean":
        return "true" if value else "false"
    return _number(value) if variable.type == "real" else str(int(value))


def _state_of(variable: DeclaredVariable, model: ModelSource) -> DeclaredVariable | None:
    return next((state for state in model.states if state.derivative == variable.name), None)


def _outputs(model: ModelSource) -> tuple[DeclaredVariable, ...]:
    return tuple(v for v in model.variables if v.causality == "output")


def _initial_unknowns(model: ModelSource) -> tuple[DeclaredVariable, ...]:
    """Calculated outputs, states and derivatives (FMI 2.0.4, section 2.2.8), by value reference."""
    candidates = {v.reference: v for v in (*_outputs(model), *model.states, *model.derivatives)}
    return tuple(v for _, v in sorted(candidates.items()) if v.initial == "calculated")


def _units(root: Element, units: Mapping[str, Mapping[str, Any]]) -> None:
    definitions = SubElement(root, "UnitDefinitions")
    for name, parts in units.items():
        unit = SubElement(definitions, "Unit", name=name)
        base = {key: str(value) for key, value in parts.items() if key != "display"}
        SubElement(unit, "BaseUnit", base)
        for shown, factor in parts.get("display", {}).items():
            SubElement(unit, "DisplayUnit", name=shown, factor=_number(factor))


def _enumerations(root: Element, model: ModelSource, version: FmiVersion) -> None:
    if not model.enumerations:
        return
    types = SubElement(root, "TypeDefinitions")
    for name, items in model.enumerations.items():
        if version == "2.0":
            parent = SubElement(SubElement(types, "SimpleType", name=name), "Enumeration")
        else:
            parent = SubElement(types, "EnumerationType", name=name)
        for number, (item, description) in enumerate(items.items(), start=1):
            SubElement(parent, "Item", name=item, value=str(number), description=description)


def _log_categories(root: Element) -> None:
    categories = SubElement(root, "LogCategories")
    for name, description in CATEGORIES.items():
        SubElement(categories, "Category", name=name, description=description)


def _experiment(root: Element, model: ModelSource) -> None:
    SubElement(
        root,
        "DefaultExperiment",
        startTime=_number(model.experiment.start),
        stopTime=_number(model.experiment.stop),
        tolerance=_number(model.experiment.tolerance),
        stepSize=_number(model.experiment.step),
    )


def _number(value: float) -> str:
    return repr(value)


def _document(root: Element) -> bytes:
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
