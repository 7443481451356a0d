"""Everything one can ask of a gateway, each as a conversation that either client can hold."""

from __future__ import annotations

import hashlib
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote as quoted
from uuid import uuid4

from fmu_gateway_sdk.answers import (
    Account,
    Comparison,
    Fmu,
    Health,
    KeyBudget,
    KeyInfo,
    LibraryPage,
    ModelDescription,
    NewKey,
    PaymentRequirement,
    PaymentStatus,
    Quote,
    ResultSlice,
    SimulationResult,
    StudyResult,
    StudyTable,
    UploadPage,
    UsagePage,
    VariablePage,
)
from fmu_gateway_sdk.exceptions import InvalidAnswerError, NotFoundError, PaymentRequired
from fmu_gateway_sdk.progress import Progress
from fmu_gateway_sdk.request import SimulateRequest
from fmu_gateway_sdk.session import Session
from fmu_gateway_sdk.trajectory import Trajectory
from fmu_gateway_sdk.wallet import signed
from fmu_gateway_sdk.wire import PAYMENT, Call, Flow, Pause

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

Points = int | Literal["all"]

_LOOK_AGAIN_S: Final = 2.0
_WHILE_A_PERSON_PAYS_S: Final = 600.0
_WHILE_A_CHAIN_SETTLES_S: Final = 120.0


def find_url(session: Session) -> Flow[str]:
    """The URL of the gateway that is spoken to; "auto" is resolved."""
    return (yield from session.url())


def health(session: Session) -> Flow[Health]:
    """What the gateway is, and what it runs models with. Needs no key."""
    reply = yield from session.ask(Call(method="GET", path="/health", with_key=False))
    return reply.read(Health)


def library(
    session: Session, query: str = "", *, limit: int = 10, cursor: str | None = None
) -> Flow[LibraryPage]:
    """Search the library and one's own uploads, best match first."""
    asked = _query(query=query, limit=limit, cursor=cursor)
    reply = yield from session.ask(Call(method="GET", path="/library", query=asked))
    return reply.read(LibraryPage)


def describe(session: Session, fmu_id: str) -> Flow[ModelDescription]:
    """A model: variables, default experiment, what it can be run as, an example request."""
    reply = yield from session.ask(Call(method="GET", path=_path("/fmus", fmu_id)))
    return reply.read(ModelDescription)


def variables(  # noqa: PLR0913  what the gateway filters and pages by
    session: Session,
    fmu_id: str,
    *,
    query: str | None = None,
    causality: str | None = None,
    limit: int = 200,
    cursor: str | None = None,
) -> Flow[VariablePage]:
    """A page of a model's variables, as large as the gateway gives."""
    asked = _query(query=query, causality=causality, limit=limit, cursor=cursor)
    path = _path("/fmus", fmu_id) + "/variables"
    reply = yield from session.ask(Call(method="GET", path=path, query=asked))
    return reply.read(VariablePage)


def upload_fmu(
    session: Session, path: str | Path, *, progress: Progress | None = None
) -> Flow[Fmu]:
    """Send an FMU. Sent again it has the same id. `progress` may be a `Bar()`."""
    return (yield from _send(session, Path(path).read_bytes(), progress))


def upload_fmu_smart(
    session: Session, path: str | Path, *, progress: Progress | None = None
) -> Flow[Fmu]:
    """Send an FMU only if this account has not sent it yet: asks by its hash first."""
    data = Path(path).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        known = yield from describe(session, f"fmu_{sha256[:16]}")
    except NotFoundError:
        return (yield from _send(session, data, progress))
    if known.sha256 != sha256:  # the same first 16 digits: the gateway's answer says what to do
        return (yield from _send(session, data, progress))
    return Fmu.parse({**known.raw, "already_known": True})


def uploads(session: Session, *, limit: int = 50, cursor: str | None = None) -> Flow[UploadPage]:
    """What this account has sent, newest first."""
    asked = _query(limit=limit, cursor=cursor)
    reply = yield from session.ask(Call(method="GET", path="/fmus", query=asked))
    return reply.read(UploadPage)


def remove_fmu(session: Session, fmu_id: str) -> Flow[None]:
    """Forget an upload; results made with it stay."""
    path = _path("/fmus", fmu_id)
    yield from session.ask(Call(method="DELETE", path=path, repeatable=False))


