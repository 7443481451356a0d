"""A facilitator as a service: x402's own, behind the three addresses that its clients ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chain.node import Chain
from x402 import x402FacilitatorSync
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.mechanisms.evm.signers import FacilitatorWeb3Signer
from x402.schemas import PaymentPayload, PaymentRequirements


@dataclass
class Service:
    """`lost`: what it does and never answers; `down`: what it doesn't even do."""

    url: str
    calls: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)


@contextmanager
def running_service(chain: Chain, key: str) -> Iterator[Service]:
    facilitator = x402FacilitatorSync()
    scheme = ExactEvmFacilitatorScheme(FacilitatorWeb3Signer(key, chain.url))
    facilitator.register([chain.network], scheme)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = self.path.strip("/")
            service.calls.append(name)
            if name in service.down:
                self.send_error(502)
                return
            answer = {"verify": facilitator.verify, "settle": facilitator.settle}[name](
                PaymentPayload.model_validate(asked["paymentPayload"]),
                PaymentRequirements.model_validate(asked["paymentRequirements"]),
            )
            if name in service.lost:
                self.send_error(504)
                return
            body = answer.model_dump_json(by_alias=True, exclude_none=True).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="facilitator")
    thread.start()
    service = Service(f"http://127.0.0.1:{server.server_port}")
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
