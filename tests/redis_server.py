"""A real Redis or Valkey, a process of its own; where there is none the test is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from served import free_port


@contextmanager
def redis_server(port: int | None = None) -> Iterator[str]:
    """The address of a fresh server that keeps nothing."""
    command = shutil.which("redis-server") or shutil.which("valkey-server")
    if command is None:
        if os.environ.get("REDIS_REQUIRED"):
            pytest.fail("there is no redis-server on this machine")
        pytest.skip("there is no redis-server on this machine")
    port = port or free_port()
    listen = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([command, *listen], stdout=subprocess.DEVNULL)
    try:
        _until_it_answers(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def redis_client(url: str) -> redis.Redis:
    """A client that waits for answers as long as they take."""
    return redis.Redis.from_url(url)


def _until_it_answers(port: int) -> None:
    until = time.monotonic() + 10
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < until
                time.sleep(0.01)
            else:
                return
