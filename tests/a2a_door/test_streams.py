"""What happens to a task is told to all who listen, in its order, until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from a2a_door.conftest import Held
from a2a_door.requirements import holds
from a2a_door.wire import Failed, Wire, answer, message, state_of

from gateway_a2a import progress

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
CALL: Final = {"skill": "simulate", "arguments": RUN}
ACCEPTED: Final = {"acceptedOutputModes": ["application/json", "text/csv"]}


def stream(wire: Wire, call: dict[str, Any]) -> Any:  # noqa: ANN401
    return wire.stream(
        "SendStreamingMessage", {"message": message(call), "configuration": ACCEPTED}
    )


def kinds(events: Iterator[dict[str, Any]]) -> list[str]:
    """Each event in a word: task, its artifact's name, or its state."""
    return [_kind(event) for event in events]


def _kind(event: dict[str, Any]) -> str:
    assert len(event) == 1
    match event:
        case {"task": _}:
            return "task"
        case {"artifactUpdate": {"artifact": {"name": name}}}:
            return "a file" if str(name).startswith("res_") else str(name)
    return state_of(event["statusUpdate"])


@holds("stream-opens", "stream-lifecycle", "rpc-sse", "rest-sse", "order")
def test_a_stream_begins_with_the_task_and_closes_when_it_ends(wire: Wire) -> None:
    with stream(wire, CALL) as events:
        assert kinds(events) == ["task", "WORKING", "simulate", "a file", "COMPLETED"]


@holds("stream-lifecycle", "asks")
def test_a_stream_closes_when_the_task_asks_and_another_opens_with_the_answer(wire: Wire) -> None:
    with stream(wire, {"skill": "simulate"}) as events:
        first, *others = events
    assert kinds(iter(others)) == ["WORKING", "INPUT_REQUIRED"]
    params = {"message": answer(first["task"], RUN)}
    with wire.stream("SendStreamingMessage", params) as events:
        assert kinds(events)[-3:] == ["WORKING", "simulate", "COMPLETED"]


@holds("progress")
def test_a_task_at_work_says_how_far_it_is(
    wire: Wire, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    with stream(wire, CALL) as events:
        told = [next(events) for _ in range(5)]
        task = wire.get(told[0]["task"])
        held.go.set()
        assert kinds(events)[-1] == "COMPLETED"
    elapsed = [e["statusUpdate"]["metadata"]["progress"]["elapsed_s"] for e in told[2:]]
    assert elapsed == sorted(elapsed)
    assert task["metadata"]["progress"]["timeout_s"] == 20
    assert len(wire.get(task)["history"]) == 1


@holds("subscribe-first", "subscribe-end", "order", "streams-independent")
def test_all_who_listen_hear_the_same_and_who_leaves_disturbs_nobody(
    wire: Wire, held: Held
) -> None:
    with stream(wire, CALL) as events:
        task = next(events)["task"]
        assert held.begun.acquire(timeout=20)
        asked = {"id": task["id"]}
        with (
            wire.stream("SubscribeToTask", asked) as first,
            wire.stream("SubscribeToTask", asked) as second,
            wire.stream("SubscribeToTask", asked) as leaving,
        ):
            found = {state_of(next(who)["task"]) for who in (first, second, leaving)}
            assert found <= {"SUBMITTED", "WORKING"}
            leaving.close()  # type: ignore[attr-defined]
            held.go.set()
            with ThreadPoolExecutor(3) as at_once:
                heard: list[list[dict[str, Any]]] = list(at_once.map(list, (events, first, second)))
    after = [[e for e in told if "progress" not in str(e)] for told in heard]
    assert after[0][-3:] == after[1][-3:] == after[2][-3:]
    assert kinds(iter(after[1][-3:])) == ["simulate", "a file", "COMPLETED"]


@holds("subscribe-terminal")
def test_nobody_can_follow_a_task_that_has_ended(wire: Wire) -> None:
    task = wire.run("account", {})
    with pytest.raises(Failed) as refused, wire.stream("SubscribeToTask", {"id": task["id"]}):
        pass
    assert refused.value.reason == "UNSUPPORTED_OPERATION"


@holds("streams-independent")
def test_a_client_that_drops_its_stream_finds_the_task_done(wire: Wire, held: Held) -> None:
    with stream(wire, CALL) as events:
        task = next(events)["task"]
        assert held.begun.acquire(timeout=20)
    held.go.set()
    assert wire.when(task, "COMPLETED")["artifacts"]


@holds("stream-lifecycle")
def test_who_follows_a_task_hears_that_it_is_cancelled(wire: Wire, held: Held) -> None:
    with stream(wire, CALL) as events:
        task = next(events)["task"]
        assert held.begun.acquire(timeout=20)
        wire.call("CancelTask", {"id": task["id"]})
        assert kinds(events)[-1] == "CANCELED"
