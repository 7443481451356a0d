"""What a run's process is told: runs of one model, reduced to value references and numbers.

It crosses the process border as bytes that `layout` describes, which the native core reads as they
are; the FMPy engine reads them with `unpack`. No name of a variable is in it.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from gateway_simulation import instants, layout
from gateway_simulation.layout import Ability, Method, Mode, Record, Type
from gateway_simulation.model import Scalar

_ALIGNMENT: Final = 8
_CODES: Final = dict(
    zip(
        (kind for kind in Type if kind not in {Type.BOOLEAN, Type.STRING}),
        "dfbBhHiIqQ",
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable to set before initialization, `structural` ones in configuration mode (FMI 3.0).

    Which values, each run says.
    """

    type: Type
    reference: int
    count: int
    structural: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """One scalar input over time [s]: an element of a group's values."""

    element: int
    hold: bool
    time: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class InputGroup:
    """Inputs set by one call: scalars of one type, or the elements of one array."""

    type: Type
    references: tuple[int, ...]
    n_values: int
    is_array: bool
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class OutputGroup:
    """Variables got by one call: which of their elements go into which columns of a row."""

    type: Type
    references: tuple[int, ...]
    n_values: int
    elements: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Everything the engine needs to know. Times in seconds.

    `runs` holds for each run the values of each of `settings`. `communication_step`, `step_size`
    and `relative_tolerance` are 0 where they don't apply.
    """

    fmi: int
    mode: Mode
    method: Method
    abilities: Ability
    start: float
    stop: float
    step: float
    communication_step: float
    step_size: float
    relative_tolerance: float
    tolerance: float
    n_states: int
    n_indicators: int
    folder: str
    library: str
    identifier: str
    token: str
    resources: str
    settings: tuple[Setting, ...]
    runs: tuple[tuple[tuple[Scalar, ...], ...], ...]
    inputs: tuple[InputGroup, ...]
    outputs: tuple[OutputGroup, ...]
    n_columns: int
    run_capacity: int
    row_capacity: int
    event_capacity: int

    @property
    def result_size(self) -> int:
        """Bytes of the block for the result."""
        return layout.result_size(
            len(self.runs), self.event_capacity, self.row_capacity, self.n_columns
        )

    def same_time(self, a: float, b: float) -> bool:
        """Whether `a` and `b` are the same instant of this run."""
        return instants.same_time(a, b, self.tolerance)


_TEXTS: Final = ("folder", "library", "identifier", "token", "resources")
_PLAIN: Final = (
    *("fmi", "mode", "method", "abilities", "start", "stop", "step", "communication_step"),
    *("step_size", "relative_tolerance", "tolerance", "n_states", "n_indicators", "n_columns"),
    *("run_capacity", "row_capacity", "event_capacity"),
)


def pack(order: Order) -> bytes:
    """The order as `layout` describes it."""
    out = _Writer()
    offsets, size = _value_places(order)
    settings = [
        layout.SETTING.pack(
            type=s.type,
            reference=s.reference,
            count=s.count,
            structural=s.structural,
            offset=offset,
        )
        for s, offset in zip(order.settings, offsets, strict=True)
    ]
    head: dict[str, Any] = {name: getattr(order, name) for name in _PLAIN}
    head |= {name: out.text(getattr(order, name)) for name in _TEXTS}
    head |= {"settings": out.put(b"".join(settings)), "n_settings": len(settings)}
    blocks = _values_blocks(order, offsets, size, out)
    head |= {"values": out.put(b"".join(blocks)), "values_size": size, "n_runs": len(blocks)}
    inputs = [_input_group(group, out) for group in order.inputs]
    head |= {"input_groups": out.put(b"".join(inputs)), "n_input_groups": len(inputs)}
    outputs = [_output_group(group, out) for group in order.outputs]
    head |= {"output_groups": out.put(b"".join(outputs)), "n_output_groups": len(outputs)}
    return out.bytes(layout.ORDER.pack(**head))


def unpack(data: bytes) -> Order:
    """The order that `pack` wrote."""
    head = layout.ORDER.unpack(data)
    settings = _records(layout.SETTING, data, head["settings"], head["n_settings"])
    return Order(
        **{
            **{name: head[name] for name in _PLAIN},
            **{name: _text(data, head[name]) for name in _TEXTS},
            "mode": Mode(head["mode"]),
            "method": Method(head["method"]),
            "abilities": Ability(head["abilities"]),
        },
        settings=tuple(
            Setting(Type(s["type"]), s["reference"], s["count"], bool(s["structural"]))
            for s in settings
        ),
        runs=tuple(
            tuple(
                _read_values(data, head["fmi"], setting, head["values"] + run * head["values_size"])
                for setting in settings
            )
            for run in range(head["n_runs"])
        ),
        inputs=tuple(
            InputGroup(
                Type(g["type"]),
                _numbers("I", data, g["references"], g["n_references"]),
                g["n_values"],
                bool(g["is_array"]),
                tuple(
                    Signal(
                        s["element"],
                        bool(s["hold"]),
                        _numbers("d", data, s["time"], s["n_points"]),
                        _numbers("d", data, s["values"], s["n_points"]),
                    )
                    for s in _records(layout.SIGNAL, data, g["signals"], g["n_signals"])
                ),
            )
            for g in _records(
                layout.INPUT_GROUP, data, head["input_groups"], head["n_input_groups"]
            )
        ),
        outputs=tuple(
            OutputGroup(
                Type(g["type"]),
                _numbers("I", data, g["references"], g["n_references"]),
                g["n_values"],
                _numbers("I", data, g["elements"], g["n_columns"]),
                _numbers("I", data, g["columns"], g["n_columns"]),
            )
            for g in _records(
                layout.OUTPUT_GROUP, data, head["output_groups"], head["n_output_groups"]
            )
        ),
    )


class _Writer:
    """Bytes after an ORDER record, each piece aligned; tells where a piece went."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = layout.ORDER.size

    def put(self, piece: bytes) -> int:
        offset = self._size
        padded = piece + bytes(-len(piece) % _ALIGNMENT)
        self._pieces.append(padded)
        self._size += len(padded)
        return offset

    def text(self, text: str) -> int:
        return self.put(text.encode() + b"\0")

    def numbers(self, code: str, values: tuple[float, ...]) -> int:
        return self.put(array(code, values).tobytes())

    def bytes(self, head: bytes) -> bytes:
        return b"".join((head, *self._pieces))


