"""Every failure that a caller can see: its code, its HTTP status and what to do next.

Layers raise their own exceptions; this table is the one place that says how a caller hears of them.
A remedy is one sentence of ours, written for whoever made the call, often a language model. Text
that came from outside, a misspelt name or its nearest neighbour, travels in details, never here.
"""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway_library import exceptions as library
from gateway_payments import exceptions as payments
from gateway_payments.requirement import PaymentRefusedError, PaymentRequiredError
from gateway_runs import exceptions as runs
from gateway_simulation import exceptions as simulation
from gateway_storage.blobs import BlobDamagedError, BlobNotFoundError, StorageUnavailableError
from gateway_storage.database import DatabaseUnavailableError
from gateway_tools import exceptions as tools
from gateway_tools.untrusted import DETAILS


@dataclass(frozen=True, slots=True)
class Failure:
    """How one kind of failure looks from outside."""

    code: str
    status: int
    remedy: str
    retry_after_s: int | None = None


_NAMES: Final = "Use one of details.nearest, or list all with describe_model."
_OTHER_FILE: Final = "Send a valid FMU (FMI 2.0 or 3.0, a zip with modelDescription.xml)."
_MODEL: Final = "Change the start values, inputs or step, or check the model; see details.charged."

FAILURES: Final[dict[type[Exception], Failure]] = {
    # who and what
    tools.UnauthorizedError: Failure(
        "unauthorized", 401, "Send Authorization: Bearer <key>; POST /keys makes a key."
    ),
    tools.MetricsTokenError: Failure(
        "metrics_token", 401, "Send Authorization: Bearer <METRICS_TOKEN>; an API key is none."
    ),
    payments.RevokedKeyError: Failure(
        "key_revoked", 401, "Use another key of the account, or make one with POST /keys."
    ),
    payments.UnknownAccountError: Failure("unknown_account", 404, "Check the account's id."),
    payments.UnknownKeyError: Failure("unknown_key", 404, "List the keys with GET /account/keys."),
    tools.UnknownToolError: Failure("unknown_tool", 404, "Call one of details.tools."),
    tools.CursorError: Failure("invalid_cursor", 422, "Pass next_cursor as it was given, or none."),
    payments.InvalidCursorError: Failure(
        "invalid_cursor", 422, "Pass next_cursor as it was given, or none."
    ),
    tools.InvalidInputError: Failure(
        "invalid_input", 422, "Correct the fields in details.problems and call again."
    ),
    tools.UnknownPathError: Failure(
        "unknown_path", 404, "See /docs or /llms.txt for what there is."
    ),
    tools.MethodNotAllowedError: Failure(
        "method_not_allowed", 405, "See /docs for the method that this address takes."
    ),
    tools.MalformedRequestError: Failure(
        "malformed_request", 400, "Send the body as its Content-Type says; see /docs."
    ),
    tools.NotJsonError: Failure(
        "not_json", 422, "Send one JSON object with Content-Type: application/json."
    ),
    tools.NotUnderstoodError: Failure(
        "not_understood",
        422,
        'Send a data part, or JSON text, of the form {"skill": "<name>", "arguments": {...}}.',
    ),
    tools.TooSlowError: Failure(
        "too_slow", 408, "Send the whole body at once, at details.bytes_per_s or faster."
    ),
    tools.TooLargeError: Failure("too_large", 413, "Send less than details.limit_bytes."),
    tools.RateLimitedError: Failure(
        "rate_limited",
        429,
        "Nothing was done or charged; call again after details.retry_after_s seconds, and less "
        "often: run_study does many runs in one call.",
    ),
    # models
    library.UnknownModelError: Failure(
        "unknown_model", 404, "Use one of details.nearest, or search with list_library."
    ),
    library.NoSuchUploadError: Failure(
        "unknown_model", 404, "Nothing was removed: take the id of one that GET /fmus lists."
    ),
    library.RemovedModelError: Failure(
        "model_removed", 410, "Find another with list_library; results of this one stay."
    ),
    library.AmbiguousModelError: Failure(
        "ambiguous_model", 422, "Name one of details.candidates in full."
    ),
    library.ModelIdTakenError: Failure(
        "model_id_taken", 409, "Another file holds this id; export the model again and resend it."
    ),
    library.QuotaExceededError: Failure(
        "quota_exceeded",
        409,
        "Take uploads away that you no longer need (GET /fmus, DELETE /fmus/{id}); results of them "
        "stay.",
    ),
    library.TicketInvalidError: Failure(
        "upload_ticket_invalid", 404, "Ask upload_fmu for a fresh upload address."
    ),
    tools.NotBase64Error: Failure(
        "not_base64", 422, "Encode the whole file in standard base64, without line breaks."
    ),
    tools.OneSourceError: Failure(
        "one_source", 422, "Give either content_base64 or path; over HTTP nothing gets an address."
    ),
    tools.PathNotReadableError: Failure(
        "path_not_readable",
        422,
        "Give a file in one of details.folders; where there are none, send content_base64.",
    ),
    simulation.UploadTooLargeError: Failure(
        "upload_too_large", 413, "Send a smaller FMU; leave resources out that the run won't need."
    ),
    simulation.NotAnArchiveError: Failure("not_a_zip", 422, _OTHER_FILE),
    simulation.UnsafeArchiveError: Failure(
        "unsafe_archive", 422, "Export again with plain files only, all inside the archive."
    ),
    simulation.ArchiveBombError: Failure(
        "archive_bomb", 422, "Send an archive within the limit in details."
    ),
    simulation.MissingModelDescriptionError: Failure("no_model_description", 422, _OTHER_FILE),
    simulation.ForbiddenXmlError: Failure(
        "forbidden_xml", 422, "Remove DOCTYPE and entities from modelDescription.xml."
    ),
    simulation.InvalidModelDescriptionError: Failure(
        "invalid_model_description",
        422,
        "Export the model again; details.problems says what fails.",
    ),
    simulation.UnsupportedFmiVersionError: Failure(
        "unsupported_fmi_version", 422, "Export the model as FMI 2.0 or 3.0."
    ),
    simulation.UnsupportedPlatformError: Failure(
        "unsupported_platform", 422, "Export with the binaries of details.needed (Linux)."
    ),
    simulation.SourceOnlyModelError: Failure(
        "source_only_model",
        422,
        "Export with a Linux binary, or ask the operator for a compiler: see fmu-gateway doctor.",
    ),
    simulation.InvalidSourcesError: Failure(
        "invalid_sources",
        422,
        "Correct what details.named says in the FMU's list of sources, or export a Linux binary.",
    ),
    simulation.CompilationFailedError: Failure(
        "compilation_failed",
        422,
        "Correct the sources as details.log says, or export the FMU with a Linux binary.",
    ),
    simulation.CompilationTimeoutError: Failure(
        "compilation_timeout",
        422,
        "Export the FMU with a Linux binary: its sources take too long to compile here.",
    ),
    simulation.UnsupportedKindError: Failure(
        "unsupported_kind",
        422,
        "Export for Co-Simulation or Model Exchange, standing alone without the authoring tool.",
    ),
    simulation.ModelFolderError: Failure(
        "model_damaged", 500, "Upload the FMU again, then repeat the call."
    ),
    # the request
    tools.NothingToRunError: Failure(
        "nothing_to_run", 422, "Give fmu_id, or a paid quote_id or payment_token."
    ),
    tools.MixedRequestError: Failure(
        "mixed_request", 422, "Leave details.fields out, or give the whole request with its fmu_id."
    ),
    tools.OtherToolError: Failure(
        "other_tool", 422, "Call details.tool with the same quote_id or payment_token."
    ),
    simulation.UnknownVariableError: Failure("unknown_variable", 422, _NAMES),
    simulation.UnknownKpiError: Failure(
        "unknown_kpi", 422, "Write <variable>_<statistic> with names out of details."
    ),
    simulation.InvalidKpiError: Failure(
        "invalid_kpi", 422, "Change the KPI in details.name as the message says, or leave it out."
    ),
    simulation.NotSettableError: Failure(
        "not_settable", 422, "Set parameters, inputs and start values only; see describe_model."
    ),
    simulation.WrongTypeError: Failure(
        "wrong_type", 422, "Give a value of the type in details.expected."
    ),
    simulation.OutOfRangeError: Failure(
        "out_of_range", 422, "Give a value between details.min and details.max."
    ),
    simulation.InvalidInputSignalError: Failure(
        "invalid_input_signal",
        422,
        "Correct the signal as details.reason says: as many values as times, all finite, times "
        "strictly increasing, and interpolation hold for what is not continuous.",
    ),
    simulation.InvalidTimeError: Failure(
        "invalid_time",
        422,
        "Give finite times with start_time < stop_time, and steps that are longer than 0 and "
        "details.min and fit into the run.",
    ),
    simulation.InvalidCommunicationStepError: Failure(
        "invalid_communication_step", 422, "Make step an integer multiple of communication_step."
    ),
    simulation.TooMuchOutputError: Failure(
        "too_much_output",
        422,
        "Ask for at most details.limit of details.what; longer steps or a shorter run give fewer "
        "points, values and steps.",
    ),
    simulation.UnsupportedOutputError: Failure(
        "unsupported_output",
        422,
        "Leave outputs out for the model's own, or name numeric and boolean variables, without "
        "time.",
    ),
    simulation.UnavailableModeError: Failure(
        "unavailable_mode", 422, "Use one of details.kinds as mode, or auto."
    ),
    simulation.InvalidSolverError: Failure(
        "invalid_solver",
        422,
        "Change solver as the message says, or leave it out; only model_exchange takes its name "
        "and step_size.",
    ),
    simulation.UnavailableEngineError: Failure(
        "unavailable_engine", 422, "Use engine auto, or one of details.available."
    ),
    simulation.UnknownDisplayUnitError: Failure(
        "unknown_display_unit", 422, "Use one of details.known, or leave the unit as it is."
    ),
    simulation.InvalidStudyError: Failure(
        "invalid_study", 422, "Change the parameter in details.name as details.reason says."
    ),
    simulation.StudyTooLargeError: Failure(
        "study_too_large", 422, "Ask for at most details.limit runs: fewer samples or values."
    ),
    simulation.DuplicateNameError: Failure("duplicate_name", 422, "Name each thing once."),
    # the run
    simulation.RunTimeoutError: Failure(
        "timeout", 504, "Shorten the run, enlarge the step or loosen the tolerance."
    ),
    simulation.RunCancelledError: Failure(
        "run_cancelled", 409, "Nothing was charged; call again if the run is wanted after all."
    ),
    simulation.StudyTimeoutError: Failure(
        "study_too_long",
        504,
        "Ask for at most details.would_fit runs a call, or shorten each; see details.charged.",
    ),
    simulation.ModelCrashedError: Failure("model_crashed", 422, _MODEL),
    simulation.ModelExitedError: Failure("model_exited", 422, _MODEL),
    simulation.OutOfMemoryError: Failure(
        "out_of_memory", 422, "Record fewer outputs or points, or use a smaller model."
    ),
    simulation.NonFiniteValueError: Failure("non_finite_value", 422, _MODEL),
    simulation.ModelFailedError: Failure("model_failed", 422, _MODEL),
    simulation.ModelNotLoadableError: Failure(
        "model_not_loadable",
        422,
        "Export the FMU again for Linux; details.reason says what it lacks.",
    ),
    simulation.ModelNotInstantiatedError: Failure(
        "model_not_instantiated", 422, "Export the FMU again; details.log holds what it said."
    ),
    simulation.ModelTerminatedError: Failure(
        "model_terminated", 422, "End the run before details.time, or change the start values."
    ),
    simulation.EventIterationError: Failure("events_never_settle", 422, _MODEL),
    simulation.StepRefusedError: Failure(
        "step_refused", 422, "Use a smaller communication_step, or Model Exchange."
    ),
    simulation.SolverFailedError: Failure(
        "solver_failed", 422, "Loosen the tolerance, use another solver, or check the inputs."
    ),
    simulation.TooManyEventsError: Failure(
        "too_many_events", 422, "Shorten the run, or change what makes the model chatter."
    ),
    simulation.EngineFailedError: Failure(
        "engine_failed", 500, "Repeat the call, or report the request; see details.charged."
    ),
    simulation.InvalidResultError: Failure("invalid_result", 422, _MODEL),
    simulation.BusyError: Failure(
        "busy",
        429,
        "Nothing was charged; repeat the call after details.retry_after_s seconds, with fewer at "
        "once where details.bound is account.",
    ),
    simulation.ForbiddenCallError: Failure("forbidden_system_call", 422, _MODEL),
    simulation.SandboxUnavailableError: Failure(
        "no_sandbox", 503, "Tell the operator: `fmu-gateway doctor` says what the machine lacks."
    ),
    simulation.RunnerLostError: Failure(
        "runner_lost", 503, "Nothing was charged; repeat the call.", retry_after_s=1
    ),
    simulation.SimulatorClosedError: Failure(
        "shutting_down", 503, "Nothing was charged; repeat the call soon.", retry_after_s=5
    ),
    tools.RunSettledError: Failure(
        "runner_lost", 503, "Nothing was charged; repeat the call.", retry_after_s=1
    ),
    tools.TaskLostError: Failure(
        "task_lost", 503, "Repeat the call, with reuse: true, which never pays twice for one run."
    ),
    DatabaseUnavailableError: Failure(
        "database_unavailable",
        503,
        "Repeat the call in a moment, with the same idempotency_key or quote_id: nothing is paid "
        "twice.",
        retry_after_s=1,
    ),
    # results
    runs.UnknownResultError: Failure(
        "unknown_result", 404, "Use a result_id of this account; old results are deleted."
    ),
    BlobNotFoundError: Failure("unknown_result", 404, "Run the simulation again."),
    BlobDamagedError: Failure(
        "stored_file_damaged",
        500,
        "Nothing was charged: send the FMU, or run the simulation, again, and tell the operator.",
    ),
    StorageUnavailableError: Failure(
        "storage_unavailable", 503, "Nothing was charged; repeat the call soon.", retry_after_s=5
    ),
    tools.NotOfStudiesError: Failure(
        "not_of_studies", 422, "Simulate one row of the study alone and ask for it of that result."
    ),
    runs.NotReproducibleError: Failure(
        "not_reproducible", 422, "Take the CSV, or run it again here; details.reason says why."
    ),
    runs.InvalidCsvError: Failure(
        "invalid_csv", 422, "Correct the CSV as details say: a header line, then time and numbers."
    ),
    runs.NothingInCommonError: Failure(
        "nothing_in_common", 422, "Compare what shares variables and time; see details."
    ),
    tools.OneOtherError: Failure(
        "one_other", 422, "Give other_result_id, or csv, but not both of them."
    ),
    runs.UnknownColumnError: Failure(
        "unknown_column", 422, "Use one of details.nearest: only recorded outputs can be read."
    ),
    runs.EmptyWindowError: Failure(
        "empty_window", 422, "Choose from and to between details.start and details.end."
    ),
    runs.IdempotencyConflictError: Failure(
        "idempotency_conflict", 409, "Use a new idempotency_key for another request."
    ),
    runs.RunInProgressError: Failure(
        "run_in_progress", 409, "Repeat the call in a moment with the same key.", retry_after_s=1
    ),
    # money
    PaymentRequiredError: Failure(
        "payment_required", 402, "Pay one of the offers with the pay tool, then repeat the call."
    ),
    PaymentRefusedError: Failure(
        "payment_refused",
        402,
        "Nothing was charged: sign a new payment for what `accepts` asks for, and repeat the call.",
    ),
    payments.PaymentMalformedError: Failure(
        "payment_malformed", 400, "Nothing was charged: send the payment as x402 version 2 says."
    ),
    payments.PaymentUsedError: Failure(
        "payment_used", 409, "Sign a payment of your own: each is good for one account's quote."
    ),
    payments.PaymentPendingError: Failure(
        "payment_pending",
        409,
        "Do not pay again: call the tool with details.quote_id, or repeat the call with the same "
        "payment, in a moment.",
        retry_after_s=2,
    ),
    payments.ChainUnavailableError: Failure(
        "chain_unavailable",
        503,
        "Nothing was charged; repeat the call with the same payment soon.",
        retry_after_s=5,
    ),
    tools.OnePaymentError: Failure(
        "one_payment", 422, "Name one thing to pay: quote_id, session_id or fmu_id."
    ),
    tools.OnePackError: Failure(
        "one_pack", 422, "Name the pack by amount_minor or by pack, not by both."
    ),
    payments.UnknownQuoteError: Failure(
        "unknown_quote", 404, "Ask for a quote with the account that wants to run."
    ),
    payments.QuoteExpiredError: Failure(
        "quote_expired", 409, "Ask for a new quote with the same input."
    ),
    payments.UnknownSessionError: Failure(
        "unknown_session", 404, "Use the session_id of a payment that this account began."
    ),
    payments.OfferUnavailableError: Failure(
        "offer_unavailable", 422, "Choose one of details.available."
    ),
    payments.PaymentTokenInvalidError: Failure(
        "payment_token_invalid", 409, "Claim the token with pay and this account's quote_id."
    ),
    payments.PaymentTokenSpentError: Failure(
        "payment_token_spent", 409, "Each token pays for one run: get a quote and pay again."
    ),
    payments.PaymentInUseError: Failure(
        "payment_in_use",
        409,
        "It pays for the run that is going on: pay nothing, and repeat the call in a moment.",
        retry_after_s=2,
    ),
    payments.PaymentTokenExpiredError: Failure(
        "payment_token_expired",
        409,
        "Claim it again: call pay with the same quote_id, then repeat.",
    ),
    payments.RequestExhaustedError: Failure(
        "payment_exhausted", 409, "The model failed too often; get a quote for another request."
    ),
    payments.PaymentTooSmallError: Failure(
        "payment_too_small", 409, "Get a quote for this request, or run the one that was paid."
    ),
    payments.InsufficientFundsError: Failure(
        "insufficient_funds", 409, "Choose another offer, or get credits (POST /credits)."
    ),
    payments.InsufficientCreditsError: Failure(
        "insufficient_credits", 409, "Choose another offer, or get credits (POST /credits)."
    ),
    payments.BudgetExceededError: Failure(
        "budget_exceeded",
        409,
        "Ask whoever owns this account to raise the key's budget (PUT /account/budget), or wait "
        "until details.resets_at.",
    ),
    payments.OfferNotAllowedError: Failure(
        "offer_not_allowed",
        409,
        "Choose one of details.allowed, or ask whoever owns this account to allow it.",
    ),
    payments.LimitedKeyError: Failure(
        "key_is_limited", 409, "Use a key of this account that has no budget."
    ),
    payments.LastUnlimitedKeyError: Failure(
        "last_unlimited_key",
        409,
        "Make another key with POST /account/keys first: one for the agent, to give the budget to, "
        "or one to keep when this one goes.",
    ),
    payments.BudgetCurrencyError: Failure(
        "budget_currency", 422, "Give the amounts in details.currency."
    ),
    payments.NotLinkedError: Failure(
        "not_linked",
        409,
        "Choose another offer, or link a customer: POST /account/stripe-customer.",
    ),
    payments.PaymentReturnedError: Failure(
        "payment_returned", 409, "The money went back to the payer: get a quote and pay again."
    ),
    payments.NotOfferedError: Failure(
        "not_offered", 409, "Pay by one of details.available, which the operator chose."
    ),
    payments.UnknownPackError: Failure(
        "unknown_pack", 422, "Choose one of details.packs as amount_minor."
    ),
    payments.NotRefundableError: Failure(
        "not_refundable", 409, "Use what was paid, or ask the operator; details.reason says why."
    ),
    payments.UnknownPaymentError: Failure(
        "unknown_payment", 404, "Name a quote (qt_...) or a payment (pay_...) of this gateway."
    ),
    payments.NotWaitingError: Failure(
        "not_waiting", 404, "Name an id that `fmu-gateway ledger letters` shows as stuck."
    ),
    payments.InvalidCustomerError: Failure(
        "invalid_customer", 422, "Name a customer (cus_...) of Stripe's that no account has."
    ),
    payments.WebhookTooEarlyError: Failure(
        "webhook_too_early", 409, "Send it again later, as Stripe does by itself."
    ),
    payments.InvalidTextError: Failure(
        "invalid_text", 422, "Use a short text without control characters."
    ),
    payments.InvalidAmountError: Failure(
        "invalid_amount", 422, "Give a positive amount of money that somebody could have."
    ),
    payments.TransferConflictError: Failure(
        "transfer_conflict", 409, "Use a new id for another transfer."
    ),
    payments.WebhookSignatureError: Failure(
        "webhook_signature",
        400,
        "Check STRIPE_WEBHOOK_SECRET, STRIPE_THIN_WEBHOOK_SECRET and the machine's clock.",
    ),
    payments.WebhookMalformedError: Failure(
        "webhook_malformed", 400, "Send Stripe's events as Stripe sends them."
    ),
    payments.StripeNotEnabledError: Failure(
        "stripe_not_enabled", 404, "Set STRIPE_ENABLED=true, or take the webhook away in Stripe."
    ),
    payments.StripeUnavailableError: Failure(
        "stripe_unavailable", 503, "Nothing was charged; repeat the call soon.", retry_after_s=5
    ),
}

