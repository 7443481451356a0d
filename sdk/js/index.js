/** JavaScript client of FMU Gateway, for Node and browsers. */

import {
  BusyError,
  InvalidAnswerError,
  InvalidRequestError,
  NotFoundError,
  PaymentRequired,
  UnauthorizedError,
  UnreachableError,
  errorOf,
} from "./errors.js";
import { Patience, pause } from "./patience.js";

export * from "./errors.js";

const LOCAL_GATEWAY = "http://127.0.0.1:8000";
const PROBE_MS = 1000;
const LOOK_AGAIN_MS = 2000;
const WHILE_A_PERSON_PAYS_MS = 600_000;
const WHILE_A_CHAIN_SETTLES_MS = 120_000;
const OK = [200, 201, 204];
const PAYMENT = [200, 202, 410]; // paid, pending, expired: all are answers
const NOT_PRICED = ["points", "reuse", "idempotency_key", "quote_id", "payment_token"];

const environment = globalThis.process?.env ?? {};

/** Keys by gateway for as long as the program runs. */
class MemoryKeys {
  #keys = new Map();

  async find(gateway) {
    return this.#keys.get(gateway);
  }

  async keep(gateway, key) {
    this.#keys.set(gateway, key);
    return key;
  }

  async setAside(gateway) {
    this.#keys.delete(gateway);
  }
}

export class FMUGatewayClient {
  #url;
  #key;
  #keyIsKept;
  #keys;
  #timeoutMs;
  #patienceMs;
  #hasAnswered = false;

  constructor({
    gatewayUrl = "auto",
    key,
    keys = new MemoryKeys(),
    timeoutMs = 60_000,
    patienceMs = 30_000,
  } = {}) {
    this.#url = gatewayUrl === "auto" ? undefined : Promise.resolve(trimmed(gatewayUrl));
    const given = key || environment.FMU_GATEWAY_KEY;
    this.#key = given ? Promise.resolve(given) : undefined;
    this.#keyIsKept = !given;
    this.#keys = keys;
    this.#timeoutMs = timeoutMs;
    this.#patienceMs = patienceMs;
  }

  /** The URL of the gateway that is spoken to; "auto" is resolved. */
  findUrl() {
    this.#url ??= once(findGateway(), () => (this.#url = undefined));
    return this.#url;
  }

  /** The key that is used: the one given, the one kept, or a new one, kept from now on. */
  apiKey() {
    this.#key ??= once(this.#keptKey(), () => (this.#key = undefined));
    return this.#key;
  }

  health() {
    return this.#json("GET", "/health", { withKey: false });
  }

  library(query = "", { limit, cursor } = {}) {
    return this.#json("GET", "/library", { query: { query, limit, cursor } });
  }

  describe(fmuId) {
    return this.#json("GET", path("/fmus", fmuId));
  }

  variables(fmuId, { query, causality, limit = 200, cursor } = {}) {
    const asked = { query, causality, limit, cursor };
    return this.#json("GET", `${path("/fmus", fmuId)}/variables`, { query: asked });
  }

  uploadFmu(data) {
    const form = new FormData();
    form.append("file", data instanceof Blob ? data : new Blob([data]), "model.fmu");
    return this.#json("POST", "/fmus", { body: form });
  }

