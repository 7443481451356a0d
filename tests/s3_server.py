"""A real S3-compatible server, a process of its own that checks signatures: `rclone serve s3`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from served import free_port

BUCKET: Final = "gateway"
_KEY: Final = ("AKIDTEST", "a-secret-of-the-tests")


@dataclass(frozen=True, slots=True)
class S3:
    """Where it is, what it keeps as files, and its process."""

    url: str
    folder: Path
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """What an operator sets to use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": _KEY[0],
            "AWS_SECRET_ACCESS_KEY": _KEY[1],
        }

    @contextmanager
    def silent(self) -> Iterator[None]:
        """While it takes connections and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """A server with one empty bucket, whose objects are files under `folder`."""
    (folder / BUCKET).mkdir(parents=True)
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("rclone")),
        *("serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(_KEY)),
        *("--config", os.devnull, str(folder)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _until_it_answers(url)
        yield S3(url, folder / BUCKET, process.pid)
    finally:
        process.kill()
        process.wait()


def _until_it_answers(url: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.02)
        else:
            return
