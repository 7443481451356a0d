"""What FMPy's validator finds in a model description, beyond what reading it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway_simulation.foreign import readable

_MOST: Final = 20
_LINE: Final = 300


def problems_of(folder: Path) -> tuple[str, ...]:
    """What the FMU extracted into `folder` breaks of the standard, the first few.

    Missing start values, combinations of causality and variability, units, the model's structure
    (FMI 2.0 §2.2.7, §2.2.8; FMI 3.0 §2.4.7, §2.4.8). Nothing of it is loaded. Whether names keep to
    the structured convention is not asked: FMPy's grammar takes 16 ms for each of them.
    """
    from fmpy.model_description import (  # type: ignore[import-untyped] # noqa: PLC0415 - slow
        ValidationError,
        read_model_description,
    )

    try:
        read_model_description(str(folder), validate=True, validate_model_structure=True)
    except ValidationError as error:
        found = error.problems
    except Exception as error:  # noqa: BLE001 - whatever a description provokes in the parser
        found = [str(error)]
    else:
        return ()
    lines = [readable(line, _LINE) for line in found[:_MOST]]
    return (*lines, f"{len(found) - _MOST} more") if len(found) > _MOST else tuple(lines)
