"""A streamed run whose client has gone."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, NoReturn

from starlette.types import Message

from gateway_server.events import streamed


def test_a_run_that_fails_after_its_client_left_is_no_error_of_the_server() -> None:
    told: list[dict[str, Any]] = []

    async def leave() -> None:
        loop, fail = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _, context: told.append(context))

        async def work() -> NoReturn:
            await fail.wait()
            raise RuntimeError

        async def gone() -> Message:
            return {"type": "http.disconnect"}

        async def send(_: Message) -> None:
            pass

        gateway: Any = SimpleNamespace(timeout_s=5.0)
        before = asyncio.all_tasks()
        answer = streamed(work(), gateway, None)
        (run,) = asyncio.all_tasks() - before
        await answer({"type": "http", "method": "POST", "path": "/"}, gone, send)
        fail.set()
        await asyncio.wait([run])
        del run, answer
        gc.collect()

    asyncio.run(leave())
    assert told == []
