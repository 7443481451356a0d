"""Talks to OpenModelica's compiler: scripts (.mos) go in, the values of their expressions come out.

`omc script.mos` prints the value of each expression as Modelica writes it. What is used here is
documented in the OpenModelica User's Guide, "Scripting API": loadModel, loadFile, getVersion,
getClassNames, existClass, isModel, isBlock, isPartial, isExperiment, getClassComment,
setCommandLineOptions, buildModelFMU and getErrorString.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Value = bool | str | list["Value"]
"""A Boolean; a String, or a name or number as it stands; an array."""

MISSING: Final = """\
There is no `omc` here, the compiler of OpenModelica. Install it and try again:
    Debian, Ubuntu   add its repository (openmodelica.org/download), then: apt install omc
    Docker           the images openmodelica/openmodelica hold it
    Windows, macOS   openmodelica.org/download
or name it with --omc. The Modelica Standard Library comes by omc's installPackage(Modelica)."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}(),]|[^\s"{}(),]+', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}
_TAIL: Final = 2000  # characters of an output that are told


class OmcMissingError(Exception):
    """No omc could be found."""


class OmcError(Exception):
    """omc didn't do what it was asked for. The message is what it said, or how it ended."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a class is. An experiment is a model or block that says how long to simulate it."""

    exists: bool
    simulates: bool
    experiment: bool
    comment: str


class Omc:
    """One compiler. Many threads may run scripts at once, each in a process and folder of its own.

    `libraries` are loaded ahead of each script: names (`Modelica`), with a version after a colon
    (`Modelica:4.0.0`), or .mo files.
    """

    def __init__(self, command: Path, libraries: Sequence[str]) -> None:
        self.command = command
        self._loading = [_loading(library) for library in libraries]
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def version(self, folder: Path) -> str:
        """Such as `OpenModelica 1.25.0`."""
        (version,) = self._values(["getVersion()"], folder, 60, loads=False)
        return str(version)

    def classes(self, package: str, folder: Path, timeout_s: float) -> list[str]:
        """The full names of all classes in `package`, however deep. Raises OmcError."""
        asked = f"getClassNames({package}, recursive=true, qualified=true, sort=true)"
        exists, names = self._values([f"existClass({package})", asked], folder, timeout_s)
        if not exists:
            message = f"there is no package {package} in what is loaded"
            raise OmcError(message)
        assert isinstance(names, list)
        return [str(name) for name in names]

    def facts(self, names: Sequence[str], folder: Path, timeout_s: float) -> list[Facts]:
        """What each class is. Raises OmcError."""
        kinds = [
            f"{{existClass({n}), isModel({n}) or isBlock({n}), isPartial({n}), isExperiment({n})}}"
            for n in names
        ]
        comments = [f"getClassComment({name})" for name in names]
        values = self._values([*kinds, *comments], folder, timeout_s)
        found = []
        for kind, comment in zip(values[: len(names)], values[len(names) :], strict=True):
            assert isinstance(kind, list)
            exists, model, partial, experiment = (value is True for value in kind)
            found.append(Facts(exists, model and not partial, experiment, str(comment)))
        return found

    def build(self, model: str, folder: Path, options: str, timeout_s: float) -> Path:
        """Build the model's FMU (2.0, Model Exchange and Co-Simulation) in `folder`; its path.

        `options` are command line options of omc for this translation. Raises OmcError.
        """
        built, said = self._values(
            [
                f"setCommandLineOptions({quoted(options)})",
                f'buildModelFMU({model}, version="2.0", fmuType="me_cs", platforms={{"static"}})',
                "getErrorString()",
            ],
            folder,
            timeout_s,
        )[1:]
        path = folder / str(built)
        if not built or not path.is_file():
            raise OmcError(str(said).strip() or "buildModelFMU gave no FMU, and no reason")
        return path

    def stop(self) -> None:
        """End every script that runs."""
        with self._lock:
            for process in self._running:
                _end(process)

    def _values(
        self, expressions: Sequence[str], folder: Path, timeout_s: float, *, loads: bool = True
    ) -> list[Value]:
        """The value of each expression, evaluated one after the other in a fresh omc."""
        loading = self._loading if loads else []
        lines = [line for load in loading for line in (load, "getErrorString()")]
        script = folder / "script.mos"
        script.write_text("".join(f"{line};\n" for line in (*lines, *expressions)))
        output = self._output(script, timeout_s)
        values = read_values(output)
        for loaded, said in zip(values[: len(lines) : 2], values[1 : len(lines) : 2], strict=False):
            if loaded is not True:
                raise OmcError(str(said).strip() or "a library can't be loaded")
        if len(values) != len(lines) + len(expressions):
            msg = f"omc said something unexpected: {output[-_TAIL:]}"
            raise OmcError(msg)
        return values[len(lines) :]

    def _output(self, script: Path, timeout_s: float) -> str:
        process = subprocess.Popen(
            [self.command, script.name],
            cwd=script.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that its own compilers end with it
        )
        with self._lock:
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            msg = f"took longer than {timeout_s:g} s"
            raise OmcError(msg) from None
        finally:
            _end(process)
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            how = f"omc ended with status {process.returncode}"
            raise OmcError(f"{how}: {output[-_TAIL:]}".strip(": \n"))
        return output


def find_omc(named: str | None) -> Path:
    """The compiler. Raises OmcMissingError."""
    found = shutil.which(named or "omc")
    if found is None:
        raise OmcMissingError(MISSING)
    return Path(found).resolve()


def quoted(text: str) -> str:
    """`text` as Modelica writes a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_values(output: str) -> list[Value]:
    """The values in what omc printed. Raises OmcError for what is no row of values."""
    tokens = _TOKEN.findall(output)
    values: list[Value] = []
    while tokens:
        values.append(_value(tokens))
    return values


def _value(tokens: list[str]) -> Value:
    word = tokens.pop(0)
    if word in "{(":
        found: list[Value] = []
        while tokens and tokens[0] not in "})":
            found.append(_value(tokens))
            if tokens and tokens[0] == ",":
                tokens.pop(0)
        if not tokens:
            msg = "omc's output ends within a value"
            raise OmcError(msg)
        tokens.pop(0)
        return found
    if word in "}),":
        msg = f"omc said something unexpected: {word}"
        raise OmcError(msg)
    if word.startswith('"'):
        return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), word[1:-1])
    return word == "true" if word in {"true", "false"} else word


def _loading(library: str) -> str:
    if library.endswith(".mo"):
        return f"loadFile({quoted(str(Path(library).resolve()))})"
    name, _, version = library.partition(":")
    return f"loadModel({name}, {{{quoted(version)}}})" if version else f"loadModel({name})"


def _end(process: subprocess.Popen[str]) -> None:
    """End it and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
