"""What a person sees who comes back from Stripe: plain words, nothing private, no token."""

from __future__ import annotations

import html
from typing import Final

from starlette.responses import HTMLResponse

from gateway_payments.receipts import Receipt, Stage
from gateway_server.html_page import html_page

SUCCESS_PATH: Final = "/payments/success"
CANCEL_PATH: Final = "/payments/cancelled"
LINKED_PATH: Final = "/payments/linked"
_LONGEST_NAME: Final = 80
_RELOAD_S: Final = 5
_CLOSE: Final = "You can close this page."
_AGENT: Final = f"Go back to your agent: it can run now. {_CLOSE}"
_ONCE_THERE: Final = (
    "Go back to your agent and tell it that you have paid: it can run as soon as the payment is "
    "confirmed. Nothing is to be paid again."
)
_SAID: Final[dict[Stage, tuple[str, str]]] = {
    "paid": ("Paid", _AGENT),
    "used": ("Paid", f"Your agent has run it already. {_CLOSE}"),
    "confirming": (
        "Your payment is on its way",
        f"This way of paying takes time to confirm, up to some days. {_ONCE_THERE}",
    ),
    "open": (
        "Waiting for your payment",
        f"If you have just paid, this page will say so in a moment. {_ONCE_THERE}",
    ),
    "ended": (
        "Not paid",
        "This payment page has ended and nothing was charged. Ask your agent for a new one.",
    ),
    "mismatched": (
        "Something is wrong",
        "Another amount arrived than was asked for. Please contact whoever runs this service.",
    ),
    "returned": ("Given back", "The money went back to you. To run it, ask your agent anew."),
}


def success(receipt: Receipt | None) -> HTMLResponse:
    """What became of a payment; None: the address names none that is known here."""
    if receipt is None:
        text = "Thank you. If you have paid, go back to your agent: it can run now."
        return _page("Back from the payment", text)
    title, text = _SAID[receipt.stage]
    reload = _RELOAD_S if receipt.stage == "open" else None
    return _page(title, text, what=_what(receipt), reload_s=reload)


def cancelled() -> HTMLResponse:
    """Nobody paid."""
    text = (
        "Nothing was charged. The link that your agent gave you works until it expires; to pay "
        f"another way, ask your agent. {_CLOSE}"
    )
    return _page("Not paid", text)


def linked() -> HTMLResponse:
    """A customer agreed to be charged by the meter."""
    text = (
        "Thank you. Once Stripe has confirmed it, your agent can run simulations, and what it runs "
        f"is put on your monthly invoice. {_CLOSE}"
    )
    return _page("Your account is being linked", text)


def _what(receipt: Receipt) -> str:
    if receipt.model is None:
        return f"{receipt.money} of credits for simulations"
    return f"{receipt.money} for one simulation of {_name(receipt.model)}"


def _name(model: str) -> str:
    """A model's name as a page can show it, whoever chose it."""
    printable = "".join(c if c.isprintable() else " " for c in model)
    return printable if len(printable) <= _LONGEST_NAME else f"{printable[:_LONGEST_NAME]}…"


def _page(
    title: str, text: str, *, what: str | None = None, reload_s: int | None = None
) -> HTMLResponse:
    refresh = f'<meta http-equiv="refresh" content="{reload_s}">' if reload_s else ""
    about = f"<p><strong>{html.escape(what)}</strong></p>" if what else ""
    return html_page(title, f"{about}<p>{text}</p>", head=refresh)
