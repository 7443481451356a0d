"""The order of a run and its result, as they lie in memory that the server shares with a process.

This is the one description of both: Python packs and unpacks by it, and `c_header` is what the
native core is compiled with. Only the standard library: it also serves where a wheel is built.

Everything is little-endian and naturally aligned. An order is an `ORDER` record and what its
offsets (bytes from the order's start) lead to. A result block is sealed to its size by the server:

    RESULT                       once
    LOG_LINES x LOG_LENGTH       bytes: message i of the model in place i % LOG_LINES, NUL-ended
    RUN                          for each run of the order
    float64                      event_capacity times [s] of events, one run's after another's
    float64                      row_capacity rows: time [s], then the columns in order

The server copies the block once the process has ended, and believes nothing in it that it can't
check.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

MAGIC: Final = b"FMUGATE2"
"""Written last, into a run's record once it ended and into RESULT once all did."""

LOG_LINES: Final = 32
LOG_LENGTH: Final = 304
MAX_EVENTS: Final = 10_000
"""Times of events that one run records; beyond they are only counted."""
OUTPUT_BYTES: Final = 64 * 1024
"""What a run may write to its standard output and error."""

_SIZES: Final = {"I": 4, "i": 4, "Q": 8, "d": 8}
_C_TYPES: Final = {"I": "uint32_t", "i": "int32_t", "Q": "uint64_t", "d": "double"}


class Mode(IntEnum):
    """How the FMU is run."""

    CO_SIMULATION = 0
    MODEL_EXCHANGE = 1


class Method(IntEnum):
    """What integrates in Model Exchange."""

    NONE = 0
    CVODE = 1
    EULER = 2
    RK4 = 3


class Ability(IntFlag):
    """What the FMU can do and wants."""

    COMPLETED_STEP = 1
    VARIABLE_STEP = 2
    INPUT_DERIVATIVES = 4
    EVENT_MODE = 8
    RESETS = 16


class Type(IntEnum):
    """FMI 3.0's types; an FMI 2.0 Real is FLOAT64, an Integer or Enumeration INT32."""

    FLOAT64 = 0
    FLOAT32 = 1
    INT8 = 2
    UINT8 = 3
    INT16 = 4
    UINT16 = 5
    INT32 = 6
    UINT32 = 7
    INT64 = 8
    UINT64 = 9
    BOOLEAN = 10
    STRING = 11


class Status(IntEnum):
    """How a run ended, as its process says."""

    OK = 0
    MODEL_FAILED = 1
    MODEL_TERMINATED = 2
    EVENT_ITERATION = 3
    STEP_REFUSED = 4
    SOLVER_FAILED = 5
    NON_FINITE = 6
    TOO_MANY_EVENTS = 7
    OUT_OF_MEMORY = 8
    ENGINE_FAILED = 9
    LOAD_FAILED = 10
    INSTANTIATION_FAILED = 11


class Quantity(IntEnum):
    """What a failure is about; its index counts columns or states."""

    NONE = 0
    TIME = 1
    COLUMN = 2
    STATE = 3
    DERIVATIVE = 4


class Tier(IntEnum):
    """How well a run is confined; `jail.h` says what each means."""

    DEVELOPMENT = 1
    STANDARD = 2
    STRONG = 3


class Field(NamedTuple):
    """One member of a record: `code` as `struct` spells it."""

    name: str
    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Record:
    """A C struct without padding."""

    name: str
    fields: tuple[Field, ...]
    form: struct.Struct

    @property
    def size(self) -> int:
        """Bytes."""
        return self.form.size

    def pack(self, **values: Any) -> bytes:  # noqa: ANN401 - numbers and bytes
        """The record with these values; all must be given."""
        return self.form.pack(*(values.pop(field.name) for field in self.fields))

    def unpack(self, data: bytes, offset: int = 0) -> dict[str, Any]:
        """The values of the record at `offset`."""
        found = self.form.unpack_from(data, offset)
        return {field.name: value for field, value in zip(self.fields, found, strict=True)}

    def c_struct(self) -> str:
        """The same in C."""
        lines = [f"    {_declaration(f)};  /* {f.meaning} */" for f in self.fields]
        return "\n".join(["typedef struct {", *lines, f"}} {self.name};"])


