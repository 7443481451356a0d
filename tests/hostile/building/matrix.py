"""Makes every attack on the build, carelessly and in every tier, and prints what came of it.

python -m hostile.building.matrix [--user UID] [--only TEXT]

Three ways: `careless` (the control: a shell, no jail), `uploaded` (as an FMU), and `handed` (the
careless options given to the jail, as if nothing had checked them).
"""

# ruff: noqa: SLF001 - the jail itself is attacked, past what guards it

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hostile import users
from hostile.building.catalogue import ATTACKS, PATIENT, BuildAttack, Sources
from hostile.building.world import SECRET, SECRET_VARIABLE, World, surroundings

from gateway_simulation.archive import Limits, extract, inspect
from gateway_simulation.building import Builder
from gateway_simulation.exceptions import SandboxUnavailableError, SimulationError
from gateway_simulation.layout import JAIL_WORK, Tier

TIERS: Final = ("strong", "standard")
CARELESS: Final = "careless"
_SOON_S: Final = 1.0
_LARGE: Final = 2**26
_MANY: Final = 2**20
_DETAILS: Final = 300
_MODEL: Final = """<?xml version="1.0" encoding="UTF-8"?>
<fmiModelDescription fmiVersion="3.0" modelName="hostile" instantiationToken="x">
<CoSimulation modelIdentifier="hostile"/>
<ModelVariables><Float64 name="time" valueReference="0" causality="independent"/></ModelVariables>
<ModelStructure/></fmiModelDescription>"""


@dataclass(frozen=True, slots=True)
class Built:
    """What came of one attempt. `missing`: why it can't succeed here even carelessly."""

    effect: bool
    outcome: str
    told: str
    seconds: float
    missing: str = ""


Builds = dict[str, dict[str, Built]]
"""By way and tier, then by attack."""


def measured(user: int | None = None, *more: str) -> Builds:
    """The builds as a process of its own finds them, as this user or as `user`."""
    command = [sys.executable, "-m", "hostile.building.matrix", *more]
    command += ["--user", str(user)] if user is not None else []
    # First in /proc/…/environ, which tools read up to the first zero.
    environment = {SECRET_VARIABLE: SECRET, **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"the builds failed: {done.stderr[-4000:]}"
        raise RuntimeError(msg)
    told: Mapping[str, Mapping[str, dict[str, Any]]] = json.loads(done.stdout)
    return {way: {name: Built(**b) for name, b in found.items()} for way, found in told.items()}


def _careless(attack: BuildAttack, sources: Sources) -> tuple[str, bytes, bytes]:
    """Outcome, what the compiler said, what it made."""
    with tempfile.TemporaryDirectory(prefix="careless-") as name:
        folder = Path(name)
        _lay_out(sources, folder)
        target = folder / "out.so"
        line = f"cc -shared -fPIC -o {target} {sources.words} {sources.units}"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", line],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                process.wait(PATIENT + (_SOON_S if attack.costs else 60))
                outcome = "made" if process.returncode == 0 else "refused"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                outcome = "late"
        made = target.read_bytes() if target.is_file() else b""
        return outcome, (folder / "log").read_bytes(), made


def _handed(tier: str, sources: Sources, builder: Builder) -> tuple[str, bytes, bytes]:
    with tempfile.TemporaryDirectory(prefix="handed-") as name:
        folder = Path(name)
        _lay_out(sources, folder / "input" / "sources")
        work = JAIL_WORK if tier == "strong" else str(folder / "work")
        library = folder / "library"
        try:
            words = [*shlex.split(sources.words), *shlex.split(sources.units)]
        except ValueError:
            words = [sources.words, sources.units]
        command = ["-shared", "-fPIC", "-o", f"{work}/library.so", *words]
        with library.open("w+b") as file:
            report = builder._jailed([command], folder, file.fileno(), Tier[tier.upper()])
        return report.outcome, report.log.encode(), library.read_bytes()


def _uploaded(sources: Sources, builder: Builder) -> tuple[str, bytes, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("modelDescription.xml", _MODEL)
        file.writestr("sources/buildDescription.xml", sources.description)
        for name, content in sources.files.items():
            file.writestr(f"sources/{name}", content)
    with tempfile.TemporaryDirectory(prefix="uploaded-") as name:
        folder = Path(name) / "model"
        try:
            inspection = inspect(buffer.getvalue(), Limits())
            extract(buffer.getvalue(), inspection, folder, Limits(), builder)
        except SandboxUnavailableError:
            raise
        except SimulationError as error:
            return type(error).__name__, f"{error} {error.details}".encode(), b""
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            return f"untyped {type(error).__name__}: {error}", b"", b""
        return "made", b"", next(folder.rglob("*.so")).read_bytes()


def _lay_out(sources: Sources, folder: Path) -> None:
    for name, content in sources.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o755 if name in sources.executable else 0o644)


def _tried(world: World, attack: BuildAttack, way: str, builder: Builder | None) -> Built:
    sources = attack.make(world)
    begun = time.monotonic()
    if builder is None:
        outcome, told, made = _careless(attack, sources)
    elif way.startswith("handed"):
        outcome, told, made = _handed(way.split()[1], sources, builder)
    else:
        outcome, told, made = _uploaded(sources, builder)
    seconds = time.monotonic() - begun
    effect = _costly(told, made, seconds) if attack.costs else _has_effect(sources, told, made)
    effect = effect or outcome.startswith("untyped")
    shown = told.decode("utf-8", "replace")[:_DETAILS]
    return Built(effect, outcome, shown, round(seconds, 2), _missing(attack))


def _costly(told: bytes, made: bytes, seconds: float) -> bool:
    return seconds > PATIENT + _SOON_S - 0.1 or len(made) > _LARGE or len(told) > _MANY


def _has_effect(sources: Sources, told: bytes, made: bytes) -> bool:
    made_it = sources.made or Path("/nowhere")
    until = time.monotonic() + sources.soon_s
    while not made_it.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return (
        SECRET.encode() in told + made
        or made_it.exists()
        or (sources.seen is not None and sources.seen())
    )


def _missing(attack: BuildAttack) -> str:
    text = f"#if !({attack.needs})\n#error\n#endif\n"
    done = subprocess.run(
        ["cc", "-E", "-x", "c", "-"], input=text, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"needs a compiler where {attack.needs}"


def _all(only: str) -> Builds:
    chosen = [attack for attack in ATTACKS if only in attack.id]
    found: Builds = {}
    with surroundings() as world:
        found[CARELESS] = {a.id: _tried(world, a, CARELESS, None) for a in chosen}
        for tier in TIERS:
            builder = Builder(Tier[tier.upper()], timeout_s=PATIENT, memory_mb=512)
            for way in ("uploaded", "handed"):
                try:
                    _ = builder.tier
                except SandboxUnavailableError:
                    continue
                name = f"{way} {tier}"
                found[name] = {a.id: _tried(world, a, name, builder) for a in chosen}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    if given.user is not None and os.geteuid() == 0:
        users.become(given.user, sys.orig_argv, ())
    found = _all(given.only)
    sys.stdout.write(
        json.dumps({way: {n: asdict(b) for n, b in bs.items()} for way, bs in found.items()})
    )


if __name__ == "__main__":
    main()
