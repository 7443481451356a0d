"""What may come back over the wire, and what a program is told of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fmu_gateway_sdk.answers import Kpi, Quote, Variable
from fmu_gateway_sdk.exceptions import (
    BusyError,
    GatewayError,
    InvalidAnswerError,
    PaymentRequired,
    SimulationTimeoutError,
    UnreachableError,
)
from fmu_gateway_sdk.flows import add_key, health, simulate
from fmu_gateway_sdk.keys import KeyStore
from fmu_gateway_sdk.request import SimulateRequest
from fmu_gateway_sdk.session import LOCAL_GATEWAY, Session, find_gateway
from fmu_gateway_sdk.wire import Flow, Pause, Reply, Sent, error_of

PROBLEM = {"code": "busy", "message": "too much to do", "remedy": "Wait.", "details": {"queue": 9}}


def reply(status: int, body: object, retry_after: str | None = None) -> Reply:
    return Reply(status, json.dumps(body).encode(), retry_after)


def test_a_busy_gateway_says_how_long_to_wait() -> None:
    error = error_of(reply(429, PROBLEM, "7"))
    assert isinstance(error, BusyError)
    assert error.retry_after_s == 7
    assert error.details["queue"] == 9


@pytest.mark.parametrize(
    ("status", "kind"), [(504, SimulationTimeoutError), (500, GatewayError), (402, PaymentRequired)]
)
def test_a_problem_becomes_the_error_of_its_status(status: int, kind: type) -> None:
    error = error_of(reply(status, PROBLEM))
    assert type(error) is kind
    assert (error.code, error.status, error.remedy) == ("busy", status, "Wait.")


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[]", b"{}", b"\xff"])
def test_a_proxys_page_is_no_answer(body: bytes) -> None:
    assert isinstance(error_of(Reply(502, body, None)), InvalidAnswerError)
    with pytest.raises(InvalidAnswerError):
        Reply(200, body, None).read(Quote)


def test_an_answer_of_another_shape_names_the_field() -> None:
    with pytest.raises(InvalidAnswerError, match=r"Kpi\.value"):
        reply(200, {"value": "high", "unit": None}).read(Kpi)


def test_fields_of_a_newer_gateway_are_there_by_index() -> None:
    kpi = reply(200, {"value": 1, "unit": "m", "confidence": 0.9}).read(Kpi)
    assert kpi.value == 1.0
    assert kpi["confidence"] == 0.9
    assert dict(kpi) == {"value": 1, "unit": "m", "confidence": 0.9}


def test_enumerations_and_starts_keep_their_types() -> None:
    plain = {"name": "mode", "causality": "parameter", "variability": "fixed", "type": "x"}
    variable = Variable.parse({**plain, "start": True, "items": {"on": 1}})
    assert variable.start is True
    assert variable.enumeration == {"on": 1}
    assert Variable.parse({**plain, "start": [1, 2.5, "x"]}).start == [1, 2.5, "x"]


def find(environ: dict[str, str], answer: Reply | UnreachableError) -> str:
    """Where the flow ends up when this machine's port answers so."""
    flow: Flow[str] = find_gateway(environ)
    try:
        sent = next(flow)
        assert isinstance(sent, Sent)
        assert sent.url == f"{LOCAL_GATEWAY}/health"
        if isinstance(answer, Reply):
            flow.send(answer)
        else:
            flow.throw(answer)
    except StopIteration as end:
        return str(end.value)
    pytest.fail("one probe is enough")


SILENT = UnreachableError(LOCAL_GATEWAY, "refused")


def test_the_gateway_is_the_named_one_the_local_one_or_the_public_one() -> None:
    healthy, stranger = reply(200, {"status": "ok"}), reply(200, ["hello"])
    public = {"PUBLIC_GATEWAY_URL": "https://fmu.example/"}
    assert find(public, healthy) == LOCAL_GATEWAY
    assert find(public, SILENT) == "https://fmu.example"
    assert find(public, stranger) == "https://fmu.example"
    with pytest.raises(UnreachableError, match="refused"):
        find({}, SILENT)
    with pytest.raises(StopIteration, match=r"https://named\.example"):
        next(find_gateway({**public, "FMU_GATEWAY_URL": "https://named.example"}))


