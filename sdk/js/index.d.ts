/** JavaScript client of FMU Gateway. Times in seconds; field names are the gateway's own. */

export type Scalar = number | boolean | string;

export interface KeyStore {
  find(gateway: string): Promise<string | undefined>;
  /** Keeps `key` and resolves to the key that counts. */
  keep(gateway: string, key: string): Promise<string>;
  /** Called where the gateway doesn't know the kept key any more. */
  setAside?(gateway: string): Promise<void>;
}

export interface ClientOptions {
  /** "auto": FMU_GATEWAY_URL, else this machine's gateway, else PUBLIC_GATEWAY_URL. */
  gatewayUrl?: string;
  /** Else FMU_GATEWAY_KEY, else the one in `keys`, else a new one that `keys` keeps. */
  key?: string;
  /** Default: for as long as the program runs; `FileKeys` of "fmu-gateway/node" keeps files. */
  keys?: KeyStore;
  timeoutMs?: number;
  /** For how long a call to a busy or silent gateway is repeated, in pauses [ms]; 30 s. */
  patienceMs?: number;
}

export interface InputSignal {
  name: string;
  time: number[] | Float64Array;
  values: number[] | Float64Array;
  interpolation?: "linear" | "hold";
}

/** What decides a run's numbers. Whatever is absent comes from the default experiment. */
export interface RunRequest {
  /** Not needed with a paid quote_id or payment_token. */
  fmu_id?: string;
  start_time?: number;
  stop_time?: number;
  step?: number;
  start_values?: Record<string, Scalar | Scalar[]>;
  input_signals?: InputSignal[];
  inputs_csv?: string;
  outputs?: string[];
  kpis?: (string | Record<string, unknown>)[];
  mode?: "auto" | "co_simulation" | "model_exchange";
  solver?: { name?: "cvode" | "euler" | "rk4"; relative_tolerance?: number; step_size?: number };
  display_units?: Record<string, string>;
  communication_step?: number;
  engine?: "auto" | "native" | "fmpy";
  check_accuracy?: boolean;
}

export interface SimulateRequest extends RunRequest {
  points?: number | "all";
  reuse?: boolean;
  idempotency_key?: string;
  quote_id?: string;
  payment_token?: string;
}

export interface Health {
  status: string;
  version: string;
  engines: string[];
  sandbox: string;
  payments: string[];
}

export interface Variable {
  name: string;
  causality: string;
  variability: string;
  type: string;
  unit: string | null;
  start: Scalar | Scalar[] | null;
  min: number | null;
  max: number | null;
  description: string | null;
  dimensions: number[] | null;
  items: Record<string, number> | null;
}

export interface VariablePage {
  variables: Variable[];
  total: number;
  next_cursor: string | null;
}

export interface Fmu {
  id: string;
  sha256: string;
  already_known: boolean;
  model_name: string;
  fmi_version: string;
  guid: string;
  description: string | null;
  kinds: string[];
  platforms: string[];
  variables: Variable[];
  warnings?: string[];
  problems?: string[];
}

export interface ModelDescription extends VariablePage {
  id: string;
  sha256: string;
  model_name: string;
  fmi_version: string;
  guid: string;
  description: string | null;
  kinds: string[];
  platforms: string[];
  states: number;
  default_experiment: Record<string, number>;
  example_request: SimulateRequest;
}

export interface LibraryModel {
  id: string;
  model_name: string;
  fmi_version: string;
  guid: string;
  description: string | null;
  source: "library" | "upload";
  kinds: string[];
  tags: string[];
  verified_against: string | null;
  error: number | null;
}

export interface Offer {
  kind: string;
  amount: number;
  amount_micros: number;
  currency: string;
  /** In a payment requirement; a quote's offers are prices only. */
  amount_minor?: number;
  expires_at?: string;
  data?: Record<string, unknown>;
}

export interface Quote {
  quote_id: string;
  amount: number;
  amount_minor: number;
  amount_micros: number;
  currency: string;
  because: string[];
  work_units: number;
  request_sha256: string;
  expires_at: string;
  offers: Offer[];
  existing_result_id: string | null;
  already_paid_quote_id: string | null;
  next_steps: string[];
}

export interface PaymentRequirement {
  amount: number;
  amount_minor: number;
  amount_micros: number;
  currency: string;
  methods: string[];
  quote_id: string;
  session_id: string | null;
  checkout_url: string | null;
  expires_at: string;
  offers: Offer[];
  next_steps: string[];
  next_step: string;
  existing_result_id: string | null;
  already_paid_quote_id: string | null;
}

export interface PaymentStatus {
  status: "paid" | "pending" | "expired";
  /** null: credits were bought, and `balance` stands for the token. */
  quote_id: string | null;
  offer: string | null;
  session_id: string | null;
  checkout_url: string | null;
  payment_token: string | null;
  expires_at: string | null;
  amount: number;
  amount_minor: number;
  amount_micros: number;
  currency: string;
  next_steps: string[];
  balance: Balance | null;
}

