"""Orders cross the border between Python and the core unharmed: layout, types, and no growth."""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import in_process
import pytest
from fmus import compiled
from hypothesis import given
from hypothesis import strategies as st

from gateway_simulation import layout
from gateway_simulation.launch import order_for
from gateway_simulation.layout import Ability, Method, Mode, Status, Type
from gateway_simulation.model import Model, Scalar
from gateway_simulation.order import (
    InputGroup,
    Order,
    OutputGroup,
    Setting,
    Signal,
    pack,
    unpack,
)
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator

Planner = Callable[..., CanonicalRun]

_SMALL: Final = st.integers(0, 2**32 - 1)
_LARGE: Final = st.integers(0, 2**64 - 1)
_NUMBERS: Final = st.floats(allow_nan=False)
_TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_BITS: Final = {
    Type.INT8: (-(2**7), 2**7 - 1),
    Type.UINT8: (0, 2**8 - 1),
    Type.INT16: (-(2**15), 2**15 - 1),
    Type.UINT16: (0, 2**16 - 1),
    Type.INT32: (-(2**31), 2**31 - 1),
    Type.UINT32: (0, 2**32 - 1),
    Type.INT64: (-(2**63), 2**63 - 1),
    Type.UINT64: (0, 2**64 - 1),
}


def _values(kind: Type) -> st.SearchStrategy[Any]:
    match kind:
        case Type.FLOAT64:
            return _NUMBERS
        case Type.FLOAT32:
            return st.floats(allow_nan=False, width=32)
        case Type.BOOLEAN:
            return st.booleans()
        case Type.STRING:
            return _TEXTS
    return st.integers(*_BITS[kind])


