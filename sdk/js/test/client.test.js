/** Against a live gateway: FMU_GATEWAY_URL, where runs are free; PAID_GATEWAY_URL, where not. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import {
  BusyError,
  ConflictError,
  FMUGatewayClient,
  GatewayError,
  InvalidAnswerError,
  InvalidRequestError,
  NotFoundError,
  PaymentRequired,
  UnauthorizedError,
  UnreachableError,
} from "fmu-gateway";
import { FileKeys } from "fmu-gateway/node";

const { PAID_GATEWAY_URL, FMU_FILE } = process.env;
const NOWHERE = "http://127.0.0.1:1";
const BALL = { fmu_id: "msl:BouncingBall", stop_time: 3 };

let folder;
let client;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "fmu-gateway-"));
  client = new FMUGatewayClient();
});
after(() => rm(folder, { recursive: true }));

test("a model is found by words and described", async () => {
  const { models } = await client.library("bouncing ball");
  assert.equal(models[0].model_name, "BouncingBall");
  const model = await client.describe(models[0].id);
  assert.ok(model.variables.some((variable) => variable.name === "h"));
  const parameters = await client.variables(models[0].id, { causality: "parameter" });
  assert.ok(parameters.variables.every((variable) => variable.causality === "parameter"));
});

test("a run answers key figures, and its result comes as numbers, CSV and plot", async () => {
  const answer = await client.simulate({ ...BALL, kpis: ["h_max"] });
  assert.equal(answer.kpis.h_max.value, 1);
  const { time, columns, units } = await client.result(answer.result_id, { variables: ["h"] });
  assert.ok(time instanceof Float64Array);
  assert.deepEqual(Object.keys(columns), ["h"]);
  assert.equal(columns.h.length, time.length);
  assert.equal(units.h, "m");
  assert.match(await client.csv(answer.result_id), /^"?time"?,/);
  const png = await client.plot(answer.result_id);
  assert.deepEqual([...png.slice(1, 4)], [..."PNG"].map((c) => c.charCodeAt(0)));
});

test("a result's columns are inputs as they are", async () => {
  const time = Float64Array.of(0, 1);
  const signal = { name: "Float64_continuous_input", time, values: Float64Array.of(2, 5) };
  const { outputs } = await client.simulate({ fmu_id: "msl:Feedthrough", stop_time: 1, input_signals: [signal] });
  assert.equal(outputs.Float64_continuous_output.start, 2);
});

test("a number that is none is refused, not left out", async () => {
  for (const stop_time of [NaN, Infinity]) {
    await assert.rejects(client.simulate({ ...BALL, stop_time }), (error) => {
      assert.ok(error instanceof InvalidRequestError);
      return error.code === "invalid_input" && error.details.problems[0].field === "stop_time";
    });
  }
});

test("a file is sent once", async () => {
  const file = await readFile(FMU_FILE);
  const first = await client.uploadFmuSmart(file);
  const second = await client.uploadFmuSmart(new Blob([file]));
  assert.match(first.id, /^fmu_[0-9a-f]{16}$/);
  assert.equal(first.already_known, false);
  assert.equal(second.already_known, true);
  assert.equal(second.id, first.id);
  assert.equal((await client.uploads()).models.length, 1);
  await client.removeFmu(first.id);
  assert.equal((await client.uploads()).models.length, 0);
});

test("errors are typed and say what to do", async () => {
  await assert.rejects(client.simulate({ fmu_id: "msl:BouncingBal" }), (error) => {
    assert.ok(error instanceof NotFoundError && error instanceof GatewayError);
    assert.equal(error.code, "unknown_model");
    assert.ok(error.remedy.length > 0);
    assert.ok(error.details.nearest.includes("msl:BouncingBall"));
    return true;
  });
  await assert.rejects(client.simulate({ ...BALL, stop_time: -1 }), InvalidRequestError);
  const stranger = new FMUGatewayClient({ key: "00000000-0000-4000-8000-000000000000" });
  await assert.rejects(stranger.account(), UnauthorizedError);
  await assert.rejects(new FMUGatewayClient({ gatewayUrl: NOWHERE }).health(), UnreachableError);
});

test("a key is made once and kept for its owner only", async () => {
  const keys = new FileKeys(folder);
  const first = await new FMUGatewayClient({ keys }).apiKey();
  const second = await new FMUGatewayClient({ keys }).apiKey();
  assert.equal(first, second);
  const file = keys.path(await new FMUGatewayClient().findUrl());
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("further keys are added and revoked", async () => {
  const added = await client.addKey("laptop");
  assert.ok((await client.keys()).some((key) => key.label === "laptop"));
  await client.revokeKey(added.key_id);
  await assert.rejects(new FMUGatewayClient({ key: added.key }).account(), UnauthorizedError);
});

test("a key is limited, and the limits are shown", async () => {
  const customer = new FMUGatewayClient({ gatewayUrl: PAID_GATEWAY_URL });
  const agent = await customer.addKey("agent", { per_day: 5 });
  const shown = (await customer.keys()).find((key) => key.key_id === agent.key_id);
  assert.deepEqual([shown.budget.per_day, shown.budget.left_today], [5, 5]);
  const changed = await customer.setBudget(agent.key_id, { per_run: 1.5 });
  assert.deepEqual([changed.budget.per_run, changed.budget.per_day], [1.5, null]);
  assert.equal((await customer.setAutoPay("credits")).auto_pay, "credits");
  assert.equal((await customer.account()).auto_pay, "credits");
});

test("a study, a comparison and a script", async () => {
  const parameters = { e: { values: [0.5, 0.9] } };
  const study = await client.runStudy({ base: { ...BALL, kpis: ["h_final"] }, parameters });
  const table = await client.studyTable(study.result_id, { columns: ["e"] });
  assert.deepEqual(table.columns, { e: [0.5, 0.9] });
  assert.equal(study.rows.length, 2);
  const run = await client.simulate(BALL);
  const same = await client.compare(run.result_id, { other_result_id: run.result_id });
  assert.equal(same.agree, true);
  assert.match(await client.script(run.result_id), /simulate_fmu/);
});

test("where runs are free, a quote says so", async () => {
  assert.equal((await client.quote(BALL)).amount, 0);
  assert.equal(await client.paymentRequirement(BALL), null);
});

test("where runs cost money, a run is refused with the ways to pay", async () => {
  const customer = new FMUGatewayClient({ gatewayUrl: PAID_GATEWAY_URL });
  await assert.rejects(customer.simulate(BALL), (error) => {
    assert.ok(error instanceof PaymentRequired);
    assert.ok(error.offers.some((offer) => offer.kind === "credits"));
    assert.equal(error.requirement.amount, 1);
    return true;
  });
  const { quote_id } = await customer.paymentRequirement(BALL);
  await assert.rejects(customer.pay({ quote_id, offer: "credits" }), GatewayError);
});

test("a result of another account, and a key of a request for another, are refused", async () => {
  const { result_id } = await client.simulate(BALL);
  const other = new FMUGatewayClient();
  await assert.rejects(other.result(result_id), NotFoundError);
  await client.simulate({ ...BALL, idempotency_key: "once" });
  const changed = { ...BALL, stop_time: 2, idempotency_key: "once" };
  await assert.rejects(client.simulate(changed), ConflictError);
});

test("half a file, ten megabytes and names in any script are told plainly", async () => {
  const file = await readFile(FMU_FILE);
  await assert.rejects(client.uploadFmu(file.subarray(0, file.length / 2)), InvalidRequestError);
  const large = { ...BALL, outputs: ["h".repeat(10 * 2 ** 20)] };
  await assert.rejects(client.simulate(large), (error) => {
    assert.ok(error instanceof InvalidRequestError);
    return JSON.stringify(error.details).length < 10_000;
  });
  await assert.rejects(client.simulate({ ...BALL, start_values: { 温度: 1 } }), (error) => {
    assert.deepEqual([error.code, error.details.name], ["unknown_variable", "温度"]);
    return error instanceof InvalidRequestError;
  });
});

test("a key that no header can carry is refused here", async () => {
  const strange = new FMUGatewayClient({ key: "ключ" });
  await assert.rejects(strange.account(), (error) => {
    assert.ok(error instanceof UnauthorizedError);
    return error.code === "invalid_key";
  });
});

test("a kept key that the gateway forgot is set aside, by one of many calls at once", async () => {
  const keys = new FileKeys(folder);
  const gateway = await client.findUrl();
  const kept = keys.path(gateway);
  await rm(kept, { force: true });
  await keys.keep(gateway, "00000000-0000-4000-8000-00000000000b");
  const returning = new FMUGatewayClient({ keys });
  const [one, two] = await Promise.all([returning.account(), returning.account()]);
  assert.equal(one.account_id, two.account_id);
  assert.match(await readFile(kept.replace(/json$/, "1.json"), "utf8"), /00000000b/);
});

test("a clock that is hours off changes nothing", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 36_000_000 });
  const customer = new FMUGatewayClient({ gatewayUrl: PAID_GATEWAY_URL });
  const { quote_id } = await customer.quote({ ...BALL, stop_time: 3.5 });
  const status = await customer.payAtCheckout(quote_id, { openPage: () => {}, waitMs: 1 });
  assert.equal(status.status, "pending");
});

/** A gateway that answers one call after another as it is told: [status, body, headers]. */
async function scripted(t, answers) {
  const heard = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const body = JSON.parse(Buffer.concat(chunks).toString() || "null");
    heard.push({ url: request.url, body, payment: request.headers["payment-signature"] });
    const [status, answer, headers = {}] = answers.shift();
    if (status === 0) return request.socket.destroy();
    const text = typeof answer === "string" ? answer : JSON.stringify(answer);
    response.writeHead(status, headers).end(text);
    if (headers["content-length"]) request.socket.destroySoon();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { heard, gatewayUrl: `http://127.0.0.1:${server.address().port}` };
}

