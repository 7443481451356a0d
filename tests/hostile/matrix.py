"""Runs every attack in every tier and prints what came of it as JSON.

    python -m hostile.matrix LIBRARY [--user UID] [--tiers strong,standard] [--engine native]

The process plays the server. It is started afresh, with a secret key in its environment.
"""

# ruff: noqa: SLF001 - where a run works is nobody else's business

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

from hostile import facts, fmu, shm, users
from hostile.catalogue import ATTACKS, DONE, Attack, Ended
from hostile.processes import descendants
from hostile.world import PATIENCE_S, SECRET, SECRET_VARIABLE, Target, World

from gateway_simulation import exceptions
from gateway_simulation.exceptions import RunError, SandboxUnavailableError
from gateway_simulation.layout import Tier
from gateway_simulation.run import Engine
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

TIERS: Final = ("development", "strong", "standard")
MEMORY_MB: Final = 64
_GONE_S: Final = 1.0
_DETAILS: Final = 300
_IMPATIENCE_S: Final = 0.02
_OURS: Final = {"zygote.log", "root", "nothing"}
"""In a zygote's folder."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attack came to in one tier. `missing` says what its control lacks here."""

    attack: str
    effect: bool
    outcome: str
    details: str
    code: int
    seconds: float
    left: tuple[str, ...]
    next_run: str
    missing: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One tier: what it calls itself, what each attack came to, what remained; or why none."""

    findings: dict[str, Finding]
    tier: str = ""
    remains: tuple[str, ...] = ()
    unavailable: str = ""


Matrix = dict[str, Tried]


def measured(library: Path, user: int | None = None, *more: str) -> Matrix:
    """The matrix as a process of its own finds it, as this user or as `user`."""
    command = [sys.executable, "-m", "hostile.matrix", str(library), *more]
    if user is not None:
        command += ["--user", str(user)]
    environment = {**os.environ, SECRET_VARIABLE: SECRET, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"the matrix failed: {done.stderr[-4000:]}"
        raise RuntimeError(msg)
    return read(done.stdout)


def read(text: str) -> Matrix:
    """What `main` printed."""
    told: dict[str, dict[str, Any]] = json.loads(text)
    return {
        tier: Tried(
            {name: _finding(found) for name, found in tried["findings"].items()},
            tried["tier"],
            tuple(tried["remains"]),
            tried["unavailable"],
        )
        for tier, tried in told.items()
    }


def _finding(found: dict[str, Any]) -> Finding:
    return Finding(**{**found, "left": tuple(found["left"])})


def attempt_all(world: World, tier: str, engine: Engine, chosen: Callable[[Attack], bool]) -> Tried:
    """Every chosen attack in one tier."""
    world.patience_s = PATIENCE_S if tier == "development" else _IMPATIENCE_S
    simulator = Simulator(
        timeout_s=20, memory_mb=MEMORY_MB, sandbox=Tier[tier.upper()], concurrency=1
    )
    try:
        attempts = _Attempts(simulator, world, engine)
        findings = {attack.id: attempts.make(attack) for attack in ATTACKS if chosen(attack)}
    except SandboxUnavailableError as error:
        return Tried({}, unavailable=str(error))
    finally:
        simulator.close()
    return Tried(findings, attempts.tier, tuple(_remains(world)))


def _remains(world: World) -> Iterator[str]:
    """What a closed simulator left."""
    if world.home.exists():
        yield f"folder {world.home}"
    if Path(f"/proc/{world.zygote}").exists():
        yield f"process {world.zygote}"


class _Attempts:
    """The attacks on one simulator, one after another."""

    def __init__(self, simulator: Simulator, world: World, engine: Engine) -> None:
        self._simulator = simulator
        self._world = world
        self._engine = engine
        self._orphans = shm.orphans()
        self._innocent = fmu.order(world.others_model, engine)
        first = self._innocent_run()
        self._expected = self._told(first)
        self.tier = str(first.engine["sandbox"]) if isinstance(first, Trajectory) else ""

    def make(self, attack: Attack) -> Finding:
        self._find_zygote()
        missing = facts.missing(attack.needs) or self._other_engine(attack)
        target = attack.aim(self._world)
        try:
            ended = self._run(attack, target)
            left = tuple(self._left())
            return Finding(
                attack.id,
                bool(left) or _has_effect(attack, target, ended),
                ended.outcome,
                str(ended.details)[:_DETAILS],
                ended.code,
                round(ended.seconds, 3),
                left,
                self._next_run(),
                missing,
            )
        finally:
            if target.tidy:
                target.tidy()
            self._tidy()

    def _other_engine(self, attack: Attack) -> str:
        return (
            f"needs the engine {attack.engine}" if attack.engine not in {"", self._engine} else ""
        )

    def _run(self, attack: Attack, target: Target) -> Ended:
        model = target.model or self._world.model
        order = fmu.order(
            model,
            self._engine,
            attack.call,
            path=target.path,
            other=target.other,
            number=target.number,
        )
        begun = time.monotonic()
        try:
            (found,) = self._simulator.run_all([order], attack.deadline_s)
        except Exception as error:  # noqa: BLE001 - whatever leaves the simulator is a finding
            found = error  # type: ignore[assignment]
        return _ended(found, time.monotonic() - begun)

    def _innocent_run(self) -> Trajectory | RunError:
        return self._simulator.run_all([self._innocent], 20)[0]

    def _next_run(self) -> str:
        """Whether the next run of another model is what it always was."""
        try:
            found = self._innocent_run()
        except Exception as error:  # noqa: BLE001
            found = error  # type: ignore[assignment]
        if isinstance(found, Exception):
            return f"{type(found).__name__}: {found}"
        return DONE if self._told(found) == self._expected else "other numbers"

    def _told(self, found: Trajectory | RunError) -> object:
        if isinstance(found, RunError):
            raise found
        numbers = found.time.tobytes(), found.values.tobytes()
        return numbers, found.warnings, found.statistics, found.engine

    def _find_zygote(self) -> None:
        worker = self._simulator._workers.get(self._engine)
        if worker is None or not worker.alive:
            self._innocent_run()
            worker = self._simulator._workers[self._engine]
        self._world.zygote = worker._process.pid
        self._world.home = worker._home

    def _left(self) -> Iterator[str]:
        """Processes, files and shared memory that outlived the run."""
        until = time.monotonic() + _GONE_S
        while (pids := descendants(self._world.zygote)) and time.monotonic() < until:
            time.sleep(0.005)
        yield from (f"process {pid}" for pid in pids)
        names = {p.name for p in self._world.home.iterdir()} if self._world.home.exists() else set()
        yield from sorted(f"file {_plain(n)}" for n in names - _OURS)
        if shm.orphans() - self._orphans:
            yield "shared memory"

    def _tidy(self) -> None:
        """What an attack left would spoil what the next one leaves."""
        if not self._world.home.exists():
            return
        for path in self._world.home.iterdir():
            if path.name not in _OURS:
                subprocess.run(["chmod", "-R", "u+rwX", path], check=False, capture_output=True)
                subprocess.run(["rm", "-rf", "--one-file-system", path], check=False)


def _plain(name: str) -> str:
    return name.split("-", 1)[0]


def _ended(found: Trajectory | Exception, seconds: float) -> Ended:
    if isinstance(found, Trajectory):
        effect, code = bool(found.column("effect")[-1] == 1), int(found.column("code")[-1])
        return Ended(DONE, {}, found, effect, code, seconds)
    if isinstance(found, RunError):
        return Ended(
            type(found).__name__, found.details, None, effect=False, code=0, seconds=seconds
        )
    text = f"untyped {type(found).__name__}: {found}"[:300]
    return Ended(text, {}, None, effect=False, code=0, seconds=seconds)


def _has_effect(attack: Attack, target: Target, ended: Ended) -> bool:
    return (
        (attack.says and ended.effect)
        or (target.seen is not None and target.seen())
        or (attack.seen is not None and attack.seen(ended))
        or _ours(ended.outcome)
        or ended.outcome.startswith("untyped")
    )


def _ours(outcome: str) -> bool:
    """Whether the run is never charged, since its failure counts as the gateway's."""
    error = getattr(exceptions, outcome, None)
    return error is not None and not error.models_fault


@contextmanager
def _world(library: Path) -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    folder.chmod(0o755)  # as data folders are
    world = World.made(folder, library.read_bytes())
    try:
        yield world
    finally:
        world.close()
        subprocess.run(["rm", "-rf", folder], check=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("--user", type=int)
    parser.add_argument("--tiers", default=",".join(TIERS))
    parser.add_argument("--engine", default="native", choices=get_args(Engine))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    if given.user is not None and os.geteuid() == 0:
        users.become(given.user, sys.orig_argv, (given.library,))
    with _world(given.library) as world:
        found = {
            tier: attempt_all(world, tier, given.engine, lambda a: a.id.startswith(given.only))
            for tier in TIERS
            if tier in given.tiers.split(",")
        }
    sys.stdout.write(json.dumps({tier: asdict(tried) for tier, tried in found.items()}))


if __name__ == "__main__":
    main()
