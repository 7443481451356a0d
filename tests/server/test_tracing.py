"""A call's spans hang together from the door to the run, under the caller's own trace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from conftest import Running
from doors.credit import give_credits
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from served import served
from structlog.testing import capture_logs

from gateway_a2a import client as a2a
from gateway_server.privacy import Mask
from gateway_server.tracing import configure_tracing, wanted_exporter

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"
TRACEPARENT: Final = f"00-{TRACE}-{PARENT}-01"
CALL: Final = {"fmu_id": "msl:BouncingBall", "stop_time": 0.1}


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """The SDK, for the rest of this process: a provider is set once. It keeps nothing later."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    yield memory
    memory.shutdown()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


def of_trace(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the caller's trace."""
    return [s for s in spans.get_finished_spans() if s.context.trace_id == int(TRACE, 16)]


def path_of(spans: InMemorySpanExporter, name: str) -> list[str]:
    """The span's name, its parent's, and so on up to the caller's; a door's span ends last."""
    until = time.monotonic() + 10
    while (names := _path(of_trace(spans), name))[-1] != "caller":
        assert time.monotonic() < until, names
        time.sleep(0.01)
    return names


def _path(spans: list[ReadableSpan], name: str) -> list[str]:
    by_id = {span.context.span_id: span for span in spans}
    span = next((span for span in spans if span.name == name), None)
    names = ["", *([span.name] if span else [])]
    while span is not None and span.parent is not None:
        if span.parent.span_id == int(PARENT, 16):
            return [*names[1:], "caller"]
        span = by_id.get(span.parent.span_id)
        names += [span.name] if span else []
    return names


def paid_request(gateway: Running) -> tuple[Any, dict[str, Any]]:
    where = gateway.account()
    give_credits(gateway, where, 500)
    with gateway.http(where) as http:
        quote = http.post("/quotes", json=CALL).json()["quote_id"]
        paid = http.post("/pay", json={"quote_id": quote, "offer": "credits"}).json()
    return where, {**CALL, "payment_token": paid["payment_token"]}


def test_over_rest_the_trace_goes_from_the_door_to_the_run(
    paid_gateway: Running, spans: InMemorySpanExporter
) -> None:
    where, request = paid_request(paid_gateway)
    spans.clear()
    with paid_gateway.http(where) as http:
        http.post("/simulate", json=request, headers={"traceparent": TRACEPARENT})
    for part in ("payment", "run", "settle"):
        assert path_of(spans, part) == [part, "tool simulate", "POST /simulate", "caller"]
    (tool,) = (span.attributes or {} for span in of_trace(spans) if span.name == "tool simulate")
    assert (tool["tool"], tool["door"]) == ("simulate", "rest")


def test_over_mcp_the_context_in_meta_is_taken_over(
    paid_gateway: Running, spans: InMemorySpanExporter
) -> None:
    where, request = paid_request(paid_gateway)
    spans.clear()

    async def converse() -> None:
        headers = {"Authorization": f"Bearer {where.key}"}
        async with (
            create_mcp_http_client(headers=headers) as http,
            Client(streamable_http_client(f"{where.url}/mcp", http_client=http)) as client,
        ):
            with trace.use_span(trace.NonRecordingSpan(caller)):  # which the client puts into _meta
                await client.call_tool("simulate", request)

    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    caller = trace.SpanContext(int(TRACE, 16), int(PARENT, 16), is_remote=False, trace_flags=flags)
    anyio.run(converse)
    assert path_of(spans, "run")[:3] == ["run", "tool simulate", "tools/call simulate"]


def test_over_a2a_the_trace_is_taken_over_too(
    paid_gateway: Running, spans: InMemorySpanExporter
) -> None:
    where, request = paid_request(paid_gateway)
    spans.clear()

    async def converse() -> None:
        async with a2a.connect(where.url, where.key) as agent:
            agent._client._transport.httpx_client.headers["traceparent"] = TRACEPARENT  # type: ignore[attr-defined]  # noqa: SLF001
            assert a2a.state(await agent.call("simulate", request)) == "completed"

    anyio.run(converse)
    assert path_of(spans, "run")[:2] == ["run", "tool simulate"]


def test_a_failure_is_told_by_its_code_without_words_of_the_caller(
    free_gateway: Running, spans: InMemorySpanExporter
) -> None:
    mark = "zz-a-strangers-text"
    with free_gateway.http() as http:
        body = {**CALL, "start_values": {mark: 1}}
        http.post("/simulate", json=body, headers={"traceparent": TRACEPARENT})
    (tool,) = (span for span in of_trace(spans) if span.name == "tool simulate")
    assert (tool.attributes or {})["error.type"] == "unknown_variable"
    told = [
        (s.name, s.attributes, s.events, s.status.description) for s in spans.get_finished_spans()
    ]
    assert mark not in str(told)


@pytest.mark.parametrize(
    ("environment", "exporter_name"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "otlp_proto_http"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318"}, "otlp_proto_http"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp_proto_http"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, None),
    ],
)
def test_traces_are_sent_only_where_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], exporter_name: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wanted_exporter() == exporter_name


def test_an_exporter_that_is_not_installed_is_named_and_the_gateway_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with capture_logs() as logs:
        configure_tracing(Mask([]))
    (event,) = logs
    assert (event["event"], event["exporter"]) == ("traces_not_sent", "zipkin")
    assert "fmu-gateway[otel]" in event["remedy"]


class Collector(BaseHTTPRequestHandler):
    """What an OTLP collector takes."""

    received: Final[list[ExportTraceServiceRequest]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_server_sends_its_spans_to_a_collector_without_tickets(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{collector.server_port}"
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }
        with served(tmp_path, **environment) as server:
            key = httpx.post(f"{server.url}/keys").json()["key"]
            headers = {"Authorization": f"Bearer {key}"}
            upload = httpx.post(f"{server.url}/fmus", json={}, headers=headers).json()["upload_url"]
            httpx.put(upload, content=b"no FMU")
            httpx.get(f"{server.url}/account", params={"key": key}, headers=headers)
        collector.shutdown()
    sent = "".join(map(str, Collector.received))
    assert "fmu-gateway" in sent
    assert "tool upload_fmu" in sent
    assert upload.rpartition("/")[2] not in sent
    assert key not in sent
