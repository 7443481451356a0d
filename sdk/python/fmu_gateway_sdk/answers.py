"""What a gateway answers, typed. Each answer is also a mapping of the JSON that came.

`fmu.id` and `fmu["id"]` are the same; fields that a newer gateway adds are there by index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from fmu_gateway_sdk.reading import read_fields

Scalar = int | float | bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer(Mapping[str, Any]):
    """An object of the gateway: attributes typed, everything by index."""

    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """The answer out of its JSON.

        Raises:
            ValueError: a field is missing or has another shape.

        """
        return cls(raw=raw, **read_fields(cls, raw))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401, D105  JSON has no static type
        return self.raw[name]

    def __iter__(self) -> Iterator[str]:  # noqa: D105
        return iter(self.raw)

    def __len__(self) -> int:  # noqa: D105
        return len(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Health(Answer):
    """What a gateway is."""

    status: str
    version: str
    engines: tuple[str, ...] = ()
    sandbox: str | None = None
    payments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewKey(Answer):
    """A fresh API key, shown this once."""

    key: str = field(repr=False)
    key_id: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyInfo(Answer):
    """What may be shown of an API key."""

    key_id: str
    label: str
    created_at: datetime
    revoked_at: datetime | None = None
    budget: Budget | None = None  # None: no limit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable(Answer):
    """One variable of a model; `start` in `unit`."""

    name: str
    causality: str
    variability: str
    type: str
    unit: str | None = None
    start: Scalar | list[Scalar] = None
    min: float | None = None
    max: float | None = None
    description: str | None = None
    dimensions: tuple[int, ...] | None = None

    @property
    def enumeration(self) -> Mapping[str, int]:
        """Names and numbers of an enumeration's values."""
        return self.raw.get("items") or {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariablePage(Answer):
    """Some variables: inputs, outputs and parameters first."""

    variables: tuple[Variable, ...]
    total: int = 0
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fmu(Answer):
    """A model that this account has sent."""

    id: str
    sha256: str
    model_name: str
    already_known: bool = False
    fmi_version: str | None = None
    guid: str | None = None
    description: str | None = None
    kinds: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelDescription(VariablePage):
    """A model and the first page of its variables."""

    id: str
    model_name: str
    fmi_version: str
    guid: str
    sha256: str
    description: str | None = None
    kinds: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    states: int = 0
    default_experiment: dict[str, float]
    example_request: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UploadInfo(Answer):
    """One of the account's uploads."""

    id: str
    sha256: str
    model_name: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UploadPage(Answer):
    """Uploads, newest first."""

    models: tuple[UploadInfo, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryModel(Answer):
    """One model that can be run. Text of an upload comes from its author."""

    id: str
    model_name: str
    fmi_version: str
    guid: str
    description: str | None = None
    source: str | None = None
    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    verified_against: str | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryPage(Answer):
    """Models, best match first."""

    models: tuple[LibraryModel, ...]
    total: int = 0
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offer(Answer):
    """One way to pay; `data` is what this way needs: a Checkout session, a balance."""

    kind: str
    amount: float
    amount_micros: int
    currency: str
    amount_minor: int | None = None
    expires_at: datetime | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quote(Answer):
    """A price for exactly one run; no offers where runs are free."""

    quote_id: str
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    because: tuple[str, ...] = ()
    work_units: int = 0
    request_sha256: str | None = None
    expires_at: datetime
    offers: tuple[Offer, ...] = ()
    existing_result_id: str | None = None
    already_paid_quote_id: str | None = None
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaymentRequirement(Answer):
    """What a 402 says."""

    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    methods: tuple[str, ...]
    quote_id: str
    session_id: str | None = None
    checkout_url: str | None = None
    expires_at: datetime
    offers: tuple[Offer, ...]
    next_steps: tuple[str, ...] = ()
    next_step: str = ""
    existing_result_id: str | None = None
    already_paid_quote_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Balance(Answer):
    """Prepaid credits."""

    amount: float
    amount_micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaymentStatus(Answer):
    """How a payment stands: `paid` (with the token), `pending` or `expired`.

    Where credits were bought there is no quote, and the `balance` stands for the token.
    """

    status: str
    quote_id: str | None
    offer: str | None = None
    session_id: str | None = None
    checkout_url: str | None = None
    payment_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    next_steps: tuple[str, ...] = ()
    balance: Balance | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kpi(Answer):
    """A key figure; `value` is None where it doesn't exist."""

    value: float | None
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputSummary(Answer):
    """One output in a line; times in seconds."""

    unit: str | None
    start: float
    end: float
    min: float
    min_at: float
    max: float
    max_at: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulationResult(Answer):
    """What a run showed, what made it, and where the rest is."""

    result_id: str
    status: str
    cached: bool
    fmu_id: str
    request_sha256: str
    model_sha256: str
    engine: dict[str, Any]
    resolved: dict[str, Any]
    wall_ms: float
    kpis: dict[str, Kpi]
    outputs: dict[str, OutputSummary]
    omitted: int = 0
    series: dict[str, list[float]] | None = None
    events: tuple[float, ...] = ()
    accuracy: dict[str, float | None] | None = None
    warnings: tuple[str, ...] = ()
    links: dict[str, str]
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyRow(Answer):
    """One run of a study; `row` counts from 0."""

    row: int
    parameters: dict[str, Scalar]
    kpis: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyFailure(Answer):
    """A run of a study that failed; the others stand."""

    row: int
    parameters: dict[str, Scalar]
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyResult(Answer):
    """What a study showed: the first rows of its table, its best and its worst run."""

    result_id: str
    status: str
    cached: bool
    fmu_id: str
    request_sha256: str
    model_sha256: str
    engine: dict[str, Any]
    resolved: dict[str, Any]
    wall_ms: float
    design: dict[str, Any]
    objective: dict[str, str]
    best: StudyRow | None
    worst: StudyRow | None
    columns: tuple[str, ...]
    units: dict[str, str | None]
    rows: tuple[list[Scalar], ...]
    omitted: int
    failed: int
    failures: tuple[StudyFailure, ...] = ()
    warnings: tuple[str, ...] = ()
    links: dict[str, str]
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyTable(Answer):
    """A study's table: each column by name, None where a run failed; failures by row."""

    result_id: str
    fmu_id: str
    rows: int
    omitted: int
    units: dict[str, str | None]
    columns: dict[str, list[Scalar]]
    failures: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parting(Answer):
    """When two results first part [s], and what each is then."""

    time: float
    value: float
    other: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference(Answer):
    """By how much one variable differs; the relative norms are shares of its range."""

    unit: str | None
    other_unit: str | None
    agrees: bool
    max_abs: float
    max_at: float
    rms: float
    relative_max: float
    relative_rms: float
    departure: float
    parts: Parting | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison(Answer):
    """How far two results are apart, the worst variable first."""

    result_id: str
    other_result_id: str | None
    agree: bool
    tolerance: float
    time_tolerance: float
    start_time: float
    stop_time: float
    variables: dict[str, Difference]
    omitted: int = 0
    parting_first: str | None = None
    only_in_result: tuple[str, ...] = ()
    only_in_other: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResultSlice(Answer):
    """A slice of a stored result."""

    result_id: str
    fmu_id: str
    rows: int
    units: dict[str, str | None]
    series: dict[str, list[float]]
    events: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usage(Answer):
    """One run of the account."""

    run_id: str
    at: datetime
    fmu_id: str
    outcome: str
    duration_ms: float | None = None
    offer: str | None = None
    price: float
    price_micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Budget(Answer):
    """What a key may spend by itself and what is left of that; None: no limit."""

    per_run: float | None = None
    per_day: float | None = None
    per_month: float | None = None
    currency: str
    offers: tuple[str, ...] | None = None
    spent_today: float
    spent_this_month: float
    left_today: float | None = None
    left_this_month: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyBudget(Answer):
    """A key's budget as it is now, and how its account pays."""

    key_id: str
    budget: Budget | None = None
    auto_pay: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsagePage(Answer):
    """Runs, newest first."""

    usage: tuple[Usage, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account(UsagePage):
    """Balance, ways to pay, limits of one run, and the latest runs."""

    account_id: str
    balance: Balance
    other_balances: tuple[Balance, ...]
    offers: tuple[str, ...]
    limits: dict[str, float]
    auto_pay: str | None = None  # the offer that pays for runs without asking
    linked: bool = False  # to a Stripe customer that agreed to be invoiced
    free_runs_left: int | None = None  # today; None: none are given
    budget: Budget | None = None  # of the key that is used; None: no limit
