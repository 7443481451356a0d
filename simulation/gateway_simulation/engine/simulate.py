"""An order from its first run to its last, each from loading the FMU to freeing it."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from typing import Any

from gateway_simulation.engine import exchange, stepping
from gateway_simulation.engine.block import Block
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.prototypes import FMI3
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.layout import Mode, Status, Type
from gateway_simulation.model import Scalar
from gateway_simulation.order import Order, Setting, unpack

Given = Sequence[tuple[Setting, tuple[Scalar, ...]]]


def run(order: mmap.mmap, result: mmap.mmap) -> None:
    """Run `order` into the zeroed block `result`, both as `layout` describes them.

    It ends after the last run, after one that failed, or where the block has no room for another.
    Each run gets a fresh instance, so that it doesn't matter whether the model can be reset.
    """
    work = unpack(order[:])
    block = Block(work, result)
    for values in work.runs:
        if not block.has_room or not _attempt(work, values, block):
            break
    block.close()


def _attempt(order: Order, values: tuple[tuple[Scalar, ...], ...], block: Block) -> bool:
    """One run; False where the process isn't to be used again."""
    block.begin()
    try:
        found = _simulate(order, list(zip(order.settings, values, strict=True)), block)
    except EngineError as error:
        block.end(error.status, **error.fields)
    except MemoryError:
        block.end(Status.OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - a mistake of ours, told rather than lost
        block.end(Status.ENGINE_FAILED, reason=f"{type(error).__name__}: {error}")
    else:
        block.end(Status.OK, **found)
        return True
    return False


def _simulate(order: Order, given: Given, block: Block) -> dict[str, Any]:
    """Run once; what `layout.RUN` tells of a run that came to its end.

    A model may end the simulation by itself (FMI's terminateSimulation): what it recorded until
    then counts.
    """
    fmu = Fmu(order, block)
    in_steps = order.mode is Mode.CO_SIMULATION
    tolerance = (order.relative_tolerance or None) if in_steps else None
    structural = [one for one in given if one[0].structural and order.fmi == FMI3]
    if structural:
        fmu.configure(_setter(fmu, structural))
    fmu.set_up(order, tolerance)
    _setter(fmu, [one for one in given if one not in structural])()
    inputs = Inputs(fmu, order)
    fmu.enter_initialization(order, tolerance)
    inputs.start(order.start)
    fmu.exit_initialization()
    recorder = Recorder(fmu, order, block)
    loop = stepping.Stepper if in_steps else exchange.Loop
    under_way = loop(order, fmu, inputs, recorder)
    found: dict[str, Any] = {}
    try:
        under_way.run()
    except EngineError as error:
        if error.status is not Status.MODEL_TERMINATED or recorder.count == 0:
            raise
        found = {"terminated": 1, "time": error.fields["time"]}
    fmu.terminate()
    fmu.free()
    return found | under_way.statistics


def _setter(fmu: Fmu, given: Given) -> Callable[[], None]:
    def apply() -> None:
        for setting, values in given:
            if setting.type is Type.STRING:
                fmu.set_strings(setting.reference, [str(value) for value in values])
                continue
            group = fmu.values(setting.type, [setting.reference], setting.count)
            for i, value in enumerate(values):
                group.buffer[i] = value
            group.set()

    return apply
