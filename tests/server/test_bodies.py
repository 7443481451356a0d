"""A body that never comes to an end holds nobody up."""

from __future__ import annotations

import socket

import pytest
from conftest import Running

from gateway_server import bodies


@pytest.mark.parametrize("bound", ["PAUSE_S", "BODY_S"])
def test_a_body_that_comes_too_slowly_is_given_up(
    free_gateway: Running, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(bodies, bound, 0.1)
    key = free_gateway.account().key
    host, port = free_gateway.url.removeprefix("http://").split(":")
    head = (
        f"POST /simulate HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(head.encode())
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
