"""The page on which a person lets a program in, and who would rather answer in their place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from conftest import Running
from doors.credit import give_credits
from oauth.conftest import Later
from oauth.program import Program, fields, told


def labels(gateway: Running, key: str) -> list[str]:
    """The keys that the account has."""
    headers = {"Authorization": f"Bearer {key}"}
    listed = httpx.get(f"{gateway.url}/account/keys", headers=headers).json()["keys"]
    return [one["label"] for one in listed]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('"><img src=x onerror=alert(1)>', "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("two\nlines\u202eesrever", "two linesesrever"),
        ("x" * 500, "x" * 79 + "…"),
        ("", "A program without a name"),
    ],
)
def test_a_programs_name_is_text_and_nothing_else(
    free_gateway: Running, name: str, shown: str
) -> None:
    page = Program(free_gateway.url, name=name).page().text
    assert f"calls itself <strong>{shown}</strong>" in page
    assert "<script" not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("uri", "where", "source"),
    [
        ("http://127.0.0.1:4711/cb", "a program on this computer", "http://127.0.0.1:4711"),
        ("http://[::1]:4711/cb", "a program on this computer", "http:"),
        ("https://chat.example/cb?a=<b>", "the website chat.example", "https://chat.example"),
        ("cursor://host/cb", "the program on this computer that opens cursor:", "cursor:"),
    ],
)
def test_the_page_says_where_it_leads_and_lets_the_form_go_nowhere_else(
    free_gateway: Running, uri: str, where: str, source: str
) -> None:
    page = Program(free_gateway.url, redirect_uris=(uri,)).page()
    assert where in page.text
    assert "<b>" not in page.text
    assert f"form-action 'self' {source}" == _policy(page)[-1]


def test_the_page_runs_no_script_and_nobody_can_frame_it(program: Program) -> None:
    page = program.page()
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(_policy(page))
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"


def _policy(page: httpx.Response) -> list[str]:
    return page.headers["Content-Security-Policy"].split("; ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_other_page_can_answer(
    free_gateway: Running, program: Program, key: str, headers: dict[str, str]
) -> None:
    answer = program.decide("allow", key, headers)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert labels(free_gateway, key) == ["first"]


def test_our_own_page_can(program: Program, key: str) -> None:
    headers = {"Origin": program.url, "Sec-Fetch-Site": "same-origin"}
    assert "code" in told(program.decide("allow", key, headers))


def test_a_wrong_key_lets_nobody_in_and_all_wrong_keys_are_told_alike(
    free_gateway: Running, program: Program, key: str
) -> None:
    with httpx.Client(
        base_url=free_gateway.url, headers={"Authorization": f"Bearer {key}"}
    ) as http:
        revoked = http.post("/account/keys", json={}).json()
        http.delete(f"/account/keys/{revoked['key_id']}")
    wrong = [
        "",
        "no",
        "\x00",
        "é" * 36,
        "0" * 36,
        revoked["key"],
        program.tokens(key)["access_token"],
    ]
    pages = [program.decide("allow", one) for one in wrong]
    assert [page.status_code for page in pages] == [422] * len(wrong)
    complaints = {page.text.partition('role="alert">')[2].partition("</p>")[0] for page in pages}
    assert complaints == {"<strong>That is no key of an account here.</strong>"}
    assert all(one not in page.text for one, page in zip(wrong[4:], pages[4:], strict=True))


def test_a_key_with_a_budget_lets_nobody_in(
    free_gateway: Running, program: Program, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    body = {"label": "agent", "budget": {"per_day": 1}}
    limited = httpx.post(f"{free_gateway.url}/account/keys", json=body, headers=headers).json()
    assert "has a budget" in program.decide("allow", limited["key"]).text
    assert labels(free_gateway, key) == ["first", "agent"]


def test_a_person_who_denies_leaves_nothing_behind(
    free_gateway: Running, program: Program, key: str
) -> None:
    answer = told(program.decide("deny", key))
    assert answer == {"error": "access_denied", "state": "st", "iss": free_gateway.url}
    assert labels(free_gateway, key) == ["first"]


def test_the_answer_repeats_nothing_of_the_form(program: Program, key: str) -> None:
    answer = program.decide("allow", key)
    assert answer.status_code == 303, "a browser would post the key on after a 307"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert key not in answer.headers["location"]


def test_a_new_account_gets_its_key_on_the_page_and_keeps_it_when_something_is_wrong(
    paid_gateway: Running,
) -> None:
    program = Program(paid_gateway.url)
    given = fields(program.decide("account").text)
    wrong = program.http.post("/sign-in", data={**given, "decision": "allow", "per_day": "a lot"})
    assert wrong.status_code == 422
    assert fields(wrong.text)["key"] == given["key"]
    told(program.http.post("/sign-in", data={**given, "decision": "allow"}))
    assert labels(paid_gateway, given["key"]) == ["first", "Test program (OAuth)"]


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "1e99", "x"])
def test_an_amount_that_is_none_is_told(paid_gateway: Running, amount: str) -> None:
    key = paid_gateway.account().key
    page = Program(paid_gateway.url).decide("allow", key, per_day=amount)
    assert "must be a number" in page.text
    assert labels(paid_gateway, key) == ["first"]


def test_a_program_spends_no_more_by_itself_than_the_person_allowed(paid_gateway: Running) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 500)
    with paid_gateway.http(where) as http:
        http.put("/account/budget", json={"auto_pay": "credits"})
    program = Program(paid_gateway.url)
    answers = [
        _simulates(program, program.tokens(where.key, per_day=most)) for most in ("0.5", "1")
    ]
    assert [answer.get("code", answer.get("status")) for answer in answers] == [
        "budget_exceeded",
        "done",
    ]


def _simulates(program: Program, tokens: dict[str, Any]) -> dict[str, Any]:
    arguments = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
    answer = program.calls(tokens["access_token"], "simulate", arguments)
    result: dict[str, Any] = answer["result"]["structuredContent"]
    return result


@pytest.mark.parametrize("sealed", ["", "x", "e30.e30.x", "eyJhbGciOiJub25lIn0.e30."])
def test_an_address_that_we_didnt_give_out_leads_nowhere(program: Program, sealed: str) -> None:
    shown = program.http.get("/sign-in", params={"request": sealed})
    answered = program.http.post("/sign-in", data={"request": sealed, "decision": "deny"})
    assert [shown.status_code, answered.status_code] == [400, 400]


def test_another_gateways_request_is_no_request_here(
    later: Later, program: Program, key: str
) -> None:
    form = fields(later.program().page().text)
    answer = program.http.post("/sign-in", data={**form, "key": key, "decision": "allow"})
    assert answer.status_code == 400


def test_a_page_can_be_answered_for_a_quarter_of_an_hour(later: Later, key: str) -> None:
    program = later.program()
    form = {**fields(program.page().text), "key": key, "decision": "allow"}
    later.passed = timedelta(minutes=14)
    told(program.http.post("/sign-in", data=form))
    later.passed = timedelta(minutes=15)
    assert "too old" in program.http.post("/sign-in", data=form).text
