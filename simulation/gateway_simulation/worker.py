"""The server's side of one zygote: start it, hand it runs, end it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway_simulation import native
from gateway_simulation.exceptions import RunnerLostError, SandboxUnavailableError
from gateway_simulation.layout import Tier
from gateway_simulation.run import Engine

START_S: Final = 30.0
END_S: Final = 5.0
_LOG_TAIL: Final = 1000
_READY_BYTES: Final = 1024
_BEST: Final = -1  # tier
_BOOT: Final = (
    "import sys; sys.path.append(sys.argv[3]); "
    "from gateway_simulation.engine.zygote import main; main(*map(int, sys.argv[1:3]))"
)


class Worker:
    """A running zygote. Raises RunnerLostError where it can't be started or spoken to."""

    def __init__(self, engine: Engine, wanted: Tier | None) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="fmu-gateway-", dir=_memory()))
        self._nothing = self._home / "nothing"
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._nothing.mkdir()
            with theirs, (self._home / "zygote.log").open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    _command(theirs.fileno(), engine, _BEST if wanted is None else int(wanted)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._home,
                    env=_environment(self._home),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
        except BaseException:
            self._control.close()
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        self.tier = self._await_ready()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder for one run to be in. Raises RunnerLostError.

        Only without a sandbox is it the run's own, and removed afterwards: in `strong` the run sees
        one in memory instead, and in `standard` it can put nothing into this one.
        """
        if self.tier is not Tier.DEVELOPMENT:
            yield self._nothing
            return
        try:
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._home))
        except OSError as error:
            raise _gone() from error
        try:
            yield folder
        finally:
            _remove(folder)

    def send(self, assignment: bytes, descriptors: tuple[int, ...]) -> None:
        """Hand over one order, as `layout.ASSIGNMENT`."""
        try:
            with self._lock:
                socket.send_fds(self._control, [assignment], descriptors)
        except OSError as error:
            raise _gone() from error

    def kill(self) -> None:
        """End a process that isn't trusted any more, without asking."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the process and everything that runs in it, remove its folder."""
        with self._lock, contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:
            self._control.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _await_ready(self) -> Tier:
        self._control.settimeout(START_S)
        try:
            ready = self._control.recv(_READY_BYTES)
        except OSError:
            ready = b""
        self._control.settimeout(None)
        if not ready:
            tail = (self._home / "zygote.log").read_bytes()[-_LOG_TAIL:]
            self._process.kill()
            self.close()
            msg = "the process that runs models didn't start"
            raise RunnerLostError(msg, {"log": tail.decode("utf-8", "replace")})
        told = ready.decode("utf-8", "replace")
        if told.startswith("!"):
            self.close()
            msg = f"there is no sandbox in which a model could be run: {told[1:]}"
            raise SandboxUnavailableError(msg)
        return Tier(int(told))


def _gone() -> RunnerLostError:
    return RunnerLostError("the process that runs models is gone")


def _remove(folder: Path) -> None:
    """Whatever a model left there: locked folders, or nested deeper than Python goes."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx", str(folder)], ["rm", "-rf", str(folder)]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # noqa: S603


def _memory() -> str | None:
    """A folder in memory, where there is one: making and removing folders on disks takes 1 ms."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - made by mkdtemp


def _command(descriptor: int, engine: Engine, wanted: int) -> list[str]:
    """The zygote of `engine`. Python's is isolated from the caller's environment and folder."""
    if engine == "native":
        sundials = native.sundials_folder() or ""
        return [str(native.built_zygote()), str(descriptor), str(wanted), str(sundials)]
    packages = str(Path(__file__).resolve().parent.parent)  # our own package must still be found
    return [sys.executable, "-I", "-c", _BOOT, str(descriptor), str(wanted), packages]


def _environment(home: Path) -> dict[str, str]:
    """All that models may know of where they run: no secret is in it."""
    made = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    path = os.environ.get("LD_LIBRARY_PATH")
    return made | ({"LD_LIBRARY_PATH": path} if path else {})