UNEXPECTED: Final = Failure(
    "internal_error", 500, "Repeat the call; if it fails again, report the time and the tool."
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure as a caller hears it."""

    failure: Failure
    message: str
    details: dict[str, Any]
    x402: dict[str, Any] | None = None  # what x402's clients act on

    @property
    def retry_after_s(self) -> int | None:
        """When to come again, where that helps: as this very failure says, else as its kind."""
        told = self.details.get("retry_after_s")
        return told if isinstance(told, int) else self.failure.retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The object that every door delivers."""
        common = {
            "code": self.failure.code,
            "message": self.message,
            "remedy": self.failure.remedy,
        }
        if self.failure.code == "payment_required":
            return {**common, **self.details, **(self.x402 or {})}
        marked = {"untrusted": [DETAILS], DETAILS: self.details}
        return {**common, **marked, **(self.x402 or {})}


def failure_of(error: BaseException) -> Failure:
    """How `error` looks from outside; a class that nobody listed is a bug and says nothing."""
    return next((FAILURES[c] for c in type(error).__mro__ if c in FAILURES), UNEXPECTED)


def problem(error: BaseException) -> Problem:
    """All that a caller is told of `error`, whose frames are emptied: they may hold an upload."""
    failure = failure_of(error)
    if failure is UNEXPECTED:
        _log.error("unexpected_error", exc_info=error)
    if isinstance(error, DatabaseUnavailableError):
        _log.error("database_unavailable", reason=str(error.__cause__))
    told = _problem(error, failure)
    for cause in (error, error.__context__):
        if cause is not None:
            traceback.clear_frames(cause.__traceback__)
    return told


def _problem(error: BaseException, failure: Failure) -> Problem:
    if failure is UNEXPECTED:
        return Problem(failure, "something went wrong on our side", {})
    if isinstance(error, PaymentRequiredError):
        required = error.requirement
        return Problem(failure, str(error), required.as_dict(), required.x402)
    details = _told(dict(getattr(error, "details", {})))
    x402 = error.x402 if isinstance(error, PaymentRefusedError) else None
    return Problem(failure, _told(str(error)), details, x402)


def _told(value: Any) -> Any:  # noqa: ANN401  any JSON
    """`value` as every door can send it: valid Unicode, finite numbers."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {_told(key): _told(item) for key, item in value.items()}
        case list() | tuple():
            return [_told(item) for item in value]
    return value
