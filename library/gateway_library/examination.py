"""An operator's FMU goes through what an upload goes through: checks, compile jail, trial run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_library.extraction import ExtractionCache
from gateway_simulation.archive import Inspection, Limits, inspect
from gateway_simulation.exceptions import ArchiveError
from gateway_simulation.foreign import readable
from gateway_simulation.model import DefaultExperiment, Kind, Model, ModelDescription, Variable
from gateway_simulation.runner import Simulator
from gateway_simulation.trial import tried
from gateway_simulation.validation import problems_of

_VARIABLES: Final = 100  # that search and overviews know of
_DETAILS: Final = 300  # characters
_OUTSIDE: Final = ("output", "input", "parameter")
_TOLD_BELOW: Final = ("see problems", "see missing_libraries")


@dataclass(frozen=True, slots=True)
class CardVariable:
    """One variable, as far as search and overviews need it."""

    name: str
    causality: str
    unit: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the FMU says of itself."""

    model_name: str
    fmi_version: str
    guid: str
    description: str
    kinds: tuple[Kind, ...]
    n_states: int
    variables: tuple[CardVariable, ...]
    default_experiment: DefaultExperiment


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of a file. `facts` are None where it is refused, and `problems` say why."""

    sha256: str
    size_bytes: int
    facts: Facts | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Examiner:
    """Examines FMUs. What they are made of is kept in `cache`, so that they can be run at once."""

    def __init__(self, cache: ExtractionCache, limits: Limits, simulator: Simulator) -> None:
        self._cache = cache
        self._limits = limits
        self._simulator = simulator

    def examine(self, data: bytes) -> Examined:
        """What the FMU in `data` is.

        Raises:
            RunError: no core or compiler was free, or no sandbox holds here: nothing is known yet.

        """
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            inspection = inspect(data, self._limits)
            model = self._cache.keep(f"msl:{sha256[:16]}", data, inspection)
        except ArchiveError as error:
            return Examined(sha256, len(data), None, (_refusal(error),))
        warnings = tuple(self._warnings(inspection, model))
        return Examined(sha256, len(data), _facts(model.description), (), warnings)

    def _warnings(self, inspection: Inspection, model: Model) -> Iterator[str]:
        yield from (w for w in inspection.warnings if not w.endswith(_TOLD_BELOW))
        found = dict.fromkeys((*inspection.problems, *problems_of(model.folder)))
        yield from (f"breaks the standard: {problem}" for problem in found)
        for name in inspection.missing_libraries:
            yield f"needs a shared library that this machine lacks: {name}"
        trial = tried(self._simulator, model, "library")
        if trial.failure:
            yield f"a short trial run failed: {trial.failure}"


def _refusal(error: ArchiveError) -> str:
    details = listed(error.details)
    return f"{error} ({details})" if details else str(error)


def listed(details: Mapping[str, Any]) -> str:
    """An error's details on one line of bounded length."""
    told = (
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in details.items()
        if value not in (None, "", [], ())
    )
    return readable("; ".join(told), _DETAILS)


def _facts(description: ModelDescription) -> Facts:
    return Facts(
        model_name=description.model_name,
        fmi_version=description.fmi_version,
        guid=description.guid,
        description=description.description or "",
        kinds=description.kinds,
        n_states=description.n_states,
        variables=tuple(
            CardVariable(v.name, v.causality, v.unit, v.description or "")
            for v in sorted(description.variables, key=_rank)[:_VARIABLES]
        ),
        default_experiment=description.default_experiment,
    )


def _rank(variable: Variable) -> int:
    causality = variable.causality
    return _OUTSIDE.index(causality) if causality in _OUTSIDE else len(_OUTSIDE)
