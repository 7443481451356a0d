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
from fmu_gateway_sdk.keys import KeyStore
from fmu_gateway_sdk.request import SimulateRequest
from fmu_gateway_sdk.session import LOCAL_GATEWAY, find_gateway
from fmu_gateway_sdk.wire import Flow, Reply, error_of

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