export interface SimulationResult {
  result_id: string;
  status: "done";
  cached: boolean;
  fmu_id: string;
  request_sha256: string;
  model_sha256: string;
  engine: Record<string, string | null>;
  resolved: Record<string, unknown>;
  solver_statistics: Record<string, number>;
  wall_ms: number;
  kpis: Record<string, { value: number | null; unit: string | null }>;
  outputs: Record<
    string,
    {
      unit: string | null;
      start: number;
      end: number;
      min: number;
      min_at: number;
      max: number;
      max_at: number;
    }
  >;
  omitted: number;
  series: Record<string, number[]> | null;
  events: number[];
  accuracy: Record<string, number | null> | null;
  warnings: string[];
  links: Record<string, string>;
  next_steps: string[];
}

/** `values`, or `min` and `max`; `count`: points of a grid from min to max. */
export interface Varied {
  values?: Scalar[];
  min?: number;
  max?: number;
  count?: number;
}

export interface StudyRequest {
  base?: RunRequest;
  parameters?: Record<string, Varied>;
  design?: "grid" | "lhs";
  samples?: number;
  seed?: number;
  objective?: { kpi?: string; direction?: "min" | "max" };
  reuse?: boolean;
  idempotency_key?: string;
  quote_id?: string;
  payment_token?: string;
}

/** One run of a study; `row` counts from 0. */
export interface StudyRow {
  row: number;
  parameters: Record<string, Scalar>;
  kpis: Record<string, number | null>;
}

export interface StudyResult {
  result_id: string;
  status: "done";
  cached: boolean;
  fmu_id: string;
  request_sha256: string;
  model_sha256: string;
  engine: Record<string, string | null>;
  resolved: Record<string, unknown>;
  wall_ms: number;
  design: { design: "grid" | "lhs"; runs: number; seed?: number };
  objective: { kpi: string; direction: "min" | "max" };
  best: StudyRow | null;
  worst: StudyRow | null;
  kpis: Record<
    string,
    { unit: string | null; min: number | null; mean: number | null; max: number | null }
  >;
  omitted_kpis: number;
  columns: string[];
  units: Record<string, string | null>;
  rows: (Scalar | null)[][];
  omitted: number;
  failed: number;
  failures: {
    row: number;
    parameters: Record<string, Scalar>;
    code: string;
    message: string;
  }[];
  failure_codes: Record<string, number>;
  accuracy: Record<string, number> | null;
  warnings: string[];
  links: Record<string, string>;
  next_steps: string[];
}

export interface StudyTable {
  result_id: string;
  fmu_id: string;
  request_sha256: string;
  rows: number;
  omitted: number;
  units: Record<string, string | null>;
  columns: Record<string, (Scalar | null)[]>;
  failures: Record<string, string>;
  links: Record<string, string>;
}

export interface Difference {
  unit: string | null;
  other_unit: string | null;
  agrees: boolean;
  max_abs: number;
  max_at: number;
  rms: number;
  relative_max: number;
  relative_rms: number;
  departure: number;
  parts: { time: number; value: number; other: number } | null;
}

export interface Comparison {
  result_id: string;
  other_result_id: string | null;
  agree: boolean;
  tolerance: number;
  time_tolerance: number;
  start_time: number;
  stop_time: number;
  variables: Record<string, Difference>;
  omitted: number;
  parting_first: string | null;
  only_in_result: string[];
  only_in_other: string[];
  warnings: string[];
  next_steps: string[];
}

export interface Trajectory {
  time: Float64Array;
  columns: Record<string, Float64Array>;
  units: Record<string, string | null>;
  events: number[];
}

export interface Outcome {
  ran: "gateway" | "local";
  why: string;
  answer: SimulationResult | null;
  trajectory: Trajectory;
}

export interface Slice {
  variables?: string[];
  from?: number;
  to?: number;
  points?: number | "all";
}

export interface Page {
  limit?: number;
  cursor?: string;
}

export interface Usage {
  run_id: string;
  at: string;
  key_id: string | null;
  fmu_id: string;
  outcome: string;
  duration_ms: number | null;
  work_units: number;
  offer: string | null;
  price: number;
  price_micros: number;
  currency: string;
}

export interface UsagePage {
  usage: Usage[];
  next_cursor: string | null;
}

export interface Balance {
  amount: number;
  amount_micros: number;
  currency: string;
}

export interface Account extends UsagePage {
  account_id: string;
  balance: Balance;
  other_balances: Balance[];
  offers: string[];
  limits: Record<string, number>;
  /** The offer that pays for runs without asking. */
  auto_pay: string | null;
  /** To a Stripe customer that agreed to be invoiced. */
  linked: boolean;
  /** Today; null: none are given. */
  free_runs_left: number | null;
  /** Of the key that is used; null: no limit. */
  budget: Budget | null;
}

/** Amounts in the currency of the prices; null or absent: no limit. */
export interface Limits {
  per_run?: number | null;
  per_day?: number | null;
  per_month?: number | null;
  /** Ways to pay that the key may use. */
  offers?: string[] | null;
}

export interface Budget extends Required<Limits> {
  currency: string;
  spent_today: number;
  spent_this_month: number;
  left_today: number | null;
  left_this_month: number | null;
  day_ends: string;
  month_ends: string;
}

