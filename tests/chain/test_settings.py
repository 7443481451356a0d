"""A mistake in what decides where money goes stops the start, with one line each."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from textwrap import dedent

import pytest
from eth_account import Account
from x402.mechanisms.evm.default_assets import DEFAULT_ASSETS

from gateway_payments.providers import x402_chain
from gateway_payments.providers.x402_authorization import Authorization
from gateway_payments.settings import PaymentSettings, mistakes
from gateway_payments.x402_settings import USDC, Asset, X402Settings, asset_of

pytestmark = pytest.mark.slow

KEY = "0x" + "1" * 64
TILL = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
GOOD = X402Settings(
    pay_to=TILL,
    network="eip155:8453",
    asset=USDC["eip155:8453"],
    resource_url="http://gateway/simulate",
    facilitator_url="https://facilitator.example",
)


def _wrong(settings: X402Settings | None, currency: str = "usd") -> list[str]:
    offered = PaymentSettings(secret=b"0" * 32, offers=("x402",), currency=currency, x402=settings)
    return mistakes(offered)


def test_good_settings_have_no_mistakes() -> None:
    assert _wrong(GOOD) == []
    own = replace(GOOD, facilitator_url=None, rpc_url="https://node", private_key=KEY)
    assert _wrong(own) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (replace(GOOD, pay_to=""), "X402_PAY_TO: is needed"),
        (replace(GOOD, pay_to="0x" + "0" * 40), "X402_PAY_TO: is needed"),
        (replace(GOOD, pay_to=TILL.replace("fCD", "fcD")), "X402_PAY_TO: 0x833589fcD6"),
        (replace(GOOD, network="base"), "X402_NETWORK: is needed"),
        (replace(GOOD, asset=Asset("0x1", "USDC", "2")), "X402_ASSET: is needed"),
        (replace(GOOD, asset=Asset(TILL, "", "2")), "X402_ASSET_NAME: is needed"),
        (replace(GOOD, asset=Asset(TILL, "USDC", "")), "X402_ASSET_VERSION: is needed"),
        (replace(GOOD, facilitator_url="ftp://x"), "X402_FACILITATOR_URL: must begin"),
        (replace(GOOD, rpc_url="node:8545"), "X402_RPC_URL: must begin"),
        (replace(GOOD, private_key="secret"), "X402_PRIVATE_KEY: must be 64"),
        (replace(GOOD, confirmations=0), "X402_CONFIRMATIONS: must be at least 1"),
        (None, "PAYMENT_OFFERS: x402 needs"),
    ],
)
def test_each_mistake_is_one_line_without_the_secret(
    settings: X402Settings | None, told: str
) -> None:
    (line,) = _wrong(settings)
    assert line.startswith(told)
    assert "secret" not in line
    assert "\n" not in line


def test_who_settles_must_be_said() -> None:
    lines = _wrong(replace(GOOD, facilitator_url=None))
    assert [line.partition(":")[0] for line in lines] == ["X402_RPC_URL", "X402_PRIVATE_KEY"]


def test_who_gives_back_on_the_chain_needs_the_tills_own_key() -> None:
    purse = Account.create()
    giving = replace(GOOD, pay_to=purse.address, rpc_url="https://node", refund="chain")
    assert _wrong(replace(giving, refund_key=purse.key.hex())) == []
    without = _wrong(replace(giving, rpc_url=None))
    assert [line.partition(":")[0] for line in without] == ["X402_RPC_URL", "X402_REFUND_KEY"]
    (line,) = _wrong(replace(giving, refund_key=Account.create().key.hex()))
    assert line == "X402_REFUND_KEY: must be the private key of X402_PAY_TO"
    (line,) = _wrong(replace(giving, refund_key="secret"))
    assert line == "X402_REFUND_KEY: must be 64 hexadecimal digits"


def test_tokens_are_dollars() -> None:
    (line,) = _wrong(GOOD, currency="eur")
    assert line.startswith("STRIPE_SIMULATION_CURRENCY: must be usd")


def test_secrets_are_not_shown() -> None:
    shown = repr(replace(GOOD, private_key="1" * 64, rpc_url="https://node/v2/key"))
    assert "1" * 64 not in shown
    assert "v2/key" not in shown


def test_our_tokens_are_the_ones_that_x402_knows() -> None:
    for network, ours in USDC.items():
        theirs = DEFAULT_ASSETS[network][0]
        assert (ours.address, ours.name, ours.version) == (
            theirs["asset"],
            theirs["name"],
            theirs["version"],
        )
        assert theirs["decimals"] == x402_chain._SIX  # noqa: SLF001
        assert asset_of(network, None, None, None) == ours
        assert asset_of(network, ours.address.lower(), None, None).name == ours.name
    assert asset_of("eip155:1", "0x1", None, "3") == Asset("0x1", "", "3")


def test_json_nested_deep_is_an_error_and_no_end_of_a_gateway_that_signs() -> None:
    """In a process of its own: this one has imported all that lifts the limit of recursion."""
    anything = Authorization(GOOD.network, TILL, TILL, TILL, 1, 0, 1, "0x", "0x", "qt_x")
    program = f"""
        import json
        from dataclasses import replace
        from gateway_payments.exceptions import ChainUnavailableError
        from gateway_payments.providers.x402_authorization import Authorization
        from gateway_payments.providers.x402_facilitator import Facilitator
        from gateway_payments.x402_settings import Asset, X402Settings, x402_mistakes
        own = {{"facilitator_url": None, "rpc_url": "http://127.0.0.1:9", "private_key": "{KEY}"}}
        settings = replace({GOOD}, **own, refund="chain", refund_key="{KEY}")
        assert list(x402_mistakes(settings, "usd"))
        try:
            Facilitator(settings).verify({anything}, {{}})
        except ChainUnavailableError:
            pass
        try:
            json.loads("[" * 200_000)
        except RecursionError:
            print("refused")
    """
    ran = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False
    )
    assert ran.stdout.endswith("refused\n"), ran.stderr