def test_the_key_that_was_kept_first_counts(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "deep" / "keys")
    assert store.find("https://a.example") is None
    assert store.keep("https://a.example", "first") == "first"
    assert store.keep("https://a.example", "second") == "first"
    assert store.path("https://a.example") != store.path("http://a.example")
    assert [p.name[0] for p in (tmp_path / "deep" / "keys").iterdir()] == ["a"]


def test_a_request_with_an_unknown_field_is_refused_here() -> None:
    with pytest.raises(ValueError, match=r"stoptime.*stop_time"):
        SimulateRequest.from_json({"fmu_id": "msl:BouncingBall", "stoptime": 3})


DONE = {"result_id": "res_1"}
BUSY = reply(503, PROBLEM, "2")
STILL_AT_IT = reply(409, {"code": "run_in_progress", "message": "m", "details": {}}, "1")
BROKEN = UnreachableError("http://gateway", "reset")


def talk(flow: Flow[object], *answers: Reply | UnreachableError) -> tuple[list[Sent], list[float]]:
    """What is sent until the last answer, which ends the talk, and the pauses in between [s]."""
    sent, pauses, left = [], [], list(answers)
    step = next(flow)
    try:
        while True:
            if isinstance(step, Pause):
                pauses.append(step.seconds)
                step = flow.send(reply(0, {}))
                continue
            sent.append(step)
            answer = left.pop(0)
            step = flow.send(answer) if isinstance(answer, Reply) else flow.throw(answer)
    except (StopIteration, GatewayError, InvalidAnswerError):
        assert not left
        return sent, pauses


@pytest.fixture
def known(tmp_path: Path) -> Session:
    """A gateway that has answered before."""
    session = Session("http://gateway", "key", KeyStore(tmp_path / "keys"), None, patience_s=10)
    talk(health(session), reply(200, {"status": "ok", "version": "1"}))
    return session


@pytest.mark.parametrize("trouble", [BUSY, STILL_AT_IT, BROKEN, Reply(502, b"<html>", None)])
def test_a_run_is_asked_for_again_under_the_same_key(
    known: Session, trouble: Reply | UnreachableError
) -> None:
    sent, pauses = talk(simulate(known, {"fmu_id": "m"}), trouble, trouble, reply(200, DONE))
    keys = [one.call.body["idempotency_key"] for one in sent if one.call.body]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(pauses) == 2


def test_a_key_of_ones_own_is_kept_and_another_run_gets_another(known: Session) -> None:
    mine, _ = talk(simulate(known, {"fmu_id": "m", "idempotency_key": "k"}), reply(200, DONE))
    first, _ = talk(simulate(known, {"fmu_id": "m"}), reply(200, DONE))
    other, _ = talk(simulate(known, {"fmu_id": "m"}), reply(200, DONE))
    keys = [one.call.body["idempotency_key"] for (one,) in (mine, first, other) if one.call.body]
    assert keys[0] == "k"
    assert len(set(keys)) == 3


def test_the_gateway_says_how_long_to_wait_and_patience_ends(known: Session) -> None:
    sent, pauses = talk(simulate(known, {"fmu_id": "m"}), *[BUSY] * 5)
    assert all(2 <= pause <= 2.5 for pause in pauses)
    assert sum(pauses) <= 10
    assert (len(sent), len(pauses)) == (5, 4)


def test_pauses_grow_while_a_gateway_is_silent(known: Session) -> None:
    _, pauses = talk(health(known), BROKEN, BROKEN, BROKEN, reply(200, {"status": "ok"}))
    assert 0.25 <= pauses[0] <= 0.32
    assert 0.5 <= pauses[1] <= 0.63
    assert 1.0 <= pauses[2] <= 1.25


def test_what_would_be_done_twice_or_was_refused_is_not_sent_again(known: Session) -> None:
    assert len(talk(add_key(known), BROKEN)[0]) == 1
    assert len(talk(simulate(known, {"fmu_id": "m"}), reply(422, PROBLEM))[0]) == 1
    assert len(talk(simulate(known, {"fmu_id": "m"}), reply(402, PROBLEM))[0]) == 1


def test_a_gateway_that_never_answered_is_not_waited_for(tmp_path: Path) -> None:
    session = Session("http://gateway", "key", KeyStore(tmp_path / "keys"), None)
    assert talk(simulate(session, {"fmu_id": "m"}), BROKEN)[1] == []