def _record(name: str, *fields: tuple[str, str, str]) -> Record:
    made = tuple(Field(*field) for field in fields)
    form = struct.Struct("<" + "".join(field.code for field in made))
    offset = 0
    for field in made:
        size = _SIZES.get(field.code)
        if size is not None and offset % size:
            msg = f"{name}.{field.name} is not aligned"
            raise ValueError(msg)
        offset += struct.calcsize(field.code)
    if offset % 8:
        msg = f"{name} is not a multiple of 8 bytes"
        raise ValueError(msg)
    return Record(name, made, form)


ORDER: Final = _record(
    "Order",
    ("fmi", "I", "2 or 3"),
    ("mode", "I", "Mode"),
    ("method", "I", "Method"),
    ("abilities", "I", "Ability"),
    ("start", "d", "s"),
    ("stop", "d", "s"),
    ("step", "d", "interval between rows [s]"),
    ("communication_step", "d", "Co-Simulation [s]"),
    ("step_size", "d", "Euler and RK4 [s]"),
    ("relative_tolerance", "d", "0: none"),
    ("tolerance", "d", "instants nearer than this are the same [s]"),
    ("n_states", "Q", "continuous states, FMI 2.0"),
    ("n_indicators", "Q", "event indicators, FMI 2.0"),
    ("folder", "Q", "text: the extracted FMU"),
    ("library", "Q", "text: path of its shared library"),
    ("identifier", "Q", "text: modelIdentifier"),
    ("token", "Q", "text: guid or instantiationToken"),
    ("resources", "Q", "text: resources as the FMI version wants them"),
    ("settings", "Q", "Setting[n_settings]"),
    ("n_settings", "Q", ""),
    ("values", "Q", "n_runs blocks of values to set"),
    ("values_size", "Q", "bytes of one block"),
    ("input_groups", "Q", "InputGroup[n_input_groups]"),
    ("n_input_groups", "Q", ""),
    ("output_groups", "Q", "OutputGroup[n_output_groups]"),
    ("n_output_groups", "Q", ""),
    ("n_columns", "Q", "columns of a row, time not counted"),
    ("n_runs", "Q", ""),
    ("run_capacity", "Q", "rows that one run may have"),
    ("row_capacity", "Q", "rows of the block"),
    ("event_capacity", "Q", "events of the block"),
)

SETTING: Final = _record(
    "Setting",
    ("type", "I", "Type"),
    ("reference", "I", "value reference"),
    ("count", "I", "elements"),
    ("structural", "I", "set in configuration mode"),
    ("offset", "Q", "in each run's block of values, in the C type that FMI sets it by"),
)

INPUT_GROUP: Final = _record(
    "InputGroup",
    ("type", "I", "Type"),
    ("n_references", "I", "variables set by one call"),
    ("n_values", "I", "their elements"),
    ("is_array", "I", "elements that no signal drives keep their start"),
    ("references", "Q", "uint32_t[n_references]"),
    ("signals", "Q", "Signal[n_signals]"),
    ("n_signals", "Q", ""),
)

SIGNAL: Final = _record(
    "Signal",
    ("element", "I", "among the group's values"),
    ("hold", "I", "each value until the next time; otherwise linear in between"),
    ("n_points", "Q", ""),
    ("time", "Q", "double[n_points] [s], strictly increasing"),
    ("values", "Q", "double[n_points]"),
)

OUTPUT_GROUP: Final = _record(
    "OutputGroup",
    ("type", "I", "Type"),
    ("n_references", "I", "variables got by one call"),
    ("n_values", "I", "their elements"),
    ("n_columns", "I", "columns that they fill"),
    ("references", "Q", "uint32_t[n_references]"),
    ("elements", "Q", "uint32_t[n_columns]: among the group's values"),
    ("columns", "Q", "uint32_t[n_columns]: of the row"),
)