def _value_places(order: Order) -> tuple[list[int], int]:
    """Where each setting's values lie in a run's block, and the block's size."""
    offsets, size = [], 0
    for setting in order.settings:
        offsets.append(size)
        size += setting.count * struct.calcsize(_code(order.fmi, setting.type))
        size += -size % _ALIGNMENT
    return offsets, size


def _values_blocks(order: Order, offsets: list[int], size: int, out: _Writer) -> list[bytes]:
    """The values of each run."""
    form = "<"
    for setting, offset in zip(order.settings, offsets, strict=True):
        padding = offset - struct.calcsize(form)
        form += f"{padding}x{setting.count}{_code(order.fmi, setting.type)}"
    block = struct.Struct(f"{form}{size - struct.calcsize(form)}x")
    runs: Iterable[Iterable[tuple[Scalar, ...]]] = order.runs
    if any(setting.type is Type.STRING for setting in order.settings):
        runs = (_placed(order, run, out) for run in order.runs)
    return [block.pack(*chain.from_iterable(run)) for run in runs]


def _placed(
    order: Order, run: tuple[tuple[Scalar, ...], ...], out: _Writer
) -> list[tuple[Scalar, ...]]:
    """The values of a run with the places of its texts."""
    return [
        tuple(out.text(str(v)) for v in values) if setting.type is Type.STRING else values
        for setting, values in zip(order.settings, run, strict=True)
    ]


def _read_values(data: bytes, fmi: int, setting: dict[str, int], block: int) -> tuple[Scalar, ...]:
    kind = Type(setting["type"])
    form = f"<{setting['count']}{_code(fmi, kind)}"
    found = struct.unpack_from(form, data, block + setting["offset"])
    if kind is Type.STRING:
        return tuple(_text(data, place) for place in found)
    return tuple(bool(value) for value in found) if kind is Type.BOOLEAN else found


def _code(fmi: int, kind: Type) -> str:
    """How `struct` spells the C type that FMI sets it by; a text is the place where it stands."""
    match kind:
        case Type.BOOLEAN:
            return "?" if fmi == 3 else "i"  # noqa: PLR2004 - FMI 3.0
        case Type.STRING:
            return "Q"
    return _CODES[kind]


def _input_group(group: InputGroup, out: _Writer) -> bytes:
    signals = b"".join(
        layout.SIGNAL.pack(
            element=signal.element,
            hold=signal.hold,
            n_points=len(signal.time),
            time=out.numbers("d", signal.time),
            values=out.numbers("d", signal.values),
        )
        for signal in group.signals
    )
    return layout.INPUT_GROUP.pack(
        type=group.type,
        n_references=len(group.references),
        n_values=group.n_values,
        is_array=group.is_array,
        references=out.numbers("I", group.references),
        signals=out.put(signals),
        n_signals=len(group.signals),
    )


def _output_group(group: OutputGroup, out: _Writer) -> bytes:
    return layout.OUTPUT_GROUP.pack(
        type=group.type,
        n_references=len(group.references),
        n_values=group.n_values,
        n_columns=len(group.columns),
        references=out.numbers("I", group.references),
        elements=out.numbers("I", group.elements),
        columns=out.numbers("I", group.columns),
    )


def _records(record: Record, data: bytes, offset: int, count: int) -> list[dict[str, Any]]:
    return [record.unpack(data, offset + i * record.size) for i in range(count)]


def _numbers(code: str, data: bytes, offset: int, count: int) -> tuple[Any, ...]:
    return struct.unpack_from(f"<{count}{code}", data, offset)


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
