"""What the tests of deaths work with: a healthy gateway and one that is about to die, on one
database; Stripe's stand-in as a process; and what the database says of one account.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from conftest import WEBHOOK_SECRET, Running
from doors.clients import Where
from served import served
from sqlalchemy import text
from stripe_standin.server import signed

from gateway_payments import accounts
from gateway_payments.accounts import Caller, find_caller
from gateway_payments.audit import audit
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_tools.upkeep import reconcile, recover

TESTS = Path(__file__).parents[1]
REQUEST = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "step": 1e-4}  # its result is a blob
_STATE = {
    "payments": "SELECT state, COUNT(*) FROM payments WHERE account_id = :a GROUP BY state",
    "rights": "SELECT state, COUNT(*) FROM entitlements WHERE account_id = :a GROUP BY state",
    "runs": "SELECT state, COUNT(*) FROM runs WHERE account_id = :a GROUP BY state",
    "transfers": """
        SELECT SUBSTR(id, 1, INSTR(id, ':') - 1), COUNT(*) FROM transfers
        WHERE credit_id LIKE '%' || :a || '%' AND id NOT LIKE 'grant:%' GROUP BY 1
    """,
    "letters": """
        SELECT state, COUNT(*) FROM outbox WHERE id IN
            (SELECT 'meter:' || run_id FROM usage WHERE account_id = :a
             UNION SELECT 'refund:' || id FROM payments WHERE account_id = :a) GROUP BY state
    """,
}


@contextmanager
def stripe_process() -> Iterator[str]:
    """The stand-in as a process of its own; its address."""
    command = [sys.executable, "-m", "stripe_standin", "--port", "0"]
    process = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class Shop:
    """One account of a gateway that will be killed, and the ways to act on it."""

    healthy: Running
    stripe: str
    folder: Path  # of the gateway that dies
    where: Where = field(init=False)
    caller: Caller = field(init=False)
    known: dict[str, str] = field(default_factory=dict)  # what the client remembers

    def __post_init__(self) -> None:
        self.where = self.healthy.account()
        with self.healthy.embedded.gateway.database.read() as db:
            found = find_caller(db, self.where.key)
        assert found
        self.caller = found

    def post(self, path: str, body: dict[str, Any], to: str = "") -> httpx.Response | None:
        """What the client gets from the healthy gateway, or from `to`; None: the line went dead."""
        headers = {"Authorization": f"Bearer {self.where.key}"}
        try:
            return httpx.post(
                (to or self.healthy.url) + path, json=body, headers=headers, timeout=60
            )
        except httpx.TransportError:
            return None

    def read(self, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.where.key}"}
        answer: dict[str, Any] = httpx.get(self.healthy.url + path, headers=headers).json()
        return answer

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.post(path, body)
        assert answer is not None
        told: dict[str, Any] = answer.json()
        return told

    def dies(self, place: str, when: str, act: Any) -> None:  # noqa: ANN401
        """Start a gateway armed to die there; `act` gets its address and must kill it."""
        command = (sys.executable, "-m", "adversary.dying", "serve", "--port", "0")
        self.folder.mkdir(exist_ok=True)
        environment = self._armed(place, when)
        with served(self.folder, command, **environment) as server:
            assert act(server.url) is None, f"it lived: {server.written}"

    def upkeep_dies(self, place: str, when: str) -> None:
        """One round of the reconciler, killed there."""
        done = subprocess.run(
            [sys.executable, "-m", "adversary.dying", "reconcile"],
            env={**os.environ, **self._armed(place, when)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == -9, done.stderr

    def _armed(self, place: str, when: str) -> dict[str, str]:
        paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        return {**self.healthy.environment, "PYTHONPATH": paths, "DIE_AT": place, "DIE": when}

    def give_credits(self) -> None:
        system = self.healthy.embedded.gateway
        with system.database.write() as db:
            name, money = f"gift {self.caller.account_id}", from_minor(500, "usd")
            grant_credits(db, self.caller.account_id, name, money, system.clock())

    def link(self) -> None:
        """The account's runs are counted on Stripe's meter, unasked."""
        made = httpx.post(
            f"{self.stripe}/v1/customers",
            data={"metadata[account_id]": self.caller.account_id},
            headers={"Authorization": "Bearer sk_test_x"},
        )
        system = self.healthy.embedded.gateway
        with system.database.write() as db:
            accounts.claim_customer(db, self.caller.account_id, made.json()["id"])
            accounts.link(db, self.caller.account_id, made.json()["id"], system.clock())

    def webhook(self, to: str = "") -> httpx.Response | None:
        """Stripe tells of what the person paid, in the event `known` keeps."""
        body, signature = signed(json.loads(self.known["event"]), WEBHOOK_SECRET)
        url = (to or self.healthy.url) + "/webhooks/stripe"
        try:
            return httpx.post(url, content=body, headers={"Stripe-Signature": signature})
        except httpx.TransportError:
            return None

    def at_stripe(self) -> dict[str, Any]:
        """All that Stripe has."""
        state: dict[str, Any] = httpx.get(f"{self.stripe}/control/state").json()
        return state

    def keep_up(self) -> None:
        """What each gateway does at its start and every half minute, a while later."""
        system = self.healthy.embedded.gateway
        later = replace(system, clock=lambda: system.clock() + timedelta(minutes=20))
        recover(later)
        reconcile(later)

    def audit(self) -> list[str]:
        with self.healthy.embedded.gateway.database.read() as db:
            return audit(db)

    def state(self) -> dict[str, dict[str, int]]:
        """What the database says of the account."""
        with self.healthy.embedded.gateway.database.read() as db:
            return {
                table: {
                    row[0]: row[1] for row in db.execute(text(query), {"a": self.caller.account_id})
                }
                for table, query in _STATE.items()
            }
