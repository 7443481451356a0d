"""Prometheus metrics of one gateway: what it counts, and what is read when somebody asks.

Labels have few values: names of ours, never a caller's text. docs/operations.md lists them.
"""

from __future__ import annotations

import threading
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from gateway_simulation.usage import Usage

_QUICK_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)


class Metrics:
    """Counts calls, runs and answers over HTTP: what doors and tools are given to count with."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.under_way = 0
        """Calls of tools at this moment; none: nobody waits for anything."""
        self._lock = threading.Lock()
        self._answers = Counter(
            "fmu_gateway_http_requests",
            "Requests over HTTP",
            ["door", "method", "route", "status"],
            registry=self.registry,
        )
        self._answer_s = Histogram(
            "fmu_gateway_http_request_seconds",
            "Time until a request was answered to its end",
            ["door"],
            buckets=_QUICK_S,
            registry=self.registry,
        )
        self._under_way = Gauge(
            "fmu_gateway_tool_calls_under_way",
            "Calls of tools that have not been answered yet",
            ["tool"],
            registry=self.registry,
        )
        self._calls = Counter(
            "fmu_gateway_tool_calls",
            "Calls of tools; outcome: done, or the error's code",
            ["tool", "door", "outcome"],
            registry=self.registry,
        )
        self._call_s = Histogram(
            "fmu_gateway_tool_call_seconds",
            "Time that a call of a tool took",
            ["tool"],
            buckets=_QUICK_S,
            registry=self.registry,
        )
        self._runs = Counter(
            "fmu_gateway_runs",
            "Runs and studies that ended; outcome: done, or the error's code",
            ["outcome"],
            registry=self.registry,
        )
        self._waits = Histogram(
            "fmu_gateway_run_wait_seconds",
            "Time that a run waited for its core",
            buckets=_QUICK_S,
            registry=self.registry,
        )
        self._run_s = Histogram(
            "fmu_gateway_run_seconds",
            "Time that a run or study took on its core",
            buckets=_QUICK_S,
            registry=self.registry,
        )
        self._cpu_s = Counter(
            "fmu_gateway_run_cpu_seconds", "Processor time of runs", registry=self.registry
        )

    def answered(self, door: str, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered to its end."""
        self._answers.labels(door, method, route, status).inc()
        self._answer_s.labels(door).observe(seconds)

    def began(self, tool: str) -> None:
        """A tool is called."""
        self._under_way.labels(tool).inc()
        with self._lock:
            self.under_way += 1

    def called(self, tool: str, door: str, outcome: str, seconds: float) -> None:
        """A tool has answered."""
        with self._lock:
            self.under_way -= 1
        self._under_way.labels(tool).dec()
        self._calls.labels(tool, door, outcome).inc()
        self._call_s.labels(tool).observe(seconds)

    def ran(self, outcome: str, usage: Usage | None) -> None:
        """A run has ended; without usage no process was begun for it."""
        self._runs.labels(outcome).inc()
        if usage is not None:
            self._waits.observe(usage.waited_ms / 1000)
            self._run_s.observe(usage.wall_ms / 1000)
            self._cpu_s.inc(usage.cpu_ms / 1000)

    def watch(self, state: Collector) -> None:
        """Read `state` too, each time that somebody asks."""
        self.registry.register(state)

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self.registry)