def quote(session: Session, request: SimulateRequest | Mapping[str, Any]) -> Flow[Quote]:
    """Price a run, or a study as `run_study` takes it, without running it; also checks it."""
    if isinstance(request, Mapping) and "base" in request:
        body = dict(request)
    else:
        body = _physical((yield from _with_model(session, request)))
    reply = yield from session.ask(Call(method="POST", path="/quotes", body=body))
    return reply.read(Quote)


def payment_requirement(
    session: Session, request: SimulateRequest | Mapping[str, Any]
) -> Flow[PaymentRequirement | None]:
    """All ways to pay for a run, a Checkout page opened; None where it is free."""
    asked = yield from _with_model(session, request)
    body = {**asked.as_json(), "quote_only": True}
    try:
        yield from session.ask(Call(method="POST", path="/simulate", body=body))
    except PaymentRequired as required:
        return required.requirement
    return None


def pay(
    session: Session,
    *,
    quote_id: str | None = None,
    session_id: str | None = None,
    fmu_id: str | None = None,
    offer: str | None = None,
) -> Flow[PaymentStatus]:
    """Begin a payment by the offer chosen, or ask how it stands. Give one id."""
    given = {"quote_id": quote_id, "session_id": session_id, "fmu_id": fmu_id, "offer": offer}
    body = {name: value for name, value in given.items() if value is not None}
    reply = yield from session.ask(Call(method="POST", path="/pay", body=body, statuses=PAYMENT))
    return reply.read(PaymentStatus)


def payment(session: Session, session_id: str) -> Flow[PaymentStatus]:
    """How a Checkout session stands; with the payment token once it is paid."""
    path = _path("/payments/checkout", session_id)
    reply = yield from session.ask(Call(method="GET", path=path, statuses=PAYMENT))
    return reply.read(PaymentStatus)


def pay_at_checkout(
    session: Session,
    quote_id: str,
    *,
    open_page: Callable[[str], object] = webbrowser.open,
    wait_s: float = _WHILE_A_PERSON_PAYS_S,
) -> Flow[PaymentStatus]:
    """Show a person the quote's Checkout page, and wait up to `wait_s` [s] until it is paid.

    `status` says what came of it: "paid", with the payment token; "expired"; or still "pending".
    """
    status = yield from pay(session, quote_id=quote_id, offer="stripe_checkout")
    if status.status == "pending" and status.checkout_url:
        open_page(status.checkout_url)
    return (yield from _settled(session, quote_id, status, wait_s))


def pay_by_wallet(
    session: Session,
    quote_id: str,
    wallet: LocalAccount,
    *,
    wait_s: float = _WHILE_A_CHAIN_SETTLES_S,
) -> Flow[PaymentStatus]:
    """Pay a quote in stablecoins by x402. `wallet`: an `eth_account` account; it signs here.

    The price is the quote's. `status` as of `pay_at_checkout`. Raises PaymentRequired with the
    reason where the payment was refused, and WalletMissingError without the x402 package.
    """
    body = {"quote_id": quote_id, "offer": "x402"}
    asking = Call(method="POST", path="/pay", body=body, statuses=PAYMENT)
    try:
        reply = yield from session.ask(asking)  # it is paid, on its way, or free
    except PaymentRequired as required:
        wanted = next(offer.data for offer in required.offers if offer.kind == "x402")
        reply = yield from session.ask(replace(asking, payment=signed(wanted or {}, wallet)))
    return (yield from _settled(session, quote_id, reply.read(PaymentStatus), wait_s))


def _settled(
    session: Session, quote_id: str, status: PaymentStatus, wait_s: float
) -> Flow[PaymentStatus]:
    until = time.monotonic() + wait_s
    while status.status == "pending" and time.monotonic() < until:
        yield Pause(_LOOK_AGAIN_S)
        status = yield from pay(session, quote_id=quote_id)
    return status


def simulate(
    session: Session, request: SimulateRequest | Mapping[str, Any]
) -> Flow[SimulationResult]:
    """Run a model. Raises PaymentRequired where runs cost money and nothing pays for this one."""
    asked = yield from _with_model(session, request)
    body = _once(asked.as_json())
    reply = yield from session.ask(Call(method="POST", path="/simulate", body=body))
    return reply.read(SimulationResult)


