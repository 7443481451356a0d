"""OpenTelemetry traces: sent where the standard OTEL_* environment says, and only then.

The spans are made whether or not anybody listens: FastAPI's and the MCP SDK's at the doors (which
take over a caller's `traceparent`), `gateway_tools.observing`'s below. The SDK and the exporter are
the optional dependency `fmu-gateway[otel]`.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final

import structlog
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from gateway_server.privacy import Mask

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.sdk.trace.export import SpanExporter

DOOR_SPANS: Final[TelemetryConfig] = {
    "auto_configure": False,  # that is done here, for all doors
    "metrics": False,  # Prometheus' are at /metrics
    "logs": False,
    "operation_spans": False,
}
"""What FastAPI is told: one span a request, nothing else."""
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NAMES: Final = {"otlp": "otlp_proto_http"}
_GROUP: Final = "opentelemetry_traces_exporter"

_log = structlog.get_logger()


def wanted_exporter() -> str | None:
    """The exporter that OTEL_TRACES_EXPORTER or an OTLP endpoint asks for, if any."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    default = "otlp" if any(os.environ.get(name) for name in _ENDPOINTS) else "none"
    name = (os.environ.get("OTEL_TRACES_EXPORTER") or default).strip().lower()
    return None if name == "none" else _NAMES.get(name, name)


def configure_tracing(mask: Mask) -> None:
    """Send spans where the environment asks for it. What can't be sent is said, not fatal."""
    wanted = wanted_exporter()
    if wanted is None:
        return
    try:
        exporter = _exporter(wanted)
    except (ImportError, LookupError, ValueError) as error:
        hint = "install fmu-gateway[otel], or set OTEL_TRACES_EXPORTER=none"
        _log.warning("traces_not_sent", exporter=wanted, reason=str(error), remedy=hint)
        return
    trace.set_tracer_provider(_provider(exporter, mask))


def _exporter(name: str) -> SpanExporter:
    found = next(iter(entry_points(group=_GROUP, name=name)), None)
    if found is None:
        message = f"no exporter of that name is installed: {name}"
        raise LookupError(message)
    made: SpanExporter = found.load()()
    return made


def _provider(exporter: SpanExporter, mask: Mask) -> trace.TracerProvider:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  optional, and heavy
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    class Masked(SpanProcessor):
        """Blackens addresses before any exporter sees them: upload tickets stand in paths."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            """Attributes are set already, and may be replaced until the span ends."""
            del parent_context
            for name, value in dict(span.attributes or {}).items():
                masked = mask.masked(value)
                if masked != value:
                    span.set_attribute(name, masked)

        def on_end(self, span: ReadableSpan) -> None:
            """Nothing: a span that has ended can't be changed."""

    provider = TracerProvider(resource=Resource.create(_service()))
    provider.add_span_processor(Masked())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _service() -> dict[str, str]:
    """What is traced, unless the environment names it otherwise."""
    given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in given
    service = {} if named else {"service.name": "fmu-gateway"}
    return {**service, "service.version": version("fmu-gateway")}