RUN: Final = _record(
    "RunRecord",
    ("magic", "8s", "written last"),
    ("status", "I", "Status"),
    ("fmi_status", "i", "what a failed call returned"),
    ("quantity", "I", "Quantity that isn't finite"),
    ("terminated", "I", "the model ended the run by itself, at `time`"),
    ("index", "Q", "of the column, state or derivative"),
    ("time", "d", "of failure or end [s]; NaN where unknown"),
    ("bound", "d", "that was met: iterations, rows, a step [s]"),
    ("first_row", "Q", ""),
    ("rows", "Q", ""),
    ("first_event", "Q", ""),
    ("events", "Q", "met; at most MAX_EVENTS of them are recorded"),
    ("steps", "Q", "of the solver, or of Co-Simulation"),
    ("evaluations", "Q", "of the right-hand side"),
    ("function", "64s", "FMI function that failed"),
    ("reason", "256s", "the solver's or the loader's words"),
)

RESULT: Final = _record(
    "Result",
    ("magic", "8s", "written last"),
    ("runs", "Q", "that ended"),
    ("messages", "Q", "of the model, of which the last LOG_LINES are kept"),
    ("rows", "Q", "of all runs, told while they go on"),
)

ASSIGNMENT: Final = _record(
    "Assignment",
    ("timeout", "d", "s"),
    ("memory", "Q", "bytes that the run may take beyond what the empty process has"),
    ("cpu", "Q", "processor time that its process may take, s"),
    ("model", "1008s", "folder of the extracted FMU"),
    ("folder", "1008s", "to work in, where the jail has none of its own"),
)
"""What a zygote is told of an order, with four descriptors: the order, the result, a block for
output, and a socket for the answer."""

ENDING: Final = _record(
    "Ending",
    ("signal", "i", "that ended the process; 0: none"),
    ("exit_status", "i", "-1 where a signal ended it"),
    ("timed_out", "I", "it was ended at its deadline"),
    ("confined", "I", "it had given up all but computing, and came to run its model"),
    ("peak_bytes", "Q", "of memory"),
    ("cpu", "d", "processor time of all its threads, s"),
)
"""What a zygote answers, once."""

_RECORDS: Final = (
    *(ASSIGNMENT, ENDING, ORDER, SETTING),
    *(INPUT_GROUP, SIGNAL, OUTPUT_GROUP, RUN, RESULT),
)
JAIL_MODEL: Final = "/model"
"""Where a process confined as STRONG sees the extracted FMU, or a compiler its sources."""
JAIL_WORK: Final = "/work"
"""Where it works."""

_NUMBERS: Final = {"LOG_LINES": LOG_LINES, "LOG_LENGTH": LOG_LENGTH, "MAX_EVENTS": MAX_EVENTS}

LOG_OFFSET: Final = RESULT.size
RUNS_OFFSET: Final = LOG_OFFSET + LOG_LINES * LOG_LENGTH


def events_offset(n_runs: int) -> int:
    """Where a result's events begin."""
    return RUNS_OFFSET + n_runs * RUN.size


def rows_offset(n_runs: int, event_capacity: int) -> int:
    """Where a result's rows begin."""
    return events_offset(n_runs) + 8 * event_capacity


def result_size(n_runs: int, event_capacity: int, row_capacity: int, columns: int) -> int:
    """Bytes of a result block."""
    return rows_offset(n_runs, event_capacity) + 8 * row_capacity * (1 + columns)


def c_header() -> str:
    """The same in C, `layout.h` of the native core."""
    lines = [
        "/* Made from layout.py, which describes it. */",
        "#ifndef LAYOUT_H",
        "#define LAYOUT_H",
        "#include <stdint.h>",
        f'#define MAGIC "{MAGIC.decode()}"',
        f'#define JAIL_MODEL "{JAIL_MODEL}"',
        f'#define JAIL_WORK "{JAIL_WORK}"',
        *(f"#define {name} {value}" for name, value in _NUMBERS.items()),
        *(_c_enum(kind) for kind in (Mode, Method, Ability, Type, Status, Quantity, Tier)),
        *(record.c_struct() for record in _RECORDS),
        *(f'_Static_assert(sizeof({r.name}) == {r.size}, "{r.name}");' for r in _RECORDS),
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _c_enum(kind: type[IntEnum | IntFlag]) -> str:
    prefix = kind.__name__.upper()
    members = ", ".join(f"{prefix}_{member.name} = {member.value}" for member in kind)
    return f"enum {{ {members} }};"


def _declaration(field: Field) -> str:
    if field.code.endswith("s"):
        return f"char {field.name}[{field.code[:-1]}]"
    return f"{_C_TYPES[field.code]} {field.name}"
