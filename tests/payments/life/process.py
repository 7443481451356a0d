"""One process of the gateway, which may die, among an outside that may fail."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import stripe as sdk
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
)
from payments.life.model import (
    OFFERS,
    PACK,
    Account,
    Run,
)
from payments.life.outside import FAULTS, Died, MortalDatabase, Outside
from payments.life.token import ASSET, NETWORK, TILL, TILL_KEY, Token
from payments.world import NOW, World, stripe_settings
from stripe_standin.server import running
from stripe_standin.sessions import Stripe

from gateway_payments.exceptions import PaymentError
from gateway_payments.quotes import Quote
from gateway_payments.settings import PaymentSettings
from gateway_payments.x402_settings import Asset, X402Settings
from gateway_storage.base import Base
from gateway_storage.database import Database


class Process(RuleBasedStateMachine):
    """`socket`: whether Stripe's stand-in is behind a real connection."""

    socket = False

    def __init__(self) -> None:
        super().__init__()
        self.around = ExitStack()
        self._repeatable()
        folder = self.around.enter_context(tempfile.TemporaryDirectory(dir=_memory()))
        shutil.copy(_empty(), f"{folder}/gateway.sqlite3")
        database = MortalDatabase(f"sqlite:///{folder}/gateway.sqlite3")
        stripe, client = Stripe("http://stripe"), None
        if self.socket:
            stripe = self.around.enter_context(running())
            client = sdk.new_default_http_client(timeout=10)
        token = Token(clock=NOW.timestamp)
        self.outside = database.outside = Outside(stripe, token, client)
        self.around.enter_context(self.outside.in_place())
        self.world = World(database, stripe, _settings(stripe.base_url))
        token.clock = stripe.clock
        self.accounts: list[Account] = []
        self.quotes: list[tuple[Account, Quote]] = []
        self.tokens: list[tuple[Account, str]] = []
        self.payloads: list[tuple[Account, dict[str, Any]]] = []
        self.runs: dict[str, Run] = {}
        self.heard: set[str] = set()  # webhooks that we took
        self.lost: set[str] = set()  # and those that will never come
        self.deaths = 0
        self.numbers = itertools.count()

    def _repeatable(self) -> None:
        """Ids are made from the same numbers in each run of the same history."""
        lots = random.Random(0)  # noqa: S311
        for name, new in (
            ("uuid.uuid4", lambda: uuid.UUID(int=lots.getrandbits(128), version=4)),
            ("secrets.token_hex", lambda size: f"{lots.getrandbits(8 * size):0{2 * size}x}"),
        ):
            self.around.enter_context(patch(name, new))

    @rule(moments=st.integers(0, 12))
    def mortal(self, moments: int) -> None:
        self.outside.moments = moments

    @rule(
        delta=st.sampled_from(
            [
                {"seconds": -40},
                {"seconds": 3},
                {"minutes": 6},
                {"minutes": 31},
                {"minutes": 61},
                {"hours": 7},
                {"hours": 25},
                {"days": 3},
                {"days": 36},
            ]
        )
    )
    def time_passes(self, delta: dict[str, float]) -> None:
        self.world.later(**delta)

    @rule(price=st.sampled_from([60, 100, 130]), work=st.sampled_from([0, 20_000]))
    def prices_change(self, price: int, work: int) -> None:
        self.world.restart(price_minor=price, million_units_price_minor=work)

    @contextmanager
    def process(self, trouble: Sequence[str] = ()) -> Iterator[None]:
        """Whatever the block asks for may be refused, and the process may die of it."""
        self.outside.trouble = deque(trouble)
        try:
            yield
        except PaymentError:
            pass
        except Died:
            self.deaths += 1
            self._restarted()
        finally:
            self.outside.trouble.clear()

    def _restarted(self) -> None:
        """A new process, which knows nothing of the old one's runs."""
        self.outside.moments = None
        self.world.payments.close()
        self.world.restart()
        for run in self.runs.values():
            if run.state == "running":
                run.state = "orphan"

    def _hear(self, event: dict[str, Any], trouble: list[str] | None = None) -> None:
        if event["type"] == "customer.subscription.deleted":
            self.accounts[0].unlinked = True
        with self.process(trouble or []):
            self.world.webhook(event)
            self.heard.add(event["id"])

    @property
    def troubled(self) -> bool:
        """Whether anything went wrong outside so far."""
        return self.deaths > 0 or any(self.outside.suffered[fault] for fault in FAULTS[1:])

    @property
    def stripe(self) -> Stripe:
        return self.outside.stripe


def _settings(api_base: str) -> PaymentSettings:
    stripe = replace(stripe_settings(api_base), metered_price_id="price_metered")
    x402 = X402Settings(
        pay_to=TILL,
        network=NETWORK,
        asset=Asset(ASSET, "USDC", "2"),
        resource_url="http://gateway/simulate",
        facilitator_url="http://facilitator",
        rpc_url="http://node",
        refund_key=TILL_KEY,
    )
    return PaymentSettings(
        secret=b"0" * 32,
        offers=OFFERS,
        packs_minor=(PACK,),
        metered_price_minor=7,
        x402_price_minor=20,
        stripe=stripe,
        x402=x402,
    )


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


@cache
def _empty() -> str:
    """A database without anything in it, made once."""
    folder = tempfile.mkdtemp(dir=_memory())
    database = Database(f"sqlite:///{folder}/empty.sqlite3")
    Base.metadata.create_all(database.engine)
    database.engine.dispose()
    return f"{folder}/empty.sqlite3"