def run_study(session: Session, study: Mapping[str, Any]) -> Flow[StudyResult]:
    """Run a model many times in one call: {"base": ..., "parameters": {"e": {"values": [...]}}}.

    Raises PaymentRequired as `simulate` does; `study_table` has all rows.
    """
    reply = yield from session.ask(Call(method="POST", path="/studies", body=_once(study)))
    return reply.read(StudyResult)


def study_table(
    session: Session,
    result_id: str,
    *,
    columns: Sequence[str] | None = None,
    rows: Points = "all",
) -> Flow[StudyTable]:
    """A study's table: chosen columns, the first `rows`."""
    asked = _slice(columns, None, None, rows)
    path = _path("/results", result_id)
    reply = yield from session.ask(Call(method="GET", path=path, query=asked))
    return reply.read(StudyTable)


def compare(  # noqa: PLR0913  what the gateway compares by
    session: Session,
    result_id: str,
    other_result_id: str | None = None,
    *,
    csv: str | None = None,
    variables: Sequence[str] | None = None,
    tolerance: float | None = None,
    time_tolerance: float | None = None,
) -> Flow[Comparison]:
    """How far two results, or a result and CSV text, are apart; tolerances as of the tool."""
    given = {
        "result_id": result_id,
        "other_result_id": other_result_id,
        "csv": csv,
        "variables": None if variables is None else list(variables),
        "tolerance": tolerance,
        "time_tolerance": time_tolerance,
    }
    body = {name: value for name, value in given.items() if value is not None}
    reply = yield from session.ask(Call(method="POST", path="/compare", body=body))
    return reply.read(Comparison)


def simulate_fully(
    session: Session, request: SimulateRequest | Mapping[str, Any]
) -> Flow[tuple[SimulationResult, Trajectory]]:
    """Run a model and read the whole trajectory."""
    answer = yield from simulate(session, request)
    return answer, (yield from result(session, answer.result_id))


def result(  # noqa: PLR0913  what the gateway slices by
    session: Session,
    result_id: str,
    *,
    variables: Sequence[str] | None = None,
    from_time: float | None = None,
    to_time: float | None = None,
    points: Points = "all",
) -> Flow[Trajectory]:
    """A result's numbers as numpy arrays: chosen variables, a time window [s], thinned or whole."""
    asked = _slice(variables, from_time, to_time, points)
    path = _path("/results", result_id)
    reply = yield from session.ask(Call(method="GET", path=path, query=asked))
    part = reply.read(ResultSlice)
    if "time" not in part.series:
        raise InvalidAnswerError(reply.status, "a result without time")
    return Trajectory.of(part.series, part.units, part.events)


def csv(  # noqa: PLR0913
    session: Session,
    result_id: str,
    *,
    variables: Sequence[str] | None = None,
    from_time: float | None = None,
    to_time: float | None = None,
    points: Points = "all",
) -> Flow[bytes]:
    """A result as CSV: `time`, then the outputs by name, in full precision."""
    asked = _slice(variables, from_time, to_time, points)
    return (yield from _file(session, result_id, "csv", asked))


def plot(
    session: Session,
    result_id: str,
    *,
    variables: Sequence[str] | None = None,
    from_time: float | None = None,
    to_time: float | None = None,
) -> Flow[bytes]:
    """A result as a picture (PNG)."""
    asked = _slice(variables, from_time, to_time, None)
    return (yield from _file(session, result_id, "png", asked))


def parquet(session: Session, result_id: str) -> Flow[bytes]:
    """A whole result as Parquet."""
    return (yield from _file(session, result_id, "parquet", ()))


def script(session: Session, result_id: str) -> Flow[bytes]:
    """`reproduce.py` of a run's result: gets the same numbers with plain FMPy."""
    return (yield from _file(session, result_id, "py", ()))


def account(session: Session, *, limit: int = 10, cursor: str | None = None) -> Flow[Account]:
    """Balance, ways to pay, limits and the latest runs."""
    asked = _query(limit=limit, cursor=cursor)
    reply = yield from session.ask(Call(method="GET", path="/account", query=asked))
    return reply.read(Account)


