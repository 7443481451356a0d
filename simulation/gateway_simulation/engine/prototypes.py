"""FMPy's classes with the prototypes of the C functions worked out once, before the fork.

FMPy inspects its own signatures each time it loads a library: 4 ms of a run of 12.
"""

from __future__ import annotations

import ctypes
import inspect
import typing
from functools import cache
from types import UnionType
from typing import Any, Final

from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from fmpy.fmi2 import FMU2Model, FMU2Slave  # type: ignore[import-untyped]
from fmpy.fmi3 import FMU3Model, FMU3Slave  # type: ignore[import-untyped]

from gateway_simulation.layout import Mode

FMI3: Final = 3
_CLASSES: Final[dict[tuple[int, Mode], Any]] = {
    (2, Mode.MODEL_EXCHANGE): FMU2Model,
    (2, Mode.CO_SIMULATION): FMU2Slave,
    (FMI3, Mode.MODEL_EXCHANGE): FMU3Model,
    (FMI3, Mode.CO_SIMULATION): FMU3Slave,
}
_RESULTS: Final = {bytes: ctypes.c_char_p, int: ctypes.c_int}


@cache
def fmu_class(fmi: int, mode: Mode) -> Any:  # noqa: ANN401 - FMPy is untyped
    """FMPy's class for FMUs of this version and mode, quicker to load and otherwise the same."""
    base = _CLASSES[fmi, mode]
    prototypes = _prototypes(base, f"fmi{fmi}")

    def load_functions(fmu: Any) -> None:  # noqa: ANN401
        for name, names, types, result in prototypes:
            function = getattr(fmu.dll, name)
            function.argnames, function.argtypes, function.restype = names, types, result
            fmu._functions[name] = function  # noqa: SLF001 - what FMPy's own method fills

    def call(fmu: Any, name: str, *args: Any) -> Any:  # noqa: ANN401
        result = base._call(fmu, name, *args)  # noqa: SLF001 - takes what is less than OK for OK
        if isinstance(result, int) and result < 0:
            raise FMICallException(function=name, status=result)
        return result

    return type(base.__name__, (base,), {"_loadFunctions": load_functions, "_call": call})


def prepare() -> None:
    """Work out all prototypes, so that children inherit them."""
    for fmi, mode in _CLASSES:
        fmu_class(fmi, mode)


def _prototypes(base: Any, prefix: str) -> list[tuple[str, list[str], list[Any], Any]]:  # noqa: ANN401
    found = []
    for name, method in inspect.getmembers(base, inspect.isfunction):
        if not name.startswith(prefix):
            continue
        signature = inspect.signature(method)
        parameters = list(signature.parameters.values())[1:]  # without self
        types = [
            typing.get_args(p.annotation)[0]
            if isinstance(p.annotation, UnionType)
            else p.annotation
            for p in parameters
        ]
        result = signature.return_annotation
        found.append((name, [p.name for p in parameters], types, _RESULTS.get(result, result)))
    return found
