"""The sign-in page, without sessions and cookies.

Each answer brings its key along, so no other page can answer with what a browser holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import structlog
from anyio import to_thread
from starlette.datastructures import FormData, Headers
from starlette.requests import Request
from starlette.responses import Response

from gateway_payments import oauth_clients
from gateway_payments.exceptions import LimitedKeyError, RevokedKeyError
from gateway_server.allowance import Allowance
from gateway_server.auth import allowance_of, caller_of
from gateway_server.oauth import pages, redirects
from gateway_server.oauth.addresses import Addresses
from gateway_server.oauth.requests import RequestExpiredError, Seal, Waiting
from gateway_tools import keys
from gateway_tools.context import Context, Door, Gateway
from gateway_tools.exceptions import RateLimitedError, UnauthorizedError

_EXPIRED: Final = (
    "This sign-in is too old, or its address is damaged. Go back to your program and start again."
)
_FOREIGN: Final = "This form was sent from another page. Go back to your program and start again."
_GONE: Final = "This program isn't registered here any more. Have it sign in anew."
_UNKNOWN_KEY: Final = "That is no key of an account here."
_LIMITED_KEY: Final = "That key has a budget, so it can't let others in. Use one without."
_TOO_OFTEN: Final = "That was tried too often from where you are. Come back later."
_AMOUNT: Final = "The most to spend must be a number of at least 0, such as 5 or 0.50."

_log = structlog.get_logger()


class WrongKeyError(Exception):
    """What a person gave is no key. `form`: what they filled in."""

    def __init__(self, form: pages.Form) -> None:
        super().__init__(_UNKNOWN_KEY)
        self.form = form


@dataclass(frozen=True, slots=True)
class SignIn:
    """Shows the question and takes the answer."""

    gateway: Gateway
    door: Door
    addresses: Addresses
    seal: Seal

    async def show(self, request: Request) -> Response:
        """The question (GET)."""
        return await to_thread.run_sync(self._show, request.query_params.get("request", ""))

    async def answer(self, request: Request) -> Response:
        """A person's decision (POST)."""
        if not self._own(request.headers):
            return pages.dead_end(_FOREIGN)
        async with request.form(max_files=0, max_fields=10) as form:
            try:
                return await self._counted(form, allowance_of(request.scope))
            except RateLimitedError as error:
                page = pages.dead_end(_TOO_OFTEN, 429)
                page.headers["Retry-After"] = str(error.retry_after_s)
                return page

    async def _counted(self, form: FormData, allowance: Allowance) -> Response:
        """The same bounds as for keys elsewhere: new ones, and wrong ones."""
        if _text(form, "decision") == "account":
            await allowance.spend("new_keys")
        try:
            return await to_thread.run_sync(self._answer, form)
        except WrongKeyError as error:
            await allowance.spend("wrong_keys")
            return pages.sign_in(error.form, _UNKNOWN_KEY)

    def _own(self, headers: Headers) -> bool:
        """Whether our page sent this, as far as the browser tells; programs tell nothing."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        return origin in {None, self.addresses.issuer} and site in {None, "same-origin", "none"}

    def _show(self, sealed: str) -> Response:
        try:
            waiting = self.seal.open(sealed)
        except RequestExpiredError:
            return pages.dead_end(_EXPIRED)
        form = self._form(sealed, waiting)
        return pages.dead_end(_GONE) if form is None else pages.sign_in(form)

    def _answer(self, given: FormData) -> Response:
        sealed = _text(given, "request")
        try:
            waiting = self.seal.open(sealed)
        except RequestExpiredError:
            return pages.dead_end(_EXPIRED)
        form = self._form(sealed, waiting)
        if form is None:
            return pages.dead_end(_GONE)
        key, kept = _text(given, "key"), "new" in given  # a new key stays in sight
        form = replace(form, per_day=_text(given, "per_day"), new_key=key if kept else None)
        match _text(given, "decision"):
            case "allow":
                return self._allow(form, waiting, key)
            case "account":
                return pages.sign_in(replace(form, new_key=keys.create(self.gateway).key))
        return self._back(waiting, error="access_denied")

    def _form(self, sealed: str, waiting: Waiting) -> pages.Form | None:
        with self.gateway.database.read() as db:
            client = oauth_clients.find(db, waiting.asked.client_id)
        if client is None:
            return None
        payments = self.gateway.payments
        currency = None if payments.free else payments.currency
        return pages.Form(sealed, client.name, waiting.asked.redirect_uri, currency)

    def _allow(self, form: pages.Form, waiting: Waiting, key: str) -> Response:
        try:
            budget = keys.BudgetInput(per_day=float(form.per_day) if form.per_day else None)
        except ValueError:
            return pages.sign_in(form, _AMOUNT)
        try:
            caller = caller_of(self.gateway, key)
            code = keys.let_in(Context(self.gateway, caller, self.door), waiting.asked, budget)
        except (UnauthorizedError, RevokedKeyError) as error:
            raise WrongKeyError(form) from error
        except LimitedKeyError:
            return pages.sign_in(form, _LIMITED_KEY)
        if code is None:
            return pages.dead_end(_GONE)
        _log.info("oauth_granted", account=caller.account_id, client=waiting.asked.client_id)
        return self._back(waiting, code=code)

    def _back(self, waiting: Waiting, **what: str) -> Response:
        """The answer to the client, with the issuer that gives it (RFC 9207)."""
        told = {**what, "state": waiting.state, "iss": self.addresses.issuer}
        return pages.back(redirects.answer(waiting.asked.redirect_uri, **told))


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