def usage(session: Session, *, limit: int = 50, cursor: str | None = None) -> Flow[UsagePage]:
    """The account's runs, newest first."""
    asked = _query(limit=limit, cursor=cursor)
    reply = yield from session.ask(Call(method="GET", path="/usage", query=asked))
    return reply.read(UsagePage)


def api_key(session: Session) -> Flow[str]:
    """The key that is used: the one given, the one kept, or a new one, kept from now on."""
    return (yield from session.key())


def keys(session: Session) -> Flow[list[KeyInfo]]:
    """The account's keys, without their secrets."""
    reply = yield from session.ask(Call(method="GET", path="/account/keys"))
    return [KeyInfo.parse(key) for key in reply.json()["keys"]]


def add_key(
    session: Session, label: str = "", budget: Mapping[str, Any] | None = None
) -> Flow[NewKey]:
    """Another key for the same account, shown this once.

    `budget`: what it may spend from its first moment, as in `set_budget`: {"per_day": 5}.
    """
    body = {"label": label, **({} if budget is None else {"budget": dict(budget)})}
    call = Call(method="POST", path="/account/keys", body=body, repeatable=False)
    reply = yield from session.ask(call)
    return reply.read(NewKey)


def revoke_key(session: Session, key_id: str) -> Flow[None]:
    """Make a key worthless."""
    path = _path("/account/keys", key_id)
    yield from session.ask(Call(method="DELETE", path=path, repeatable=False))


def set_budget(  # noqa: PLR0913
    session: Session,
    key_id: str,
    *,
    per_run: float | None = None,
    per_day: float | None = None,
    per_month: float | None = None,
    offers: Sequence[str] | None = None,
) -> Flow[KeyBudget]:
    """Limit what a key may spend by itself, in place of its limits so far; none given: no limits.

    Amounts in the currency of the prices. `offers`: the ways to pay that it may use.
    """
    body = {
        "key_id": key_id,
        "per_run": per_run,
        "per_day": per_day,
        "per_month": per_month,
        "offers": None if offers is None else list(offers),
    }
    return (yield from _budget(session, body))


def set_auto_pay(session: Session, offer: str | None) -> Flow[KeyBudget]:
    """Have the account's runs paid by `offer` (credits, metered) without asking; None: ask."""
    return (yield from _budget(session, {"auto_pay": offer}))


def _budget(session: Session, body: dict[str, Any]) -> Flow[KeyBudget]:
    reply = yield from session.ask(Call(method="PUT", path="/account/budget", body=body))
    return reply.read(KeyBudget)


def _send(session: Session, data: bytes, progress: Progress | None) -> Flow[Fmu]:
    call = Call(method="POST", path="/fmus", file=data, progress=progress)
    reply = yield from session.ask(call)
    return reply.read(Fmu)


def _with_model(
    session: Session, request: SimulateRequest | Mapping[str, Any]
) -> Flow[SimulateRequest]:
    """The request as an object; a model that it only has as a file is uploaded."""
    asked = request if isinstance(request, SimulateRequest) else SimulateRequest.from_json(request)
    if asked.fmu_id is None and asked.fmu_path is not None:
        model = yield from upload_fmu_smart(session, asked.fmu_path)
        return replace(asked, fmu_id=model.id)
    return asked


_NOT_PRICED = ("points", "reuse", "idempotency_key", "quote_id", "payment_token")


def _physical(request: SimulateRequest) -> dict[str, Any]:
    return {name: v for name, v in request.as_json().items() if name not in _NOT_PRICED}


def _once(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request under a key by which the gateway runs it once, however often it is sent."""
    return {"idempotency_key": f"sdk-{uuid4().hex}", **body}


def _file(
    session: Session, result_id: str, form: str, asked: tuple[tuple[str, str], ...]
) -> Flow[bytes]:
    path, query = _path("/results", result_id), (("format", form), *asked)
    reply = yield from session.ask(Call(method="GET", path=path, query=query, accept="*/*"))
    return reply.content


def _slice(
    names: Sequence[str] | None,
    from_time: float | None,
    to_time: float | None,
    points: Points | None,
) -> tuple[tuple[str, str], ...]:
    window = {"from": from_time, "to": to_time, "points": points}
    return (*(("variables", name) for name in names or ()), *_query(**window))


def _query(**given: object) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in given.items() if value is not None)


def _path(collection: str, name: str) -> str:
    return f"{collection}/{quoted(name, safe=':@')}"