  /** Sends an FMU only if this account has not sent it yet: asks by its hash first. */
  async uploadFmuSmart(data) {
    const bytes = data instanceof Blob ? await data.arrayBuffer() : data;
    const sha256 = await hashOf(bytes);
    try {
      const known = await this.describe(`fmu_${sha256.slice(0, 16)}`);
      if (known.sha256 === sha256) return { ...known, already_known: true };
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    return this.uploadFmu(bytes);
  }

  uploads({ limit, cursor } = {}) {
    return this.#json("GET", "/fmus", { query: { limit, cursor } });
  }

  async removeFmu(fmuId) {
    await this.#ask("DELETE", path("/fmus", fmuId), { repeatable: false });
  }

  quote(request) {
    const priced = Object.entries(request).filter(([name]) => !NOT_PRICED.includes(name));
    return this.#json("POST", "/quotes", { json: Object.fromEntries(priced) });
  }

  /** All ways to pay for a run, a Checkout page opened; null where it is free. */
  async paymentRequirement(request) {
    try {
      await this.#json("POST", "/simulate", { json: { ...request, quote_only: true } });
    } catch (error) {
      if (error instanceof PaymentRequired) return error.requirement;
      throw error;
    }
    return null;
  }

  pay(payment) {
    return this.#json("POST", "/pay", { json: payment, statuses: PAYMENT });
  }

  payment(sessionId) {
    const options = { statuses: PAYMENT };
    return this.#json("GET", path("/payments/checkout", sessionId), options);
  }

  /**
   * Shows a person the quote's Checkout page by `openPage(url)` and waits until it is paid; what
   * came of it: "paid", with the payment token, "expired", or still "pending".
   */
  async payAtCheckout(quoteId, { openPage, waitMs = WHILE_A_PERSON_PAYS_MS } = {}) {
    const status = await this.pay({ quote_id: quoteId, offer: "stripe_checkout" });
    if (status.status === "pending") await openPage(status.checkout_url);
    return this.#settled(quoteId, status, waitMs);
  }

  /**
   * Pays a quote in stablecoins by x402: `sign(required)` gives the payment, as x402's own client
   * makes it for the header PAYMENT-SIGNATURE; a wallet's key stays with it.
   */
  async payByWallet(quoteId, sign, { waitMs = WHILE_A_CHAIN_SETTLES_MS } = {}) {
    const options = { json: { quote_id: quoteId, offer: "x402" }, statuses: PAYMENT };
    const paid = async () => {
      try {
        return await this.#json("POST", "/pay", options); // it is paid, on its way, or free
      } catch (error) {
        if (!(error instanceof PaymentRequired)) throw error;
        const wanted = error.offers.find((offer) => offer.kind === "x402");
        return this.#json("POST", "/pay", { ...options, payment: await sign(wanted.data) });
      }
    };
    return this.#settled(quoteId, await paid(), waitMs);
  }

  simulate(request) {
    return this.#json("POST", "/simulate", { json: underAKey(request) });
  }

  /** Many runs in one call: {base, parameters: {e: {values: [...]}}, design, samples, seed}. */
  runStudy(study) {
    return this.#json("POST", "/studies", { json: underAKey(study) });
  }

  /** A study's table: its columns by name, null where a run failed. */
  studyTable(resultId, { columns, rows = "all" } = {}) {
    const query = { variables: columns, points: rows };
    return this.#json("GET", path("/results", resultId), { query });
  }

  /** How far a result is from another (other_result_id) or from CSV text (csv). */
  compare(resultId, options) {
    return this.#json("POST", "/compare", { json: { ...options, result_id: resultId } });
  }

  /** Runs at the gateway; by `localSimulator(request)` where none can be had. Says which and why. */
  async simulateWithFallback(request, localSimulator) {
    try {
      const answer = await this.simulate(request);
      const trajectory = await this.result(answer.result_id);
      return { ran: "gateway", why: "the gateway answered", answer, trajectory };
    } catch (error) {
      if (!localSimulator || !fitsFallback(error)) throw error;
      const trajectory = await localSimulator(request);
      return { ran: "local", why: error.message, answer: null, trajectory };
    }
  }

  /** A result's numbers: time [s] and each output as Float64Array. */
  async result(resultId, { variables, from, to, points = "all" } = {}) {
    const query = { variables, from, to, points };
    const part = await this.#json("GET", path("/results", resultId), { query });
    const columns = Object.entries(part.series).map(([name, v]) => [name, Float64Array.from(v)]);
    const { time, ...outputs } = Object.fromEntries(columns);
    return { time, columns: outputs, units: part.units, events: part.events };
  }

  async csv(resultId, options) {
    return new TextDecoder().decode(await this.#file(resultId, "csv", options));
  }

  async plot(resultId, options) {
    return this.#file(resultId, "png", options);
  }

  async parquet(resultId) {
    return this.#file(resultId, "parquet");
  }

  /** `reproduce.py`: gets a run's numbers with plain FMPy. */
  async script(resultId) {
    return new TextDecoder().decode(await this.#file(resultId, "py"));
  }

  account({ limit, cursor } = {}) {
    return this.#json("GET", "/account", { query: { limit, cursor } });
  }

  usage({ limit, cursor } = {}) {
    return this.#json("GET", "/usage", { query: { limit, cursor } });
  }

  async keys() {
    return (await this.#json("GET", "/account/keys")).keys;
  }

  addKey(label = "", budget = null) {
    const options = { json: { label, budget }, repeatable: false };
    return this.#json("POST", "/account/keys", options);
  }

  /** Replaces the key's limits by these: {per_run, per_day, per_month, offers}. */
  setBudget(keyId, limits = {}) {
    return this.#json("PUT", "/account/budget", { json: { ...limits, key_id: keyId } });
  }

  /** Has the account's runs paid by `offer` ("credits", "metered") without asking; null: asks. */
  setAutoPay(offer) {
    return this.#json("PUT", "/account/budget", { json: { auto_pay: offer } });
  }

  async revokeKey(keyId) {
    await this.#ask("DELETE", path("/account/keys", keyId), { repeatable: false });
  }

  async #settled(quoteId, status, waitMs) {
    const until = performance.now() + waitMs; // whatever the clock says
    while (status.status === "pending" && performance.now() < until) {
      await pause(Math.min(LOOK_AGAIN_MS, waitMs));
      status = await this.pay({ quote_id: quoteId });
    }
    return status;
  }

  async #keptKey() {
    const gateway = await this.findUrl();
    const kept = await this.#keys.find(gateway);
    if (kept) return kept;
    return this.#newKey(gateway);
  }

  /** In place of one that the gateway doesn't know any more: it has a new database. */
  async #replacedKey() {
    const gateway = await this.findUrl();
    await this.#keys.setAside?.(gateway);
    return this.#newKey(gateway);
  }

  async #newKey(gateway) {
    const fresh = await this.#json("POST", "/keys", { withKey: false, repeatable: false });
    return this.#keys.keep(gateway, fresh.key);
  }

