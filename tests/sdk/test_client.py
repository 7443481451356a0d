"""The clients against a real gateway."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import io
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import Running

from fmu_gateway_sdk import (
    AsyncFMUGatewayClient,
    Bar,
    ConflictError,
    FMUGatewayClient,
    InputSignal,
    InvalidRequestError,
    KeyStore,
    NotFoundError,
    PaymentRequired,
    UnauthorizedError,
    UnreachableError,
    flows,
)
from fmu_gateway_sdk.enhanced_client import EnhancedFMUGatewayClient, SimulateRequest
from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_tools.simulate import SimulateInput

BALL = SimulateRequest(fmu_id="msl:BouncingBall", stop_time=3.0, kpis=["h_max", "v_rms"])


def test_a_run_answers_key_figures_typed_and_by_index(client: FMUGatewayClient) -> None:
    answer = client.simulate(BALL)
    assert answer.kpis["h_max"].value == answer["kpis"]["h_max"]["value"] == 1.0
    assert answer.outputs["h"].unit == answer["outputs"]["h"]["unit"] == "m"
    assert answer.status == "done"


def test_a_result_comes_as_arrays_csv_plot_and_parquet(client: FMUGatewayClient) -> None:
    result_id = client.simulate(BALL).result_id
    whole = client.result(result_id)
    assert whole.time.dtype == whole["h"].dtype == np.float64
    assert whole.names == ("h", "v")
    assert whole.time[-1] == 3.0
    assert (np.diff(whole.time) >= 0).all()
    rows = np.loadtxt(client.csv(result_id).decode().splitlines()[1:], delimiter=",")
    assert np.array_equal(rows, np.column_stack([whole.time, whole["h"], whole["v"]]))
    window = client.result(result_id, variables=["v"], from_time=1.0, to_time=2.0, points=20)
    assert window.names == ("v",)
    assert window.time[0] >= 1.0
    assert len(window.time) <= 20
    assert client.plot(result_id, variables=["h"]).startswith(b"\x89PNG")
    assert client.parquet(result_id).startswith(b"PAR1")


def test_a_file_is_sent_only_once(client: FMUGatewayClient, fmu_file: Path) -> None:
    first = client.upload_fmu_smart(fmu_file)
    sent = client.uploads().models
    second = client.upload_fmu_smart(str(fmu_file))
    assert (first.already_known, second.already_known) == (False, True)
    assert first["id"] == first.id == second.id
    assert [model.id for model in client.uploads().models] == [model.id for model in sent]
    client.remove_fmu(first.id)
    assert client.uploads().models == ()


def test_a_request_with_a_file_uploads_it(client: FMUGatewayClient, fmu_file: Path) -> None:
    answer = client.simulate(SimulateRequest(fmu_path=fmu_file, stop_time=1.0))
    assert answer.fmu_id == client.uploads().models[0].id


def test_models_are_found_and_described(client: FMUGatewayClient) -> None:
    found = client.library("bouncing ball", limit=1)
    model = client.describe(found.models[0].id)
    assert model.model_name == "BouncingBall"
    assert client.simulate(model.example_request).status == "done"
    page = client.variables(model.id, causality="parameter", limit=1)
    assert [v.causality for v in page.variables] == ["parameter"]


def test_refusals_are_typed_and_say_what_to_do(client: FMUGatewayClient) -> None:
    with pytest.raises(NotFoundError) as unknown:
        client.simulate(SimulateRequest(fmu_id="msl:BouncingBal"))
    assert unknown.value.code == "unknown_model"
    assert "msl:BouncingBall" in unknown.value.details["nearest"]
    assert unknown.value.remedy in str(unknown.value)
    with pytest.raises(InvalidRequestError) as misspelt:
        client.simulate(SimulateRequest(fmu_id="msl:BouncingBall", outputs=["hh"]))
    assert misspelt.value.code == "unknown_variable"
    signal = InputSignal("h", np.array([0.0, 1.0]), [0.0, 1.0])
    with pytest.raises(InvalidRequestError):
        client.simulate(SimulateRequest(fmu_id="msl:BouncingBall", input_signals=[signal]))


def test_a_key_is_made_once_and_kept_for_its_owner_only(
    free_gateway: Running, keys: KeyStore
) -> None:
    first, second = (FMUGatewayClient(free_gateway.url, keys=keys) for _ in range(2))
    with first, second:
        assert first.api_key() == second.api_key()
    assert keys.path(free_gateway.url).stat().st_mode & 0o777 == 0o600


def test_a_kept_key_that_the_gateway_forgot_is_set_aside(
    free_gateway: Running, keys: KeyStore
) -> None:
    keys.keep(free_gateway.url, "00000000-0000-4000-8000-000000000000")
    with FMUGatewayClient(free_gateway.url, keys=keys) as client:
        assert client.account().account_id
        assert client.api_key() != "00000000-0000-4000-8000-000000000000"
    path = keys.path(free_gateway.url)
    assert "00000000" in path.with_suffix(".1.json").read_text(encoding="utf-8")


def test_a_given_key_is_never_replaced(free_gateway: Running, keys: KeyStore) -> None:
    with (
        FMUGatewayClient(free_gateway.url, "00000000-0000-4000-8000-00000000000a", keys=keys) as c,
        pytest.raises(UnauthorizedError),
    ):
        c.account()


def test_keys_are_added_and_revoked(client: FMUGatewayClient, free_gateway: Running) -> None:
    added = client.add_key("laptop")
    assert added.key not in repr(added)
    kept = client.keys()
    assert "laptop" in [key.label for key in kept]
    client.revoke_key(added["key_id"])
    with (
        FMUGatewayClient(free_gateway.url, added.key) as revoked,
        pytest.raises(UnauthorizedError),
    ):
        revoked.account()


def test_a_key_is_limited_and_the_limits_are_shown(customer: FMUGatewayClient) -> None:
    agent = customer.add_key("agent", {"per_day": 5, "offers": ["credits"]})
    assert agent.key_id
    shown = customer.keys()
    (budget,) = [key.budget for key in shown if key.key_id == agent.key_id]
    assert budget
    assert (budget.per_day, budget.left_today, budget.offers) == (5.0, 5.0, ("credits",))
    changed = customer.set_budget(agent.key_id, per_run=1.5)
    assert changed.budget
    assert (changed.budget.per_run, changed.budget.per_day) == (1.5, None)
    assert customer.set_auto_pay("credits").auto_pay == "credits"
    account = customer.account()
    assert (account.auto_pay, account.linked, account.budget) == ("credits", False, None)
    assert customer.set_budget(agent.key_id).budget is None
    assert customer.set_auto_pay(None).auto_pay is None


def test_where_runs_are_free_a_quote_says_so(client: FMUGatewayClient) -> None:
    quote = client.quote(dataclasses.replace(BALL, points=10, reuse=True))
    assert quote.amount == 0
    assert quote.offers == ()
    assert client.payment_requirement(BALL) is None


def test_a_run_that_costs_is_refused_with_the_ways_to_pay(customer: FMUGatewayClient) -> None:
    with pytest.raises(PaymentRequired) as refusal:
        customer.simulate(BALL)
    requirement = refusal.value.requirement
    assert (requirement.amount, requirement.currency) == (1.0, "usd")
    assert {offer.kind for offer in refusal.value.offers} >= {"stripe_checkout", "credits"}
    assert requirement.checkout_url == requirement["checkout_url"]
    pending = customer.payment(requirement.session_id or "")
    assert pending.status == "pending"


def test_credits_pay_for_one_run(customer: FMUGatewayClient, paid_gateway: Running) -> None:
    database, now = paid_gateway.embedded.gateway.database, datetime.now(UTC)
    key = customer.api_key()
    with database.write() as db:
        caller = find_caller(db, key)
        assert caller
        grant_credits(db, caller.account_id, "sdk test", from_minor(200, "usd"), now)
    requirement = customer.payment_requirement(BALL)
    assert requirement
    status = customer.pay(quote_id=requirement.quote_id, offer="credits")
    assert status.status == "paid"
    assert status.payment_token
    assert status.payment_token not in repr(status)
    paid = SimulateRequest(payment_token=status.payment_token)
    assert customer.simulate(paid).kpis["h_max"].value == 1.0
    with pytest.raises(ConflictError):
        customer.simulate(paid)
    assert customer.account().balance.amount == 1.0
    assert customer.usage().usage[0].offer == "credits"


def test_the_asynchronous_client_runs_at_once(free_gateway: Running, keys: KeyStore) -> None:
    async def several() -> list[float]:
        async with AsyncFMUGatewayClient(free_gateway.url, keys=keys) as client:
            requests = [dataclasses.replace(BALL, start_values={"e": e}) for e in (0.5, 0.6)]
            runs = await asyncio.gather(*(client.simulate(request) for request in requests))
            outcome = await client.simulate_with_fallback(BALL)
            assert outcome.ran == "gateway"
            return [run.kpis["v_rms"].value or 0.0 for run in runs]

    assert len(set(asyncio.run(several()))) == 2


def test_both_clients_have_the_same_surface() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        public = inspect.getmembers(kind, inspect.isfunction)
        return {n: list(inspect.signature(m).parameters) for n, m in public if n[0] != "_"}

    assert surface(FMUGatewayClient).keys() == surface(AsyncFMUGatewayClient).keys()
    assert surface(FMUGatewayClient) == surface(AsyncFMUGatewayClient)


def test_a_study_a_comparison_and_a_script(client: FMUGatewayClient) -> None:
    base = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0, "kpis": ["h_final"]}
    asked = {"base": base, "parameters": {"e": {"values": [0.5, 0.9]}}}
    assert client.quote(asked).amount == 0
    study = client.run_study(asked)
    assert study.best is not None
    assert study.best.parameters["e"] in {0.5, 0.9}
    table = client.study_table(study.result_id)
    assert table.columns["e"] == [0.5, 0.9]
    assert [float(f"{v:.6g}") for v in table.columns["h_final"]] == [row[1] for row in study.rows]
    one, other = (client.simulate({**base, "start_values": {"e": e}}) for e in (0.5, 0.9))
    apart = client.compare(one.result_id, other.result_id, variables=["h"])
    assert not apart.agree
    assert apart.variables["h"].parts is not None
    text = client.csv(one.result_id).decode()
    assert client.compare(one.result_id, csv=text).agree
    assert b"simulate_fmu" in client.script(one.result_id)


def test_a_request_has_the_gateways_fields() -> None:
    ours = {field.name for field in dataclasses.fields(SimulateRequest)} - {"fmu_path"}
    assert ours == set(SimulateInput.model_fields) - {"quote_only"}


def test_auto_takes_the_named_gateway(
    free_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMU_GATEWAY_URL", free_gateway.url + "/")
    with EnhancedFMUGatewayClient(gateway_url="auto") as client:
        assert client.find_url() == free_gateway.url
        assert client.health().status == "ok"


def test_a_gateway_that_is_not_there_is_named() -> None:
    with (
        FMUGatewayClient("http://127.0.0.1:1") as client,
        pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1\b"),
    ):
        client.library()


def test_every_call_carries_the_key_in_its_header(client: FMUGatewayClient) -> None:
    url, key = client.find_url(), client.api_key()
    assert httpx.get(f"{url}/account", headers={"Authorization": f"Bearer {key}"}).is_success


def test_an_upload_tells_how_far_it_is(client: FMUGatewayClient, fmu_file: Path) -> None:
    told: list[tuple[int, int]] = []
    client.upload_fmu(fmu_file, progress=lambda *step: told.append(step))
    size = fmu_file.stat().st_size
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    line = io.StringIO()
    client.upload_fmu(fmu_file, progress=Bar(line))
    assert line.getvalue().endswith(f"{'#' * 30} {size / 1e6:.1f} of {size / 1e6:.1f} MB\n")


def test_a_result_comes_as_a_data_frame_and_as_an_arrow_table(client: FMUGatewayClient) -> None:
    trajectory = client.result(client.simulate(BALL).result_id)
    frame, table = trajectory.to_pandas(), trajectory.to_arrow()
    assert frame.index.name == "time"
    assert frame["h"].to_numpy().tolist() == trajectory["h"].tolist()
    assert frame.attrs["units"] == {"h": "m", "v": "m/s"}
    assert table.column_names == ["time", "h", "v"]
    assert table.schema.field("v").metadata == {b"unit": b"m/s"}
    assert table["time"].to_pylist() == trajectory.time.tolist()


def test_a_person_pays_at_checkout_while_the_program_waits(
    customer: FMUGatewayClient, paid_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "_LOOK_AGAIN_S", 0.1)
    quote = customer.quote(BALL)
    shown: list[str] = []
    waiting = customer.pay_at_checkout(quote.quote_id, open_page=shown.append, wait_s=0.3)
    assert waiting.status == "pending"
    assert shown == [waiting.checkout_url]

    def person(url: str) -> None:
        shown.append(url)
        assert paid_gateway.stripe
        assert waiting.session_id
        paid_gateway.stripe.complete(waiting.session_id)

    paid = customer.pay_at_checkout(quote.quote_id, open_page=person)
    assert (paid.status, shown[1]) == ("paid", shown[0])
    answer = customer.simulate({"payment_token": paid.payment_token})
    assert answer.kpis["h_max"].value == 1.0