/** A key's budget as it is now, and how its account pays. */
export interface KeyBudget {
  key_id: string;
  budget: Budget | null;
  auto_pay: string | null;
}

export interface KeyInfo {
  key_id: string;
  label: string;
  created_at: string;
  revoked_at: string | null;
  budget: Budget | null;
}

export interface UploadInfo {
  id: string;
  sha256: string;
  model_name: string;
  size_bytes: number;
  created_at: string;
}

type Bytes = Blob | ArrayBuffer | Uint8Array;

/** All methods reject with GatewayError; see its subclasses. */
export class FMUGatewayClient {
  constructor(options?: ClientOptions);
  findUrl(): Promise<string>;
  apiKey(): Promise<string>;
  health(): Promise<Health>;
  library(
    query?: string,
    page?: Page,
  ): Promise<{ models: LibraryModel[]; total: number; next_cursor: string | null }>;
  describe(fmuId: string): Promise<ModelDescription>;
  variables(
    fmuId: string,
    options?: Page & { query?: string; causality?: string },
  ): Promise<VariablePage>;
  uploadFmu(data: Bytes): Promise<Fmu>;
  /** Sends the file only if this account has not sent it yet. */
  uploadFmuSmart(data: Bytes): Promise<Fmu>;
  uploads(page?: Page): Promise<{ models: UploadInfo[]; next_cursor: string | null }>;
  removeFmu(fmuId: string): Promise<void>;
  /** Also prices a study. */
  quote(request: RunRequest | StudyRequest): Promise<Quote>;
  /** All ways to pay for a run, a Checkout page opened; null where it is free. */
  paymentRequirement(request: RunRequest): Promise<PaymentRequirement | null>;
  pay(payment: {
    quote_id?: string;
    session_id?: string;
    fmu_id?: string;
    offer?: string;
  }): Promise<PaymentStatus>;
  payment(sessionId: string): Promise<PaymentStatus>;
  /** Shows a person the quote's Checkout page, and waits until it is paid or `waitMs` are over. */
  payAtCheckout(
    quoteId: string,
    options: { openPage: (url: string) => unknown; waitMs?: number },
  ): Promise<PaymentStatus>;
  /**
   * Pays by x402: `sign` turns what is required into the header PAYMENT-SIGNATURE, as x402's own
   * client for a wallet does.
   */
  payByWallet(
    quoteId: string,
    sign: (required: Record<string, unknown>) => string | Promise<string>,
    options?: { waitMs?: number },
  ): Promise<PaymentStatus>;
  simulate(request: SimulateRequest): Promise<SimulationResult>;
  runStudy(study: StudyRequest): Promise<StudyResult>;
  studyTable(
    resultId: string,
    options?: { columns?: string[]; rows?: number | "all" },
  ): Promise<StudyTable>;
  compare(
    resultId: string,
    options: {
      other_result_id?: string;
      csv?: string;
      variables?: string[];
      tolerance?: number;
      time_tolerance?: number;
    },
  ): Promise<Comparison>;
  /** `localSimulator` runs where no gateway can be had; a refusal or a price is not run elsewhere. */
  simulateWithFallback(
    request: SimulateRequest,
    localSimulator?: (request: SimulateRequest) => Trajectory | Promise<Trajectory>,
  ): Promise<Outcome>;
  result(resultId: string, slice?: Slice): Promise<Trajectory>;
  csv(resultId: string, slice?: Slice): Promise<string>;
  /** PNG. */
  plot(resultId: string, slice?: Omit<Slice, "points">): Promise<Uint8Array>;
  parquet(resultId: string): Promise<Uint8Array>;
  /** reproduce.py */
  script(resultId: string): Promise<string>;
  account(page?: Page): Promise<Account>;
  usage(page?: Page): Promise<UsagePage>;
  keys(): Promise<KeyInfo[]>;
  addKey(
    label?: string,
    budget?: Limits | null,
  ): Promise<{ key: string; key_id: string; account_id: string }>;
  revokeKey(keyId: string): Promise<void>;
  /** Replaces the key's limits by these. */
  setBudget(keyId: string, limits?: Limits): Promise<KeyBudget>;
  /** Has the account's runs paid without asking; null: it is asked each time. */
  setAutoPay(offer: "credits" | "metered" | null): Promise<KeyBudget>;
}

export class GatewayError extends Error {
  /** Stable, snake_case. */
  code: string;
  /** HTTP status; 0: no answer came. */
  status: number;
  /** What to do next. */
  remedy: string;
  details: Record<string, unknown>;
}
export class UnauthorizedError extends GatewayError {}
export class PaymentRequired extends GatewayError {
  get requirement(): PaymentRequirement;
  get offers(): Offer[];
}
export class NotFoundError extends GatewayError {}
export class ConflictError extends GatewayError {}
export class InvalidRequestError extends GatewayError {}
export class BusyError extends GatewayError {
  get retryAfterS(): number;
}
export class SimulationTimeoutError extends GatewayError {}
export class UnreachableError extends GatewayError {}
export class InvalidAnswerError extends GatewayError {}
