"""What can go wrong with a model, a request or a run.

Three families: `ArchiveError` (an upload that is refused), `RequestError` (a request that can't be
run as asked; raised by `plan`, before anything is loaded) and `RunError` (a run that failed). Each
carries `details`, plain data for the caller. Text from outside, a model's or a caller's names
above all, appears only there: a message holds our words and numbers, since language models read it
as ours. `models_fault` says who is to blame: a run that its model broke may be charged for in the
end, a run that we broke never. So nothing that a model's process says makes a failure ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from gateway_simulation.usage import Usage


class SimulationError(Exception):
    """Base of everything this package raises on purpose."""

    models_fault: ClassVar[bool] = False

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.details: dict[str, object] = dict(details or {})


# Uploads


class ArchiveError(SimulationError):
    """The upload isn't an FMU that can be kept. Base of all reasons."""


class UploadTooLargeError(ArchiveError):
    """The archive has more bytes than allowed. `details`: bytes, limit."""


class NotAnArchiveError(ArchiveError):
    """The bytes aren't a readable zip archive."""


class UnsafeArchiveError(ArchiveError):
    """An entry leaves its folder, is a link, encrypted or there twice. `details`: entry."""


class ArchiveBombError(ArchiveError):
    """Too many entries, too many bytes unpacked, or packed too densely. `details`: limit."""


class MissingModelDescriptionError(ArchiveError):
    """The archive holds no modelDescription.xml: a zip, but no FMU."""


class ForbiddenXmlError(ArchiveError):
    """The modelDescription.xml has a DOCTYPE or defines entities, which no FMU needs."""


class InvalidModelDescriptionError(ArchiveError):
    """The modelDescription.xml can't be read as FMI 2.0 or 3.0. `details`: problems."""


class UnsupportedFmiVersionError(ArchiveError):
    """FMI 1.0 or an unknown version. `details`: fmi_version, supported."""


class UnsupportedPlatformError(ArchiveError):
    """No binary for this machine and no sources. `details`: platforms, needed."""


class SourceOnlyModelError(ArchiveError):
    """The FMU has only sources, which can't be compiled here: the message says why.

    `details`: platforms, needed.
    """


class InvalidSourcesError(ArchiveError):
    """The list of sources names what isn't there or can't be used. `details`: named."""


class CompilationFailedError(ArchiveError):
    """The compiler refuses the sources, or what they give is no FMU. `details`: log."""


class CompilationTimeoutError(ArchiveError):
    """Compiling takes longer than it may. `details`: limit_s, log."""


class UnsupportedKindError(ArchiveError):
    """Neither Co-Simulation nor Model Exchange, or only with its authoring tool installed."""


class ModelFolderError(SimulationError):
    """The extracted model is missing or damaged: extract it again."""


# Requests


class RequestError(SimulationError):
    """The request can't be run as asked. Base of all reasons; nothing was loaded or charged."""


class UnknownVariableError(RequestError):
    """The model has no such variable. `details`: name, nearest (closest names, best first)."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__("the model has no such variable", {"name": name, "nearest": list(nearest)})
        self.nearest = nearest


class UnknownKpiError(RequestError):
    """No such variable or statistic. `details`: name, nearest, statistics."""


class InvalidKpiError(RequestError):
    """The KPI is known but can't be computed as asked. `details`: name, and what is missing."""


class NotSettableError(RequestError):
    """The variable takes no start value or input. `details`: name, causality, variability."""


class WrongTypeError(RequestError):
    """A value of the wrong type or shape. `details`: name, expected, and items of enumerations."""


class OutOfRangeError(RequestError):
    """A value outside the variable's declared range. `details`: name, value, min, max."""


class InvalidInputSignalError(RequestError):
    """Input arrays that don't describe a signal. `details`: name, reason."""


class InvalidTimeError(RequestError):
    """Start, stop or step don't describe a time grid. `details`: start_time, stop_time, step."""


class InvalidCommunicationStepError(RequestError):
    """`step` isn't an integer multiple of `communication_step`. `details`: both."""


class TooMuchOutputError(RequestError):
    """More output than one run may produce. `details`: what, asked, limit."""


class UnsupportedOutputError(RequestError):
    """A String, Binary or Clock variable can't be recorded. `details`: name, type."""


