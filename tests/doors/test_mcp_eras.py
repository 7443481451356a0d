"""What MCP promises beside tools, by the official client: both eras, over HTTP and stdio."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from conftest import Running
from doors.clients import Where
from doors.mcp_clients import Talk, talking
from fmus import compiled
from mcp.shared.exceptions import MCPError

from gateway_server.mcp_prompts import QUESTIONS

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
WAYS = [(way, mode) for way in ("http", "stdio", "bridge") for mode in ("2026-07-28", "legacy")]
DEADLINE_S = 12


@pytest.fixture(scope="module", params=WAYS, ids=["-".join(way) for way in WAYS])
def talk(request: pytest.FixtureRequest, free_gateway: Running) -> Iterator[Talk]:
    way, mode = request.param
    where = free_gateway.account()
    with free_gateway.http(where) as http:
        http.post("/fmus", files={"file": compiled.fmu("spins")})
    with talking(way, mode, where) as opened:
        yield opened


def test_each_era_speaks_its_revision(talk: Talk) -> None:
    spoken = {"2026-07-28": "2026-07-28", "legacy": "2025-11-25"}
    assert talk.client.protocol_version == spoken[talk.mode]


def test_the_server_says_who_it_is_and_shows_an_icon_over_http(
    talk: Talk, free_gateway: Running
) -> None:
    info = talk.client.server_info
    if info is None:  # it didn't ask: since 2026-07-28 each answer says it
        meta = talk.do(talk.client.list_tools).meta or {}
        info = types.Implementation.model_validate(meta[types.SERVER_INFO_META_KEY])
    else:
        assert "list_library" in (talk.client.instructions or "")
    assert info.title == "FMU Gateway"
    if talk.way == "http":
        assert info.icons is not None
        answer = httpx.get(info.icons[0].src)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.text.startswith("<svg")
        assert free_gateway.url in info.icons[0].src


def test_results_are_listed_newest_first_and_then_models(talk: Talk) -> None:
    made = [talk.call("simulate", RUN)["result_id"] for _ in range(2)]
    listed = talk.do(talk.client.list_resources)
    results = [one for one in listed.resources if one.uri.startswith("result://")]
    assert [one.uri for one in results[:2]] == [f"result://{r}/csv" for r in reversed(made)]
    assert results[0].title is not None
    assert "msl:BouncingBall" in results[0].title
    models = [one.uri for one in all_resources(talk) if one.uri.startswith("fmu://")]
    assert "fmu://msl%3ABouncingBall" in models
    assert any(uri.startswith("fmu://fmu_") for uri in models)
    assert len(models) == len(set(models)) > 50


def all_resources(talk: Talk) -> list[types.Resource]:
    found: list[types.Resource] = []
    cursor: str | None = None
    for _ in range(100):
        page = talk.do(talk.client.list_resources, cursor=cursor)
        assert len(page.resources) <= 50
        found += page.resources
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError


@pytest.mark.parametrize("cursor", ["", "results", "results:-1", "results:200", "x:0", "models:²"])
def test_a_cursor_of_no_list_is_refused(talk: Talk, cursor: str) -> None:
    if not cursor:
        assert talk.do(talk.client.list_resources, cursor=cursor).resources
        return
    with pytest.raises(MCPError):
        talk.do(talk.client.list_resources, cursor=cursor)


def test_a_model_is_read_as_it_is_described(talk: Talk) -> None:
    described = talk.call("describe_model", {"fmu_id": "msl:BouncingBall"})
    for uri in ("fmu://msl:BouncingBall", "fmu://msl%3ABouncingBall", "fmu://BouncingBall"):
        assert json.loads(talk.read(uri)) == described


def test_templates_are_completed(talk: Talk) -> None:
    result_id = talk.call("simulate", RUN)["result_id"]
    templates = talk.do(talk.client.list_resource_templates).resource_templates
    model, result = (types.ResourceTemplateReference(uri=t.uri_template) for t in templates)
    assert talk.complete(model, fmu_id="msl:Bouncing")[0] == "msl:BouncingBall"
    assert "msl:BouncingBall" in talk.complete(model, fmu_id="a ball that jumps")
    assert talk.complete(result, result_id=result_id[:20]) == [result_id]
    assert talk.complete(result, format="p") == ["parquet", "png", "py"]
    with pytest.raises(MCPError):
        talk.complete(result, nothing="x")
    with pytest.raises(MCPError):
        talk.complete(result, fmu_id="x")


def test_each_prompt_is_told_with_its_arguments_and_completes_them(talk: Talk) -> None:
    listed = talk.do(talk.client.list_prompts).prompts
    assert [one.name for one in listed] == [question.name for question in QUESTIONS]
    for prompt in listed:
        given = {a.name: f"my {a.name} {{}}" for a in prompt.arguments or () if a.required}
        (message,) = talk.do(talk.client.get_prompt, prompt.name, given).messages
        assert isinstance(message.content, types.TextContent)
        assert all(value in message.content.text for value in given.values())
        for name in given:
            rest = {key: value for key, value in given.items() if key != name}
            with pytest.raises(MCPError, match=name):
                talk.do(talk.client.get_prompt, prompt.name, rest)
        reference = types.PromptReference(name=prompt.name)
        assert talk.complete(reference, fmu_id="VanDer")[0] == "msl:VanDerPol"
    study = types.PromptReference(name="parameter_study")
    about = {"fmu_id": "msl:BouncingBall"}
    assert "e" in talk.complete(study, about, parameter="")
    assert talk.complete(study, about, output="h") == ["h"]
    assert talk.complete(study, {"fmu_id": "msl:No"}, output="h") == []
    with pytest.raises(MCPError, match="there are"):
        talk.do(talk.client.get_prompt, "pay_everything", {})


def test_a_run_tells_its_progress_where_it_is_asked_to(talk: Talk) -> None:
    seen: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        assert total == 1
        assert message
        seen.append(progress)

    talk.do(talk.client.call_tool, "simulate", RUN, progress_callback=heard)
    until(lambda: bool(seen))
    assert seen[-1] == 1
    assert seen == sorted(set(seen))


def test_a_cancelled_run_is_ended_and_leaves_no_result(talk: Talk, free_gateway: Running) -> None:
    simulator = free_gateway.embedded.gateway.simulator
    spins = next(one.uri for one in all_resources(talk) if "fmu_" in one.uri).partition("//")[2]

    async def run_and_cancel() -> None:
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as calls:
                calls.start_soon(talk.client.call_tool, "simulate", {"fmu_id": spins})
                await anyio.to_thread.run_sync(until, lambda: begun(talk))
                calls.cancel_scope.cancel()

    def begun(_: Talk) -> bool:
        return talk.running_runs() > 0

    talk.do(run_and_cancel)
    until(lambda: talk.running_runs() == 0)
    assert talk.failures()[-1] == "run_cancelled"
    assert not simulator._pool._queue.under_way  # noqa: SLF001
    assert talk.call("simulate", RUN)["status"] == "done"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_log_messages_come_at_the_level_asked_for(talk: Talk) -> None:
    talk.logs.clear()
    talk.do(talk.simulate_with_log_level, "info", RUN)
    until(lambda: any(one.level == "info" for one in talk.logs))
    assert talk.logs[-1].data["event"] == "run_finished"
    talk.logs.clear()
    talk.do(talk.simulate_with_log_level, "error", RUN)
    talk.do(talk.simulate_with_log_level, "error", {"fmu_id": "msl:No"})
    until(lambda: bool(talk.logs))
    assert [one.data["code"] for one in talk.logs] == ["unknown_model"]


def test_nothing_of_another_account_appears(talk: Talk, free_gateway: Running) -> None:
    result_id, fmu_id = others(free_gateway)
    for uri in (f"result://{result_id}/csv", f"fmu://{fmu_id}"):
        with pytest.raises(MCPError) as refused:
            talk.do(talk.client.read_resource, uri)
        old = talk.mode == "legacy" and talk.way != "bridge"  # which passes errors on as they are
        assert refused.value.code == (-32002 if old else -32602)
        assert "BouncingBall" not in refused.value.message
    assert all(result_id not in r.uri and fmu_id not in r.uri for r in all_resources(talk))
    model, result = (
        types.ResourceTemplateReference(uri=t.uri_template)
        for t in talk.do(talk.client.list_resource_templates).resource_templates
    )
    assert talk.complete(result, result_id=result_id) == []
    assert fmu_id not in talk.complete(model, fmu_id=fmu_id)
    study = types.PromptReference(name="parameter_study")
    assert talk.complete(study, {"fmu_id": fmu_id}, parameter="") == []


def others(gateway: Running) -> tuple[str, str]:
    """A result and an upload of somebody else."""
    where: Where = gateway.account()
    with gateway.http(where) as http:
        result_id = http.post("/simulate", json=RUN).json()["result_id"]
        fmu_id = http.post("/fmus", files={"file": compiled.fmu("driven")}).json()["id"]
    return result_id, fmu_id
