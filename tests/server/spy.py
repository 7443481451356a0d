"""Run as an ordinary user: what a process of the gateway's own user learns of the gateway.

Prints what each attempt got from a server with a secret, and from a process that doesn't hide.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from served import served

KEY: Final = "sk_test_ofthisgateway"
_SEIZE: Final = 0x4206
_DETACH: Final = 17


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), STRIPE_SECRET_KEY=KEY) as server,
    ):
        found = {"server": attempts(server.pid), "limits": limits(server.pid)}
    open_process = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(
        open_process,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "STRIPE_SECRET_KEY": KEY},
    ) as control:
        assert control.stdout is not None
        control.stdout.readline()
        found["control"] = attempts(control.pid)
        control.kill()
    sys.stdout.write(json.dumps(found))


def attempts(pid: int) -> dict[str, bool]:
    """Which attempts came to something."""
    proc = Path(f"/proc/{pid}")
    tried: dict[str, Callable[[], bool]] = {
        "environ": lambda: KEY.encode() in (proc / "environ").read_bytes(),
        "mem": lambda: (proc / "mem").open("rb").readable(),
        "maps": lambda: bool((proc / "maps").read_bytes()),
        "fd": lambda: bool(list((proc / "fd").iterdir())),
        "ptrace": lambda: _traced(pid),
    }
    return {name: _succeeds(attempt) for name, attempt in tried.items()}


def limits(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text(encoding="ascii")


def _succeeds(attempt: Callable[[], bool]) -> bool:
    try:
        return attempt()
    except OSError:
        return False


def _traced(pid: int) -> bool:
    libc = ctypes.CDLL(None)
    if libc.ptrace(_SEIZE, pid, None, None) != 0:
        return False
    libc.ptrace(_DETACH, pid, None, None)
    return True


if __name__ == "__main__":
    main()
