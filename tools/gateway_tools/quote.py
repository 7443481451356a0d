"""Tool `quote`: what a run would cost, before anything runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_payments.quotes import Quote
from gateway_payments.requirement import paid_already_steps
from gateway_simulation.request import SimulationRequest
from gateway_simulation.study_request import (
    MOST_PARAMETERS,
    Layout,
    Objective,
    StudyRequest,
    Varied,
)
from gateway_tools.context import Context
from gateway_tools.exceptions import InvalidInputError
from gateway_tools.parsing import parsed
from gateway_tools.paying import quote_for
from gateway_tools.requests import RunRequest, physical_of, planned, planned_study
from gateway_tools.tool import Tool

NAME: Final = "quote"
_OF_A_STUDY: Final = set(StudyRequest.model_fields)
_ELSEWHERE: Final = frozenset(SimulationRequest.model_fields | Layout.model_fields) - {"fmu_id"}
DESCRIPTION: Final = """\
Price and check a run without running it: takes the arguments of simulate or run_study. Free.
Returns quote_id and offers for pay; an existing_result_id is free to read by get_result.
Example: {"fmu_id": "msl:BouncingBall", "stop_time": 3}."""


class QuoteInput(RunRequest):
    """One simulation; or a study, which is checked as `run_study` checks it."""

    base: dict[str, Any] | None = Field(
        default=None,
        description="For a study",
    )
    parameters: dict[str, Any] | None = None
    design: str | None = None
    samples: Any = None  # the study itself checks these
    seed: Any = None
    objective: dict[str, Any] | None = None


class StudyToQuote(BaseModel):
    """A study to price, in full; null is as good as nothing where there is a default."""

    model_config = ConfigDict(extra="forbid")

    base: SimulationRequest
    parameters: dict[str, Varied] = Field(min_length=1, max_length=MOST_PARAMETERS)
    design: Literal["grid", "lhs"] | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    objective: Objective | None = None


class OfferView(BaseModel):
    """One way to pay, as in a payment requirement."""

    kind: str
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    expires_at: datetime
    data: dict[str, Any] = Field(description="What this way needs; a quote begins nothing")


class QuoteOutput(BaseModel):
    """A price for exactly this run or study."""

    quote_id: str
    amount: float = Field(description="In `currency`, for reading: 1.0; 0 where runs are free")
    amount_minor: int = Field(description="In the currency's smallest unit, rounded up")
    amount_micros: int = Field(description="Exact, in millionths of the currency")
    currency: str
    because: list[str] = Field(description="How the amount came about")
    work_units: int = Field(
        description="Communication points x (1 + states + outputs), of all runs"
    )
    request_sha256: str
    expires_at: datetime
    offers: list[OfferView] = Field(description="Ways to pay; empty where runs are free")
    existing_result_id: str | None = Field(description="An equal run of this account, free to read")
    already_paid_quote_id: str | None = Field(
        description="A quote for this request that is paid and not spent: use it, don't pay again"
    )
    next_steps: list[str]


def handle(context: Context, request: QuoteInput) -> QuoteOutput:
    """Price the run or study. Input errors surface here, before money is spoken of."""
    study = _study(request)
    plan = planned_study(context, study) if study else planned(context, request)
    return quoted(context, quote_for(context, plan.priced))


def _study(request: QuoteInput) -> StudyRequest | None:
    """The study that is asked about, if one is.

    Raises:
        InvalidInputError: it is none, or what belongs into its base stands beside it.

    """
    asked = request.model_dump(include=_OF_A_STUDY, exclude_none=True)
    if not asked:
        return None
    beside = physical_of(request)
    if beside:
        problems = [{"field": name, "problem": "Belongs into the study's base"} for name in beside]
        raise InvalidInputError(problems, {})
    return parsed(StudyRequest, asked)


def quoted(context: Context, quote: Quote) -> QuoteOutput:
    """The quote as its caller sees it."""
    payments, money = context.gateway.payments, quote.money
    return QuoteOutput(
        quote_id=quote.id,
        amount=money.amount,
        amount_minor=money.amount_minor,
        amount_micros=money.amount_micros,
        currency=money.currency,
        because=list(quote.because),
        work_units=quote.work_units,
        request_sha256=quote.request_sha256,
        expires_at=quote.expires_at,
        offers=[OfferView(**asdict(offer)) for offer in payments.prices(quote, context.caller)],
        existing_result_id=quote.existing_result_id,
        already_paid_quote_id=quote.already_paid_quote_id,
        next_steps=_next_steps(quote),
    )


def _next_steps(quote: Quote) -> list[str]:
    if not quote.prices:
        return [f"Runs are free here: call {quote.tool} with the same input"]
    first = next(iter(quote.prices))
    return [
        *paid_already_steps(quote),
        f'Pay: pay {{"quote_id": "{quote.id}", "offer": "{first}"}}',
        f'Then run: {quote.tool} {{"quote_id": "{quote.id}"}}',
    ]


TOOL: Final = Tool(
    name=NAME,
    title="Price a simulation",
    description=DESCRIPTION,
    input=QuoteInput,
    output=QuoteOutput,
    handle=handle,
    tells=("quote_id", "amount", "currency", "offers"),
    elsewhere=_ELSEWHERE,
    idempotent=True,
)