  async #file(resultId, format, { variables, from, to, points } = {}) {
    const query = { format, variables, from, to, points };
    return (await this.#ask("GET", path("/results", resultId), { query })).bytes;
  }

  async #json(method, where, options) {
    const reply = await this.#ask(method, where, options);
    const told = reply.json();
    if (told === null) throw new InvalidAnswerError(reply.status);
    return told;
  }

  /** Sends a call; again, where the gateway is busy, or silent though it has answered before. */
  async #ask(method, where, { repeatable = true, ...options } = {}) {
    const patience = new Patience(this.#patienceMs);
    for (;;) {
      try {
        return await this.#askOnce(method, where, options);
      } catch (error) {
        const waitMs = repeatable && this.#hasAnswered ? patience.after(error) : null;
        if (waitMs === null) throw error;
        await pause(waitMs);
      }
    }
  }

  async #askOnce(method, where, options) {
    const { statuses = OK, withKey = true } = options;
    const used = withKey && this.#keyIsKept ? await this.apiKey() : null;
    let reply = await this.#send(method, where, options);
    if (used && reply.status === 401 && isForgotten(errorOf(reply))) {
      if ((await this.apiKey()) === used) this.#key = once(this.#replacedKey(), () => (this.#key = undefined));
      reply = await this.#send(method, where, options);
    }
    if (statuses.includes(reply.status)) return reply;
    throw errorOf(reply);
  }

  async #send(method, where, { query, json, body, payment, withKey = true }) {
    const url = await this.findUrl();
    const headers = withKey ? { Authorization: `Bearer ${sendable(await this.apiKey())}` } : {};
    if (json) headers["Content-Type"] = "application/json";
    if (payment) headers["PAYMENT-SIGNATURE"] = payment;
    const sent = { method, headers, body: json ? written(json) : body };
    const reply = await fetched(url, where + search(query), sent, this.#timeoutMs);
    this.#hasAnswered = true;
    return reply;
  }
}

