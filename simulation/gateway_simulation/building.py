"""Compiles models out of their sources, in a jail that sees nothing but them and the compiler.

The sources are a stranger's, and compilers read files, run programs and fill disks for whoever
asks. `native/compile_jail.c` is the program that confines them; only one file comes out of it,
which is as untrusted as any uploaded library and runs where these run.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway_simulation import elf, native, platforms
from gateway_simulation.compiler import FLAGS, LINKING
from gateway_simulation.exceptions import (
    BusyError,
    CompilationFailedError,
    CompilationTimeoutError,
    InvalidSourcesError,
    RunnerLostError,
    SandboxUnavailableError,
)
from gateway_simulation.foreign import readable
from gateway_simulation.layout import JAIL_WORK, Tier
from gateway_simulation.shared import SharedBlock
from gateway_simulation.sources import CPP_SUFFIXES, Recipe, SourceSet
from gateway_simulation.toolchain import fmi_headers, toolchain

_TIMEOUT_S: Final = 60
_MEMORY_MB: Final = 2048
_GRACE_S: Final = 10
_PLACES: Final = 4  # one that compiles, the others wait
_BEST: Final = -1  # tier
_LOG_BYTES: Final = 256 * 1024
_LOG_LINES: Final = 12
_LINE: Final = 300
_COMMAND_BYTES: Final = 2**20
_REPORT_BYTES: Final = 1024

# As the library's own models are compiled, so that numbers agree, but for what strangers' sources
# take for granted: GNU C, and functions that are seen without saying so. Their names then must not
# meet those of the process that loads them.
_STANDARDS: Final = {"c": "-std=gnu11", "c++": "-std=gnu++17"}
_SEEN: Final = ("-fPIC", "-fvisibility=default", "-w")
_BOUND: Final = ("-Wl,-Bsymbolic",)
# FMI puts the model's name before each function's where sources are linked with others.
_PLAIN_NAMES: Final = ("-DFMI2_OVERRIDE_FUNCTION_PREFIX", "-DFMI3_OVERRIDE_FUNCTION_PREFIX")
_NO_DATE: Final = ('-D__DATE__="Jan  1 1970"', '-D__TIME__="00:00:00"', '-D__TIMESTAMP__=""')
_FUNCTION: Final = re.compile(r"fmi[23][A-Z]\w{1,60}", re.ASCII)
_ENTRY: Final = {"2.0": "fmi2Instantiate", "3.0": "fmi3Instantiate"}


@dataclass(frozen=True, slots=True)
class _Report:
    """What the program said: of the jail, of the commands, and what the compiler did."""

    tier: Tier
    outcome: str
    log: str


class Builder:
    """Compiles one model at a time; a few others wait, as long as one may take.

    `sandbox` names a tier; by default the best that the kernel offers, and where there is none
    nothing is compiled. `timeout_s` bounds one model, `memory_mb` each process of the compiler.
    """

    def __init__(
        self,
        sandbox: Tier | None = None,
        *,
        timeout_s: int = _TIMEOUT_S,
        memory_mb: int = _MEMORY_MB,
    ) -> None:
        self._wanted = sandbox
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(_PLACES)
        self._tier: Tier | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing can be compiled here; None where it can."""
        if not native.built_compile_jail().is_file():
            return "the compile jail was not built when the gateway was installed"
        if toolchain() is None:
            return "there is no C compiler here"
        try:
            self.tier  # noqa: B018 - it is tried
        except SandboxUnavailableError as error:
            return str(error)
        return None

    @property
    def tier(self) -> Tier:
        """The jail that compilers get here. Raises SandboxUnavailableError where none holds."""
        if self._tier is None:
            folder = tempfile.TemporaryDirectory(prefix="fmu-gateway-")
            with folder as name, SharedBlock("library", b"") as nothing:
                report = self._jailed([], Path(name), nothing.descriptor, self._wanted)
            self._tier = report.tier
        return self._tier

    @property
    def compiler(self) -> str:
        """The compiler and its version, as it calls itself; empty where there is none."""
        found = toolchain()
        return found.version if found else ""

    def build(self, recipe: Recipe, version: str, folder: Path, library: Path) -> None:
        """Compile `folder/input/sources` into `library`, of an FMU of that FMI version.

        Raises:
            CompilationFailedError: the compiler refuses them, or what they give is no FMU.
            CompilationTimeoutError: it takes too long.
            BusyError: others are compiled for too long.
            SandboxUnavailableError: no jail holds here.

        """
        with self._slot():
            self._compile(recipe, folder, library)
            prefixed = _prefixed(library.read_bytes(), recipe.identifier)
            if prefixed:
                self._compile(recipe, folder, library, prefixed)
        _check(library.read_bytes(), version)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """The compiler, waited for by few and not for long."""
        busy = BusyError("other models are being compiled", {"retry_after_s": self._timeout_s})
        if not self._places.acquire(blocking=False):
            raise busy
        try:
            if not self._turn.acquire(timeout=self._timeout_s):
                raise busy
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def _compile(
        self, recipe: Recipe, folder: Path, library: Path, prefixed: tuple[str, ...] = ()
    ) -> None:
        work = JAIL_WORK if self.tier is Tier.STRONG else str(folder / "work")
        commands = _commands(recipe, work, prefixed)
        with library.open("w+b") as file:
            report = self._jailed(commands, folder, file.fileno(), self.tier)
        if report.outcome != "made":
            raise self._failure(report)

    def _failure(self, report: _Report) -> Exception:
        details = {"log": report.log}
        match report.outcome:
            case "refused":
                return CompilationFailedError("the compiler refuses the FMU's sources", details)
            case "none":
                msg = "the FMU's sources give no library of decent size"
                return CompilationFailedError(msg, details)
            case "late":
                msg = f"compiling the FMU's sources takes longer than {self._timeout_s} s"
                return CompilationTimeoutError(msg, {"limit_s": self._timeout_s, **details})
        return RunnerLostError("the process that compiles models was lost")

    def _jailed(
        self, commands: list[list[str]], folder: Path, library: int, tier: Tier | None
    ) -> _Report:
        """Run commands in a jail that shows `folder/input` and can write to `folder/work`."""
        for name in ("input/sources", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        found = toolchain()
        if found is None:
            msg = "there is no C compiler here"
            raise CompilationFailedError(msg)
        headers = fmi_headers()
        if headers is not None:
            shutil.copytree(headers, folder / "input" / "fmi", dirs_exist_ok=True)
        ours, theirs = os.pipe()
        with SharedBlock("log", _LOG_BYTES) as log:
            command = [
                str(native.built_compile_jail()),
                *(str(_BEST if tier is None else int(tier)), str(folder / "input")),
                *(str(folder / "work"), str(library), str(theirs)),
                *(str(self._timeout_s), str(self._memory_mb * 2**20)),
                *(found.command[0], *found.tools),
                "--",
                *(word for words in commands for word in (*found.command, *words, ";")),
            ]
            work = JAIL_WORK if tier is Tier.STRONG else str(folder / "work")
            try:
                self._spawn(command, folder, work, log.descriptor, (library, theirs))
            finally:
                os.close(theirs)
            with os.fdopen(ours, "rb") as report:
                told = report.read(_REPORT_BYTES).decode("utf-8", "replace")
            said = _cleaned(log.read(0, _LOG_BYTES), (f"{folder}/input/", f"{work}/"))
        return _understood(told, said)

    def _spawn(
        self, command: list[str], folder: Path, work: str, log: int, kept: tuple[int, ...]
    ) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=tempfile.mkdtemp(prefix="home-", dir=folder),
            env=_environment(work),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=kept,
            start_new_session=True,
        )
        try:
            process.wait(self._timeout_s + _GRACE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def _understood(told: str, log: str) -> _Report:
    if told.startswith("!"):
        msg = f"there is no jail in which a model could be compiled: {told[1:]}"
        raise SandboxUnavailableError(msg)
    tier, _, outcome = told.partition(" ")
    if not tier.isdigit():
        msg = "the process that compiles models was lost"
        raise RunnerLostError(msg, {"log": log})
    return _Report(Tier(int(tier)), outcome or "lost", log)


def _commands(recipe: Recipe, work: str, prefixed: tuple[str, ...]) -> list[list[str]]:
    """One for each file, one to link, all to come after the compiler's own words.

    File names begin with `./`, so that none is an option.
    """
    units = [(group, file) for group in recipe.sets for file in group.files]
    compiling = [
        [*_flags(group, file), f"./{file}", "-o", f"{work}/{number}.o"]
        for number, (group, file) in enumerate(units)
    ]
    cpp = any(file.endswith(CPP_SUFFIXES) for _, file in units)
    libraries = dict.fromkeys((*(["stdc++"] if cpp else []), *recipe.libraries, "m"))
    linking = [
        *(*LINKING["linux"], *_BOUND),
        *(f"-Wl,--defsym={name.removeprefix(recipe.identifier + '_')}={name}" for name in prefixed),
        *(f"{work}/{number}.o" for number in range(len(units))),
        *("-o", f"{work}/library.so"),
        *(f"-l{name}" for name in libraries),
    ]
    commands = [*compiling, linking]
    if sum(len(word) + 1 for words in commands for word in words) > _COMMAND_BYTES:
        msg = "the FMU's list of sources is longer than a compiler takes"
        raise InvalidSourcesError(msg)
    return commands


def _flags(group: SourceSet, file: str) -> list[str]:
    language = "c++" if file.endswith(CPP_SUFFIXES) else "c"
    standard = group.standard if ("++" in (group.standard or "")) == (language == "c++") else None
    return [
        *(flag for flag in FLAGS if not flag.startswith("-std=")),
        *_SEEN,
        f"-std={standard}" if standard else _STANDARDS[language],
        *group.options,
        *(*_PLAIN_NAMES, *_NO_DATE),
        *(f"-D{definition}" for definition in group.definitions),
        *("-I.", *(f"-I./{folder}" for folder in group.includes)),
        *("-isystem", "../fmi", "-x", language, "-c"),
    ]


def _environment(work: str) -> dict[str, str]:
    """All that a compiler may know of where it runs."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": work,
        "TMPDIR": work,
        "ZIG_GLOBAL_CACHE_DIR": f"{work}/cache",
        "ZIG_LOCAL_CACHE_DIR": f"{work}/cache",
    }


def _cleaned(log: bytes, places: tuple[str, ...]) -> str:
    """The compiler's first lines, without what isn't text and without this machine's folders."""
    text = log.partition(b"\0")[0].decode("utf-8", "replace")
    for place in places:
        text = text.replace(place, "")
    lines = [line for line in text.splitlines() if line.strip()][:_LOG_LINES]
    return "\n".join(readable(line, _LINE) for line in lines)


def _prefixed(binary: bytes, identifier: str) -> tuple[str, ...]:
    """FMI's functions that the library has under the model's name only."""
    names = elf.exported(binary)
    prefix = f"{identifier}_"
    return tuple(
        sorted(
            name
            for name in names
            if _FUNCTION.fullmatch(name.removeprefix(prefix))
            and name.startswith(prefix)
            and name.removeprefix(prefix) not in names
        )
    )


def _check(binary: bytes, version: str) -> None:
    """It is a library for this machine, and has what an FMU begins with."""
    try:
        elf.needed(binary, platforms.host())
    except ValueError as error:
        msg = "the FMU's sources give no shared library for this machine"
        raise CompilationFailedError(msg, {"log": ""}) from error
    if not any(name.startswith(_ENTRY[version]) for name in elf.exported(binary)):
        msg = f"the FMU's sources define no {_ENTRY[version]}"
        raise CompilationFailedError(msg, {"log": ""})
