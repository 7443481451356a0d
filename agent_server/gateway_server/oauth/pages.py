"""What a person sees who is asked to let a program in: who asks, for what, and where it leads."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Final

from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway_server.html_page import html_page
from gateway_server.oauth import redirects
from gateway_server.oauth.addresses import SIGN_IN_PATH

_TITLE: Final = "Let a program in?"
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self' {}"
)
_KEY: Final = (
    '<p><label>API key of your account<input name="key" type="password" required '
    'autocomplete="current-password" autofocus></label></p>'
)
_NEW: Final = (
    '<p>No account? <button name="decision" value="account" formnovalidate>Make a new account'
    "</button></p>"
)
_NEW_KEY: Final = (
    "<p>This is the key of your new account. <strong>Keep it now: it is shown this once</strong>, "
    "and who has it has the account.</p>"
    '<p><label>API key<input name="key" readonly autocomplete="off" value="{}"></label>'
    '<input type="hidden" name="new" value="yes"></p>'
)
_BUDGET: Final = (
    "<p><label>The most that it may spend in a day by itself, in {}; empty: no limit<input "
    'name="per_day" inputmode="decimal" autocomplete="off" value="{}"></label></p>'
)


@dataclass(frozen=True, slots=True)
class Form:
    """What the page shows and sends back. `currency`: None where everything is free."""

    sealed: str
    client_name: str
    redirect_uri: str
    currency: str | None
    per_day: str = ""
    new_key: str | None = None


def sign_in(form: Form, complaint: str | None = None) -> HTMLResponse:
    """The question, after `complaint` about the last answer."""
    wrong = f'<p role="alert"><strong>{html.escape(complaint)}</strong></p>' if complaint else ""
    key = _NEW_KEY.format(html.escape(form.new_key)) if form.new_key else _KEY
    budget = (
        _BUDGET.format(html.escape(form.currency.upper()), html.escape(form.per_day))
        if form.currency
        else ""
    )
    new = "" if form.new_key else _NEW
    body = (
        f"{wrong}{_asked(form)}"
        f'<form method="post" action="{SIGN_IN_PATH}">'
        f'<input type="hidden" name="request" value="{html.escape(form.sealed)}">'
        f'{key}{budget}<p><button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></p>'
        f"{new}</form>"
    )
    policy = _POLICY.format(redirects.source(form.redirect_uri))
    headers = {
        "Content-Security-Policy": policy,  # browsers hold redirects after a form to it, too
        "Referrer-Policy": "same-origin",  # so that the browser says where the form came from
        "X-Frame-Options": "DENY",
    }
    return html_page(_TITLE, body, status=422 if complaint else 200, headers=headers)


def dead_end(text: str, status: int = 400) -> HTMLResponse:
    """Why this can't go on, where no client can be told."""
    return html_page("This can't go on", f"<p>{html.escape(text)}</p>", status=status)


def back(uri: str) -> Response:
    """To the client, by a fresh request that repeats nothing of the form."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(uri, 303, headers)


def _asked(form: Form) -> str:
    name, uri = html.escape(form.client_name), html.escape(form.redirect_uri)
    spend = ", and to pay for them from your account" if form.currency else ""
    return (
        f"<p>A program that calls itself <strong>{name}</strong> asks to run simulations and to "
        f"see the models and results of your account{spend}.</p>"
        "<p>If you allow it, your browser goes on to "
        f"<strong>{html.escape(redirects.described(form.redirect_uri))}</strong>, at "
        f"<code>{uri}</code>. Allow it only if you have just started this from there.</p>"
        "<p>It doesn't get your key and can't change keys or budgets. It has a line of its own "
        "among your account's keys, where you can end this at any time.</p>"
    )