/** JSON, with typed arrays as lists. NaN and Infinity would become null, which means "absent". */
function written(json) {
  return JSON.stringify(json, (field, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) throw notFinite(field);
    return ArrayBuffer.isView(value) && !(value instanceof DataView) ? [...value] : value;
  });
}

function notFinite(field) {
  const message = `a number must be finite: see ${field}`;
  const remedy = "Correct the fields in details.problems and call again.";
  const problems = [{ field, problem: "A number must be finite" }];
  return new InvalidRequestError({ code: "invalid_input", status: 0, message, remedy, details: { problems } });
}

/** FMU_GATEWAY_URL; else this machine's gateway, if it answers; else PUBLIC_GATEWAY_URL. */
async function findGateway() {
  if (environment.FMU_GATEWAY_URL) return trimmed(environment.FMU_GATEWAY_URL);
  try {
    const health = await fetched(LOCAL_GATEWAY, "/health", {}, PROBE_MS);
    if (health.status === 200 && health.json()?.status === "ok") return LOCAL_GATEWAY;
  } catch {
    // nothing, or something else, answers there
  }
  if (environment.PUBLIC_GATEWAY_URL) return trimmed(environment.PUBLIC_GATEWAY_URL);
  throw new UnreachableError(LOCAL_GATEWAY);
}

/** What came back, whole: a connection that breaks in the middle is as good as no answer. */
async function fetched(url, where, sent, timeoutMs) {
  try {
    const response = await fetch(url + where, { ...sent, signal: AbortSignal.timeout(timeoutMs) });
    return new Reply(response, new Uint8Array(await response.arrayBuffer()));
  } catch (cause) {
    throw new UnreachableError(url, cause);
  }
}

class Reply {
  constructor(response, bytes) {
    this.status = response.status;
    this.headers = response.headers;
    this.bytes = bytes;
  }

  /** The object in it; null where there is none: a proxy's page, a part of an answer. */
  json() {
    try {
      const told = JSON.parse(new TextDecoder().decode(this.bytes));
      return typeof told === "object" && !Array.isArray(told) ? told : null;
    } catch {
      return null;
    }
  }
}

/** The key as a header can carry it. */
function sendable(key) {
  if (/^[!-~]+$/.test(key)) return key;
  const message = "this is no API key: it has letters that no key has";
  const remedy = "Give the key as POST /keys answered it.";
  throw new UnauthorizedError({ code: "invalid_key", status: 0, message, remedy });
}

function isForgotten(error) {
  return error instanceof UnauthorizedError && error.code === "unauthorized";
}

/** Whether the gateway is the trouble, not the request, the model or the money. */
function fitsFallback(error) {
  const kinds = [UnreachableError, BusyError, InvalidAnswerError];
  return kinds.some((kind) => error instanceof kind) || error.status === 500;
}

/** A request under a key by which the gateway runs it once, however often it is sent. */
function underAKey(request) {
  return { idempotency_key: `sdk-${crypto.randomUUID()}`, ...request };
}

function once(promise, forget) {
  promise.catch(forget);
  return promise;
}

function search(query = {}) {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .flatMap(([name, value]) => [value].flat().map((item) => [name, String(item)]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}

function path(collection, name) {
  return `${collection}/${encodeURIComponent(name)}`;
}

function trimmed(url) {
  return url.replace(/\/+$/, "");
}

async function hashOf(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