class UnavailableModeError(RequestError):
    """The FMU doesn't offer this mode. `details`: mode, kinds."""


class InvalidSolverError(RequestError):
    """Solver options that don't fit the mode or this machine. `details`: solver, mode."""


class UnavailableEngineError(RequestError):
    """The engine isn't part of this build. `details`: engine, available."""


class UnknownDisplayUnitError(RequestError):
    """No way to convert into this unit. `details`: name, unit, display_unit, known."""


class DuplicateNameError(RequestError):
    """The same input, output or KPI twice. `details`: name."""


class InvalidStudyError(RequestError):
    """A study that can't be laid out as asked. `details`: name, reason."""


class StudyTooLargeError(RequestError):
    """More runs than one study may have. `details`: asked, limit."""

    def __init__(self, asked: int, limit: int) -> None:
        super().__init__(
            f"a study has {limit} runs at most", {"asked": min(asked, 10**18), "limit": limit}
        )


# Runs


class RunError(SimulationError):
    """The run failed. Base of all reasons. `usage` is what it took, where a process was begun."""

    usage: Usage | None = None


class RunTimeoutError(RunError):
    """The run took longer than allowed and was ended. `details`: timeout_s."""

    models_fault = True


class RunCancelledError(RunError):
    """Whoever called cancelled the run, and it was ended."""


class StudyTimeoutError(RunError):
    """The study's runs don't fit into the time that one call has.

    `details`: timeout_s, runs, done (before it was given up), would_fit (runs, with some to spare).
    """

    models_fault = True


class ModelCrashedError(RunError):
    """The model's code died by a signal. `details`: signal, log."""

    models_fault = True


class ModelExitedError(RunError):
    """The model's code ended its process. `details`: exit_status, log."""

    models_fault = True


class OutOfMemoryError(RunError):
    """The run needed more memory than allowed. `details`: memory_mb."""

    models_fault = True


class NonFiniteValueError(RunError):
    """A value became NaN or infinite. `details`: variable, time."""

    models_fault = True


class ModelFailedError(RunError):
    """The model reported an error. `details`: function, time, log (its last lines)."""

    models_fault = True


class ModelNotLoadableError(RunError):
    """The model's library can't be loaded, or lacks a function. `details`: function, reason."""

    models_fault = True


class ModelNotInstantiatedError(RunError):
    """The model made no instance, for instance for a wrong GUID. `details`: function, log."""

    models_fault = True


class ModelTerminatedError(RunError):
    """The model asked to end the simulation before its first point. `details`: time, log."""

    models_fault = True


class EventIterationError(RunError):
    """The model's events never settled. `details`: time, iterations."""

    models_fault = True


class StepRefusedError(RunError):
    """The model kept discarding the same communication step. `details`: time, step."""

    models_fault = True


class SolverFailedError(RunError):
    """The integrator couldn't go on. `details`: time, reason."""

    models_fault = True


class TooManyEventsError(RunError):
    """More events than a result can hold. `details`: time, limit."""

    models_fault = True


class InvalidResultError(RunError):
    """The process of the run left a result that contradicts itself: the model wrote over it."""

    models_fault = True


class EngineFailedError(RunError):
    """The engine stopped for a reason that it doesn't know of models. `details`: reason.

    It may be a mistake of ours. But its process holds the model's code by then, which could say the
    same: what can't be told apart counts as the model's. A failure that is ours for sure happens
    before (RunnerLostError).
    """

    models_fault = True


class BusyError(RunError):
    """No core came free in time, or too many wait for one already.

    `details`: bound (account: too many of its own wait; gateway: of all; wait: it waited in vain),
    limit (of runs, or of seconds), and retry_after_s, how long a run asked for now would wait.
    """


class RunnerLostError(RunError):
    """The process that runs models went away, or the run's own never came to load its model.

    It is started again by itself. Repeat the call.
    """


class SandboxUnavailableError(RunError):
    """No sandbox holds on this machine, so nothing is run. The message says why."""


class ForbiddenCallError(RunError):
    """The model's code made a system call that no model needs. `details`: log."""

    models_fault = True


class SimulatorClosedError(RunError):
    """The simulator is shut down and takes no more runs."""