const BUSY = [503, { code: "busy", message: "busy", details: {} }, { "retry-after": "0.01" }];

test("a run is asked for again under the same key while the gateway is busy or silent", async (t) => {
  const answers = [[200, { status: "ok" }], BUSY, [0], [502, "<html>"], [200, { result_id: "r" }]];
  const { heard, gatewayUrl } = await scripted(t, answers);
  const patient = new FMUGatewayClient({ gatewayUrl, key: "k" });
  await patient.health();
  assert.equal((await patient.simulate(BALL)).result_id, "r");
  const keys = heard.slice(1).map(({ body }) => body.idempotency_key);
  assert.equal(keys.length, 4);
  assert.equal(new Set(keys).size, 1);
});

test("what would be done twice is not sent again, and patience ends", async (t) => {
  const silence = [[200, { status: "ok" }], [0], BUSY];
  const { heard, gatewayUrl } = await scripted(t, silence);
  const impatient = new FMUGatewayClient({ gatewayUrl, key: "k", patienceMs: 1 });
  await impatient.health();
  await assert.rejects(impatient.addKey("x"), UnreachableError);
  await assert.rejects(impatient.simulate(BALL), BusyError);
  assert.equal(heard.length, 3);
});

test("a person is shown the page on which to pay", async () => {
  const customer = new FMUGatewayClient({ gatewayUrl: PAID_GATEWAY_URL });
  const { quote_id } = await customer.quote({ ...BALL, stop_time: 3.25 });
  const shown = [];
  const openPage = (url) => shown.push(url);
  const status = await customer.payAtCheckout(quote_id, { openPage, waitMs: 1 });
  assert.equal(status.status, "pending");
  assert.deepEqual(shown, [status.checkout_url]);
});

