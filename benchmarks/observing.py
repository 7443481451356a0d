"""What observing a call costs: its span, its counts, its line of log. No network, no model.

    uv run python benchmarks/observing.py

The best of several rounds counts: whatever else the machine does only adds to it.
"""

from __future__ import annotations

import os
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from gateway_server.logs import configure_logs
from gateway_server.metrics import Metrics
from gateway_simulation.usage import Usage
from gateway_tools.observing import spanned

ROUNDS: Final = 7
CALLS: Final = 5_000


class Nowhere(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: object) -> SpanExportResult:
        """Forget."""
        del spans
        return SpanExportResult.SUCCESS


def main() -> None:
    """Print microseconds per observation."""
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until the end
    metrics, usage = Metrics(), Usage(0.1, 1.2, 0.9, 2_000_000, "strong")
    configure_logs("json")
    log = structlog.get_logger()

    def span() -> None:
        with spanned("run", run_id="res_0123456789abcdef01234567"):
            pass

    def counts() -> None:
        metrics.began("simulate")
        metrics.called("simulate", "rest", "done", 0.003)
        metrics.ran("done", usage)
        metrics.answered("rest", "POST", "/simulate", 200, 0.004)

    def line() -> None:
        log.info("tool_called", tool="simulate", door="rest", outcome="done", wall_ms=3.21)

    print(f"| a span, without the SDK | {_microseconds(span):.1f} us |")
    print(f"| all counts of one run | {_microseconds(counts):.1f} us |")
    print(f"| a line of log, JSON | {_microseconds(line):.1f} us |")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
    print(f"| a span, with the SDK and an exporter | {_microseconds(span):.1f} us |")
    provider.shutdown()


def _microseconds(work: Callable[[], None]) -> float:
    return min(timeit.repeat(work, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


if __name__ == "__main__":
    main()