def _tuples(of: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


@st.composite
def _signals(draw: st.DrawFn) -> Signal:
    points = draw(st.integers(0, 4))
    exactly = st.lists(_NUMBERS, min_size=points, max_size=points).map(tuple)
    return Signal(draw(_SMALL), draw(st.booleans()), draw(exactly), draw(exactly))


@st.composite
def _outputs(draw: st.DrawFn) -> OutputGroup:
    columns = draw(st.integers(0, 4))
    exactly = st.lists(_SMALL, min_size=columns, max_size=columns).map(tuple)
    kind = draw(st.sampled_from(Type))
    return OutputGroup(kind, draw(_tuples(_SMALL)), draw(_SMALL), draw(exactly), draw(exactly))


_INPUTS: Final = st.builds(
    InputGroup, st.sampled_from(Type), _tuples(_SMALL), _SMALL, st.booleans(), _tuples(_signals())
)


@st.composite
def _orders(draw: st.DrawFn) -> Order:
    settings = draw(
        _tuples(st.builds(Setting, st.sampled_from(Type), _SMALL, st.integers(0, 3), st.booleans()))
    )
    runs = st.tuples(
        *(st.tuples(*(_values(setting.type) for _ in range(setting.count))) for setting in settings)
    )
    numbers = {
        **dict.fromkeys(("start", "stop", "step", "communication_step", "step_size"), _NUMBERS),
        **dict.fromkeys(("relative_tolerance", "tolerance"), _NUMBERS),
        **dict.fromkeys(("n_states", "n_indicators", "n_columns"), _LARGE),
        **dict.fromkeys(("run_capacity", "row_capacity", "event_capacity"), _LARGE),
        **dict.fromkeys(("folder", "library", "identifier", "token", "resources"), _TEXTS),
    }
    plain: dict[str, Any] = {name: draw(of) for name, of in numbers.items()}
    return Order(
        fmi=draw(st.sampled_from([2, 3])),
        mode=draw(st.sampled_from(Mode)),
        method=draw(st.sampled_from(Method)),
        abilities=Ability(draw(st.integers(0, 31))),
        settings=settings,
        runs=tuple(draw(st.lists(runs, max_size=3))),
        inputs=draw(_tuples(_INPUTS, 2)),
        outputs=draw(_tuples(_outputs(), 2)),
        **plain,
    )


@given(_orders())
def test_an_order_comes_out_as_it_went_in(order: Order) -> None:
    assert unpack(pack(order)) == order


@given(_orders())
def test_each_piece_of_an_order_is_aligned_and_inside(order: Order) -> None:
    data = pack(order)
    head = layout.ORDER.unpack(data)
    places = ("folder", "library", "settings", "values", "input_groups", "output_groups")
    for name in places:
        assert head[name] % 8 == 0
        assert layout.ORDER.size <= head[name] <= len(data)
    assert len(data) % 8 == 0


_FLOAT32: Final = struct.unpack("<f", struct.pack("<f", 0.1))[0]
_EXTREMES: Final[list[tuple[str, Scalar]]] = [
    ("Float64_continuous", 1.7976931348623157e308),
    ("Float64_continuous", -5e-324),
    ("Float32_continuous", _FLOAT32),
    *((f"Int{n}", -(2 ** (n - 1))) for n in (8, 16, 32)),
    *((f"Int{n}", 2 ** (n - 1) - 1) for n in (8, 16, 32)),
    *((f"UInt{n}", 2**n - 1) for n in (8, 16, 32)),
    ("Int64", -(2**63)),
    ("Int64", 2**53),
    ("UInt64", 2**63),
    ("Boolean", True),
    ("Enumeration", 2),
]


@pytest.mark.parametrize(("name", "value"), _EXTREMES)
def test_a_start_value_of_each_type_comes_back_as_output(
    name: str,
    value: Scalar,
    reference: Callable[[str], Model],
    planned: Planner,
    simulator: Simulator,
) -> None:
    model = reference("fmi3/Feedthrough")
    run = planned(model, start_values={f"{name}_input": value}, outputs=[f"{name}_output"])
    assert simulator.run(run).column(f"{name}_output")[0] == value


@pytest.mark.parametrize(("name", "most"), [("Int64", 2**63 - 1), ("UInt64", 2**64 - 1)])
def test_the_largest_integers_do_not_wrap_around_as_signals(
    name: str,
    most: int,
    reference: Callable[[str], Model],
    planned: Planner,
    simulator: Simulator,
) -> None:
    signal = {"name": f"{name}_input", "time": [0, 1], "values": [most, 0]}
    run = planned(reference("fmi3/Feedthrough"), input_signals=[signal], outputs=[f"{name}_output"])
    assert simulator.run(run).column(f"{name}_output")[0] == float(most)


def _ran(order: Order) -> tuple[int, Status, int]:
    """How many runs ended, how the first did, and by how much the process grew besides [kB]."""
    data = pack(order)
    with mmap.mmap(-1, order.result_size) as result, mmap.mmap(-1, len(data)) as given_order:
        given_order.write(data)
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            in_process.load_sundials()
            before = _anonymous_kb()
            in_process.run(given_order, result)
            os.write(theirs, str(_anonymous_kb() - before).encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as told:
            grown = int(told.read())
        os.waitpid(pid, 0)
        first = layout.RUN.unpack(result[: order.result_size], layout.RUNS_OFFSET)
        head = layout.RESULT.unpack(result[: layout.RESULT.size])
        return head["runs"], Status(first["status"]), grown


def _most_grown(order: Order) -> tuple[int, int]:
    """How many runs ended, and the growth [kB]: the kernel takes pages back at times, huge ones."""
    tries = [_ran(order) for _ in range(3)]
    return tries[0][0], max(grown for _, _, grown in tries)


def _anonymous_kb() -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - after fork
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def _batch(order: Order, count: int) -> Order:
    rows = math.ceil((order.stop - order.start) / order.step) + 50
    return replace(
        order,
        runs=order.runs * count,
        row_capacity=order.run_capacity + (count - 1) * rows,
        event_capacity=layout.MAX_EVENTS + (count - 1) * 50,
    )


@pytest.mark.parametrize("abilities", [Ability(0), Ability.RESETS])
@pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])
def test_a_process_does_not_grow_with_its_runs(
    mode: str,
    abilities: Ability,
    installed: Callable[[bytes], Model],
    planned: Planner,
    engine: str,
) -> None:
    if engine != "native" or not compiled.available():
        pytest.skip("about the core")
    order = order_for([planned(installed(compiled.trap("harmless", "3.0")), mode=mode)])
    order = replace(order, abilities=order.abilities | abilities)
    _, few = _most_grown(_batch(order, 10))
    count, many = _most_grown(_batch(order, 2000))
    assert count == 2000
    assert many - few < 500


def test_a_result_that_is_exactly_full_is_no_error(
    installed: Callable[[bytes], Model], planned: Planner, engine: str
) -> None:
    if engine != "native" or not compiled.available():
        pytest.skip("about the core")
    order = order_for([planned(installed(compiled.trap("harmless", "3.0")), mode="co_simulation")])
    full = replace(order, run_capacity=11, row_capacity=11)
    assert _ran(full)[:2] == (1, Status.OK)
    assert _ran(replace(full, run_capacity=10))[:2] == (1, Status.TOO_MANY_EVENTS)
