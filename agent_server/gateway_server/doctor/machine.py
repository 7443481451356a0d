"""What the machine can do: run models, confine them, compile them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway_server.compose import builder_of, catalogue
from gateway_server.doctor.finding import Finding
from gateway_server.settings import Settings
from gateway_simulation import native
from gateway_simulation.exceptions import SandboxUnavailableError
from gateway_simulation.layout import Tier
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator, engine_version
from gateway_simulation.solvers import available_engines, shortcomings

_OVERRIDE: Final = "unset SANDBOX_OVERRIDE: runs have no sandbox now"
_LANDLOCK: Final = (
    "use Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and name landlock in the kernel's "
    "parameter lsm="
)
_SECCOMP: Final = "use a kernel with CONFIG_SECCOMP_FILTER, which nearly all have"
_LACKING: Final = {"Landlock": _LANDLOCK, "seccomp": _SECCOMP}
_ELSEWHERE: Final = (
    "run it where the kernel lets a process confine itself: on a (virtual) machine of its own, or "
    "in a container whose seccomp profile allows landlock_restrict_self and seccomp"
)
_CONTAINER: Final = (
    "let it make namespaces: run on a virtual machine, or a container with --cap-add SYS_ADMIN "
    "or a seccomp profile that allows unshare and mount"
)
_KNOBS: Final = {
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "=1"),
    "/proc/sys/user/max_user_namespaces": ("0", "=10000"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "=0"),
}
"""What forbids namespaces on common distributions: its value then, and what to set it to."""


def engines() -> Iterator[Finding]:
    """What computes."""
    for sentence in shortcomings():
        yield Finding("engines", sentence, passed=False)
    if not shortcomings():
        told = ", ".join(f"{name} {engine_version(name)}" for name in available_engines())
        yield Finding("engines", f"{told}, {native.libc_version()}")


def sandbox(simulator: Simulator) -> Iterator[Finding]:
    """The tier that runs get, and what is missing for a better one."""
    try:
        tier = simulator.tier
    except SandboxUnavailableError as error:
        said = str(error)
        remedies = (remedy for lacking, remedy in _LACKING.items() if lacking in said)
        yield Finding("sandbox", said, passed=False, remedy=next(remedies, _ELSEWHERE))
        return
    if tier is Tier.DEVELOPMENT:
        yield Finding("sandbox", "development", passed=False, remedy=_OVERRIDE)
    elif tier is Tier.STANDARD:
        yield Finding("sandbox", "standard", remedy=f"for `strong`, {namespaces_remedy()}")
    else:
        yield Finding("sandbox", tier.name.lower())


def namespaces_remedy(root: Path = Path("/")) -> str:
    """How this machine can be made to give namespaces."""
    for name, (forbids, allowed) in _KNOBS.items():
        knob = root / name.removeprefix("/")
        if knob.is_file() and knob.read_text(encoding="ascii").strip() == forbids:
            variable = name.removeprefix("/proc/sys/").replace("/", ".")
            return f"sysctl -w {variable}{allowed}"
    return _CONTAINER


def simulation(settings: Settings, simulator: Simulator) -> Iterator[Finding]:
    """A run of a model, as a caller's."""
    model = catalogue(settings, simulator).resolve("msl:BouncingBall")
    run = plan(model, SimulationRequest(fmu_id=model.id), RunLimits())
    trajectory = simulator.run(run)
    engine = trajectory.engine
    told = f"{trajectory.rows} rows by {engine['name']} {engine['version']}"
    yield Finding("simulation", told)


def sources(settings: Settings) -> Iterator[Finding]:
    """Whether FMUs that have sources only are taken; a gateway that refuses them is whole too."""
    builder = builder_of(settings)
    problem = builder.problem
    if problem is not None:
        told = f"FMUs without a binary are refused: {problem}"
        compiler = "to take them, install gcc and libc's headers"
        yield Finding("sources", told, remedy=compiler if "compiler" in problem else None)
        return
    told = f"compiled by {builder.compiler}, jail {builder.tier.name.lower()}"
    unconfined = builder.tier is Tier.DEVELOPMENT
    yield Finding("sources", told, not unconfined, _OVERRIDE if unconfined else None)
