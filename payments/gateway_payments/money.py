"""Amounts: integers in millionths of a currency's unit (micros), and what Stripe calls minor units.

A cent is 10,000 micros; x402's USDC counts in micros too. Codes are ISO 4217, in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

MICROS: Final = 1_000_000

# https://docs.stripe.com/currencies#zero-decimal (UGX and ISK are given in hundredths there)
_ZERO_DECIMAL: Final = frozenset(
    {
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
        "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
    }
)  # fmt: skip
_THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts, in minor units
_MINIMUM: Final = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in millionths of `currency`'s unit."""

    amount_micros: int
    currency: str

    @property
    def amount(self) -> float:
        """The amount in the currency's unit, for reading: 1.0."""
        return self.amount_micros / MICROS

    @property
    def amount_minor(self) -> int:
        """The amount in the currency's smallest unit (cents; yen for JPY), rounded up."""
        return -(-self.amount_micros // _micros_per_minor(self.currency))

    def __str__(self) -> str:
        """For people: 1.00 USD, 100 JPY, 0.0125 USD."""
        places = decimals(self.currency)
        text = format(Decimal(self.amount_micros) / MICROS, "f")
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0").ljust(places, "0")
        return f"{whole}{'.' if fraction else ''}{fraction} {self.currency.upper()}"


def from_minor(amount: int, currency: str) -> Money:
    """`amount` cents, or whatever the currency's smallest unit is."""
    return Money(amount * _micros_per_minor(currency), currency)


def decimals(currency: str) -> int:
    """How many decimals the currency's minor unit stands for: 2 for USD, 0 for JPY."""
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


def minimum_minor(currency: str) -> int:
    """The least that a card can be charged, in minor units; 1 where Stripe publishes none."""
    return _MINIMUM.get(currency, 1)


def _micros_per_minor(currency: str) -> int:
    return int(MICROS // 10 ** decimals(currency))
