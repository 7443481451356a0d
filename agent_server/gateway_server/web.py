"""What the HTTP doors must know of the world around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway_server.clients import Network
from gateway_server.rates import Rates


@dataclass(frozen=True, slots=True)
class Web:
    """What the HTTP server must know of the world around it.

    `base_url`: how clients reach it, without a slash at the end. `hosts`: the Host headers that
    /mcp answers to. `origins`: whose pages may call. `upload_bytes`: the largest FMU.
    `proxies`: who may say for whom it asks. `rates`: how often one may ask. `mcp_sessions`: kept
    for MCP's clients of old revisions. `folders`: where the gateway writes. `secret`: the gateway's
    own, the same in all that share a database. `metrics_token`: opens /metrics, which isn't there
    without one.
    """

    base_url: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    upload_bytes: int
    proxies: tuple[Network, ...]
    rates: Rates
    mcp_sessions: bool
    folders: tuple[Path, ...]
    secret: bytes = field(repr=False)
    metrics_token: str | None = field(repr=False)
