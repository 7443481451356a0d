/** What can go wrong between a program and its gateway. */

/** The gateway refused or failed: `code` is stable, `remedy` says what to do next. */
export class GatewayError extends Error {
  constructor({ code, status, message, remedy = "", details = {} }, options) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.remedy = remedy;
    this.details = details;
  }
}

/** 401: no key, or one that the gateway doesn't know or that was revoked. */
export class UnauthorizedError extends GatewayError {}

/** 402: the run costs something. `requirement` is all that was said, `offers` the ways to pay. */
export class PaymentRequired extends GatewayError {
  get requirement() {
    return this.details;
  }

  get offers() {
    return this.details.offers;
  }
}

/** 404: no such model, result, quote or session, or it is someone else's. */
export class NotFoundError extends GatewayError {}

/** 409: a token is spent or expired, a quote has expired, an idempotency key was reused. */
export class ConflictError extends GatewayError {}

/** 413 or 422: the request doesn't fit, or the model failed with it. */
export class InvalidRequestError extends GatewayError {}

/** 429 or 503: come again in `retryAfterS` seconds; nothing was charged. */
export class BusyError extends GatewayError {
  get retryAfterS() {
    return this.details.retry_after_s ?? 1;
  }
}

/** 504: the run took longer than the gateway allows; nothing was charged. */
export class SimulationTimeoutError extends GatewayError {}

/** No answer: nothing listens there, or the connection broke. */
export class UnreachableError extends GatewayError {
  constructor(url, cause) {
    const reason = cause?.cause?.message ?? cause?.message;
    const message = `no gateway answers at ${url}${reason ? `: ${reason}` : ""}`;
    const remedy = "Start one with `fmu-gateway serve`, or set FMU_GATEWAY_URL.";
    super({ code: "unreachable", status: 0, message, remedy }, { cause });
  }
}

/** Something answered, but not as a gateway does. */
export class InvalidAnswerError extends GatewayError {
  constructor(status) {
    const message = `an answer ${status} that is not a gateway's`;
    super({ code: "invalid_answer", status, message, remedy: "Check the address." });
  }
}

const KINDS = {
  401: UnauthorizedError,
  402: PaymentRequired,
  404: NotFoundError,
  409: ConflictError,
  413: InvalidRequestError,
  422: InvalidRequestError,
  429: BusyError,
  503: BusyError,
  504: SimulationTimeoutError,
};

/** The refusal or failure that a reply tells of. */
export function errorOf(reply) {
  const told = reply.json();
  if (typeof told?.code !== "string") return new InvalidAnswerError(reply.status);
  const details = { ...(reply.status === 402 ? told : told.details) };
  const wait = Number(reply.headers.get("retry-after"));
  if (wait > 0) details.retry_after_s = wait;
  const Kind = KINDS[reply.status] ?? GatewayError;
  const { code, message, remedy } = told;
  return new Kind({ code, status: reply.status, message, remedy, details });
}
