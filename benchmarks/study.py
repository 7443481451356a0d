"""A study, the same runs one by one, and FMPy in a loop: runs a second, and the ratios.

    uv run python benchmarks/study.py [RUNS]

The models are the library's. One by one is `Simulator.run`, each in a process of its own; FMPy is
`simulate_fmu` on the extracted model, its description read once, its start-up not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fmpy import read_model_description, simulate_fmu  # type: ignore[import-untyped]

from gateway_library.build import built_folder
from gateway_library.catalogue import Catalogue
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits
from gateway_simulation.runner import Simulator
from gateway_simulation.study import CanonicalStudy, plan_study
from gateway_simulation.study_request import StudyRequest
from gateway_simulation.study_run import run_study

_TYPES: Final = {"co_simulation": "CoSimulation", "model_exchange": "ModelExchange"}
_SOME: Final = 40  # runs of the slower ways, of which the rate is told
_CASES: Final[list[tuple[dict[str, Any], str, float, float]]] = [
    ({"fmu_id": "msl:BouncingBall", "mode": "co_simulation", "kpis": ["h_final"]}, "e", 0.5, 0.9),
    ({"fmu_id": "msl:BouncingBall", "mode": "model_exchange", "kpis": ["h_final"]}, "e", 0.5, 0.9),
    ({"fmu_id": "msl:VanDerPol", "mode": "co_simulation", "kpis": ["x0_rms"]}, "mu", 0.5, 3.0),
    ({"fmu_id": "msl:VanDerPol", "mode": "model_exchange", "kpis": ["x0_rms"]}, "mu", 0.5, 3.0),
]


def main() -> None:
    """Print one line for each case."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'model and mode':40} {'study':>9} {'one by one':>11} {'FMPy':>9}   ratios")
    simulator = Simulator(timeout_s=120, memory_mb=512)
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue.load(built_folder(), Path(folder))
        for base, name, low, high in _CASES:
            asked = {"base": base, "parameters": {name: {"min": low, "max": high, "count": runs}}}
            request = StudyRequest.model_validate(asked)
            model = catalogue.resolve(base["fmu_id"])
            study = plan_study(model, request, RunLimits())
            _report(simulator, model, study)
    simulator.close()


def _report(simulator: Simulator, model: Model, study: CanonicalStudy) -> None:
    total = len(study.rows)
    some = study.runs(range(min(_SOME, total)))
    simulator.run(some[0])  # the worker is there
    as_study = total / _took(lambda: run_study(simulator, study, ""))
    alone = len(some) / _took(lambda: [simulator.run(run) for run in some])
    fmpy = len(some) / _took(_by_fmpy(model, study, len(some)))
    what = f"{model.id} {study.first.mode}"
    ratios = f"{as_study / alone:.1f}x, {as_study / fmpy:.1f}x"
    print(f"{what:40} {as_study:7.0f}/s {alone:9.0f}/s {fmpy:7.0f}/s   {ratios}")


def _by_fmpy(model: Model, study: CanonicalStudy, runs: int) -> Callable[[], None]:
    run, (parameter,) = study.first, study.parameters
    description = read_model_description(str(model.folder))

    def loop() -> None:
        for (value,) in study.rows[:runs]:
            simulate_fmu(
                str(model.folder),
                model_description=description,
                fmi_type=_TYPES[run.mode],
                start_time=run.start_time,
                stop_time=run.stop_time,
                output_interval=run.step,
                relative_tolerance=run.relative_tolerance,
                start_values={parameter.name: value},
                output=list(run.outputs),
            )

    loop()  # loaded once, caches warm
    return loop


def _took(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
