"""Start a built image's gateway, use it as a client does, measure its memory, and stop it.

    python scripts/check_image.py ROOTS [STAGE]     after `scripts/build_image.py build ROOTS`

One line for each finding; it ends with status 1 at the first that is wrong. Memory is the sum of
what the gateway's processes have for themselves and their share of what they share (PSS), so that
nothing counts twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from fmus import compiled, sources  # noqa: E402  found just above

FMUS: Final = Path(compiled.__file__).parent
URL: Final = "http://127.0.0.1:8080"
MEMORY_LIMIT: Final = 256
_START_S: Final = 60
_RUNS: Final = 50
# What a run may take under MEMORY_LIMIT=256, beside what its process has anyway.
_LARGE: Final = """
#include <stdlib.h>
#include <string.h>
__attribute__((constructor)) static void take(void) {
    volatile char *block = malloc(150u << 20);
    for (size_t i = 0; block && i < 150u << 20; i += 1024) block[i] = 1;
}
"""


def main() -> None:
    """Check a stage."""
    roots, stage = Path(sys.argv[1]), (sys.argv[2:] or ["gateway"])[0]
    image = Image(roots, stage)
    tell("doctor", image.run("fmu-gateway", "doctor") == 0)
    names = "for name in cc gcc g++ clang as ld cmake; do ! command -v $name || exit 1; done"
    tell("no compiler in PATH", image.run("sh", "-c", names) == 0)
    with image.serving() as pid:
        use(pid)
        os.kill(pid, signal.SIGTERM)
        tell("SIGTERM ends it", ended(pid))


@dataclass(frozen=True, slots=True)
class Image:
    """A stage that was built, and how to run something in it."""

    roots: Path
    stage: str

    def run(self, *command: str) -> int:
        """The exit status of a command in it."""
        return self._start(command).wait()

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The process id of its own command, once it answers."""
        process = self._start(())
        try:
            until = time.monotonic() + _START_S
            while time.monotonic() < until and process.poll() is None and not _answers():
                time.sleep(0.1)
            found = [pid for pid in tree(process.pid) if _name(pid) == "fmu-gateway"]
            tell("its own command serves", passed=bool(found))
            yield found[0]
        finally:
            for one in tree(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            process.wait()

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        script = str(Path(__file__).with_name("build_image.py"))
        return subprocess.Popen(
            [sys.executable, script, "run", str(self.roots), self.stage, *command],
            env={**os.environ, "IMAGE_ENV": f"MEMORY_LIMIT={MEMORY_LIMIT}"},
        )


def use(pid: int) -> None:
    """Uploads, runs and a plot, and what they take of memory."""
    tell(f"idle: {megabytes(pid)} MB in {len(tree(pid))} processes", passed=True)
    key = httpx.post(f"{URL}/keys").json()["key"]
    client = httpx.Client(base_url=URL, headers={"Authorization": f"Bearer {key}"}, timeout=120)
    first = client.post("/simulate", json={"fmu_id": "msl:BouncingBall"})
    tell(f"a run, sandbox {checked(first)['engine']['sandbox']}", passed=True)
    for name, more in {"small": "", "large": _LARGE}.items():
        peak, answer = beside(pid, lambda: client.post("/fmus", files={"file": written(more)}))  # noqa: B023
        model = checked(answer)["id"]
        tell(f"{name} sources compiled: peak {peak} MB", passed=True)
        peak, answer = beside(pid, lambda: client.post("/simulate", json={"fmu_id": model}))  # noqa: B023
        tell(f"a run of that: {checked(answer)['status']}, peak {peak} MB", passed=True)
    for _ in range(_RUNS):
        checked(client.post("/simulate", json={"fmu_id": "msl:VanDerPol"}))
    tell(f"after {_RUNS} runs: {megabytes(pid)} MB", passed=True)
    plot = f"/results/{checked(first)['result_id']}?format=png"
    peak, answer = beside(pid, lambda: client.get(plot))
    tell(f"a plot: peak {peak} MB, then {megabytes(pid)} MB", passed=answer.is_success)


def written(more: str) -> bytes:
    """An FMU that has sources only."""
    parts = {name: (FMUS / name).read_text() for name in ("base.c", "fmu.h", "integrates.c")}
    return sources.fmu2({**parts, "more.c": more}, "base.c", "integrates.c", "more.c")


def checked(answer: httpx.Response) -> dict[str, Any]:
    """What was answered. Raises SystemExit where it is an error."""
    if not answer.is_success:
        tell(f"{answer.request.url.path}: {answer.status_code} {answer.text[:400]}", passed=False)
    told: dict[str, Any] = answer.json()
    return told


def beside(pid: int, call: Callable[[], httpx.Response]) -> tuple[int, httpx.Response]:
    """The most memory while a call is under way [MB], and its answer."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], megabytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = call()
    finally:
        done.set()
        watcher.join()
    return peak[0], answer


def megabytes(pid: int) -> int:
    """Memory of a process and all that it started."""
    total = 0
    for one in tree(pid):
        with suppress(OSError, IndexError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0])
    return total // 1024


def tree(pid: int) -> list[int]:
    """A process and all that it started, by process id."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def ended(pid: int) -> bool:
    """Whether it ends within the patience that a deployment has."""
    until = time.monotonic() + _START_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    return not Path(f"/proc/{pid}").exists()


def tell(what: str, passed: bool) -> None:  # noqa: FBT001
    """A line; ends where something is wrong."""
    print(f"{'ok  ' if passed else 'FAIL'} {what}", flush=True)
    if not passed:
        raise SystemExit(1)


def _answers() -> bool:
    try:
        return httpx.get(f"{URL}/health").is_success
    except httpx.TransportError:
        return False


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


if __name__ == "__main__":
    main()