test("a run that finds no gateway is made by the local simulator, and says so", async () => {
  const trajectory = { time: Float64Array.of(0, 1), columns: {}, units: {}, events: [] };
  const lonely = new FMUGatewayClient({ gatewayUrl: NOWHERE });
  const outcome = await lonely.simulateWithFallback(BALL, () => trajectory);
  assert.equal(outcome.ran, "local");
  assert.match(outcome.why, /no gateway answers/);
  assert.equal((await client.simulateWithFallback(BALL)).ran, "gateway");
  const wrong = { fmu_id: "msl:Nothing" };
  await assert.rejects(client.simulateWithFallback(wrong, () => trajectory), NotFoundError);
});

test("what is no answer of a gateway is an error of its own", async (t) => {
  const pages = ["<html>Welcome</html>", '{"result_id": "res_', "[]", "null", ""];
  const { gatewayUrl } = await scripted(t, [...pages.map((page) => [200, page]), [404, "<html>"]]);
  const stranger = new FMUGatewayClient({ gatewayUrl, key: "k" });
  for (const status of [...pages.map(() => 200), 404])
    await assert.rejects(stranger.simulate(BALL), (error) => {
      assert.ok(error instanceof InvalidAnswerError);
      return error.status === status;
    });
});

test("an answer that breaks off is asked for again under the same key", async (t) => {
  const half = [200, '{"result_id"', { "content-length": 1000 }];
  const answers = [[200, { status: "ok" }], half, [200, { result_id: "r" }]];
  const { heard, gatewayUrl } = await scripted(t, answers);
  const patient = new FMUGatewayClient({ gatewayUrl, key: "k" });
  await patient.health();
  assert.equal((await patient.simulate(BALL)).result_id, "r");
  assert.equal(heard[1].body.idempotency_key, heard[2].body.idempotency_key);
});

test("a wallet signs what is required, and the payment goes along once", async (t) => {
  const required = { x402Version: 2, accepts: [] };
  const need = { code: "payment_required", message: "m", offers: [{ kind: "x402", data: required }] };
  const { heard, gatewayUrl } = await scripted(t, [[402, need], [200, { status: "paid" }]]);
  const customer = new FMUGatewayClient({ gatewayUrl, key: "k" });
  const sign = (wanted) => `signed ${wanted.x402Version}`;
  assert.equal((await customer.payByWallet("qt_1", sign)).status, "paid");
  assert.deepEqual(heard.map(({ payment }) => payment), [undefined, "signed 2"]);
});
