"""A real chain on this machine: an EVM, blocks, transactions, behind the JSON-RPC of a node."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import vyper
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester, PyEVMBackend
from web3 import EthereumTesterProvider, Web3
from web3.logs import DISCARD
from web3.middleware import combine_middleware
from web3.types import TxParams, Wei

from gateway_payments.recursion import recursion_limit_kept

FOLDER = Path(__file__).parent

sys.setrecursionlimit(1000)  # py-evm's import allows so much that deep JSON would end the process


@dataclass
class Chain:
    """The chain, its dollar token, and how a test meddles with either."""

    url: str
    tester: EthereumTester
    w3: Web3
    token: Any
    calls: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # methods that the node fails to answer
    answers: dict[str, Any] = field(default_factory=dict)  # methods it answers falsely

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever the block does to the chain, and to its clock, never was."""
        before = self.tester.take_snapshot()
        try:
            yield
        finally:
            self.tester.revert_to_snapshot(before)
            self.broken.clear()
            self.answers.clear()

    @property
    def network(self) -> str:
        return f"eip155:{self.w3.eth.chain_id}"

    def purse(self, *, dollars: float = 0, gas: bool = False) -> LocalAccount:
        """A fresh key with so many dollars of the token, and gas where it must send."""
        account: LocalAccount = Account.create()
        if dollars:
            minting = self.token.functions.mint(account.address, int(dollars * 1e6))
            self.mined(minting.transact({"from": self.w3.eth.accounts[0]}))
        if gas:
            given: TxParams = {
                "from": self.w3.eth.accounts[0],
                "to": account.address,
                "value": Wei(10**18),
            }
            self.mined(self.w3.eth.send_transaction(given))
        return account

    def balance(self, address: str) -> int:
        """What the address holds of the token, in millionths of a dollar."""
        return int(self.token.functions.balanceOf(Web3.to_checksum_address(address)).call())

    def mined(self, transaction: Any) -> Any:  # noqa: ANN401
        """The receipt of a transaction that must succeed."""
        receipt = self.w3.eth.wait_for_transaction_receipt(transaction)
        assert receipt["status"] == 1
        return receipt

    def paid(self, transaction: str) -> tuple[str, str, int]:
        """From, to and amount of the one token transfer in the transaction."""
        (moved,) = self.token.events.Transfer().process_receipt(self.mined(transaction), DISCARD)
        return moved.args.sender, moved.args.receiver, moved.args.amount


@contextmanager
def running_chain() -> Iterator[Chain]:
    """A chain with its token, for as long as the block runs."""
    with recursion_limit_kept():  # the backend imports more of it
        tester = EthereumTester(PyEVMBackend())
    provider = EthereumTesterProvider(tester)
    w3 = Web3(provider)
    answer = combine_middleware(provider._middleware, w3, provider.make_request)  # noqa: SLF001
    lock = threading.Lock()

    class Node(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = asked["method"]
            chain.calls.append(method)
            if method in chain.broken:
                self.send_error(503)
                return
            with lock:
                told = _answered(answer, method, asked["params"])
            if method in chain.answers:
                told = {"result": chain.answers[method]}
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="chain")
    thread.start()
    chain = Chain(f"http://127.0.0.1:{server.server_port}", tester, w3, deployed(w3, "token"))
    try:
        yield chain
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@cache
def _compiled(name: str) -> dict[str, Any]:
    source = (FOLDER / f"{name}.vy").read_text()
    compiled: dict[str, Any] = vyper.compile_code(source, output_formats=["abi", "bytecode"])
    return compiled


def deployed(w3: Web3, name: str) -> Any:  # noqa: ANN401
    """A contract of this folder, on the chain."""
    made = _compiled(name)
    contract = w3.eth.contract(abi=made["abi"], bytecode=made["bytecode"])
    sent = contract.constructor().transact({"from": w3.eth.accounts[0]})
    address = w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
    assert address
    return w3.eth.contract(address=address, abi=made["abi"])


def _answered(answer: Any, method: str, parameters: list[Any]) -> dict[str, Any]:  # noqa: ANN401
    try:
        told = answer(method, parameters)
    except Exception as failure:  # noqa: BLE001  a node tells
        return {"error": {"code": 3, "message": f"execution reverted: {failure}"}}
    if "error" in told:
        error = told["error"]
        return {"error": error if isinstance(error, dict) else {"code": -1, "message": str(error)}}
    return {"result": _plain(told["result"])}


def _plain(value: Any, name: str = "") -> Any:  # noqa: ANN401
    """As JSON-RPC writes it: quantities and bytes are hexadecimal text."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return f"0x{value:0512x}" if name == "logsBloom" else hex(value)
        case bytes():
            return "0x" + value.hex()
        case _ if hasattr(value, "items"):
            return {key: _plain(item, key) for key, item in value.items()}
    return [_plain(item) for item in value]
