"""OAuth's endpoints: what a client may do, and what whoever has stolen something can't."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from conftest import Running
from oauth.conftest import Later
from oauth.program import REDIRECT, VERIFIER, Program, challenge, fields, told

STRANGE = [
    "javascript:alert(1)",
    "JavaScript://x/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "http://evil.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://127.0.0.1@evil.example/cb",
    "https://chat.example@evil.example/cb",
    "https://chat.example/cb#fragment",
    "https://chat.example/" + "x" * 1000,
    "mailto:someone",
]


def test_a_401_leads_to_the_metadata_and_that_to_the_endpoints(free_gateway: Running) -> None:
    url = free_gateway.url
    refused = httpx.post(f"{url}/mcp", json={})
    where = f"{url}/.well-known/oauth-protected-resource/mcp"
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{where}", scope="mcp"'
    resource = httpx.get(where).json()
    assert resource["resource"] == f"{url}/mcp"
    assert resource["authorization_servers"] == [url]
    server = httpx.get(f"{url}/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == url
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization", "token", "registration", "revocation"):
        assert server[f"{name}_endpoint"].startswith(f"{url}/")


@pytest.mark.parametrize("token", ["fga_no", "fga_" + "é" * 10, "no key", "fga_" + "x" * 10_000])
def test_a_token_that_nobody_has_is_told_as_the_standard_says(
    free_gateway: Running, token: str
) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    refused = httpx.post(f"{free_gateway.url}/mcp", json={}, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", resource_')


# registration


@pytest.mark.parametrize("uri", STRANGE)
def test_a_client_cant_register_an_address_that_codes_mustnt_go_to(
    program: Program, uri: str
) -> None:
    for uris in ([uri], [REDIRECT, uri]):
        answer = program.register(redirect_uris=uris)
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.parametrize(
    "body",
    [
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"redirect_uris": [REDIRECT] * 11},
        {"redirect_uris": "no list"},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
def test_a_registration_that_we_cant_serve_is_refused(
    program: Program, body: dict[str, Any]
) -> None:
    assert program.register(**body).status_code == 400


def test_a_registration_keeps_what_we_use_and_says_so(program: Program) -> None:
    known = program.register(scope="everything", contacts=["a@b.example"], software_id="x").json()
    assert known["scope"] == "mcp"
    assert not {"contacts", "software_id"} & set(known)


def test_a_large_registration_is_refused(program: Program) -> None:
    assert program.register(software_id="x" * 70_000).status_code == 413


# authorization


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (REDIRECT, "http://127.0.0.1:4711/callback"),
        ("http://localhost:1/cb", "http://localhost:2/cb"),
        ("http://[::1]/cb", "http://[::1]:4711/cb"),
        ("http://127.0.0.1:4711", "http://127.0.0.1:4712/"),
        ("https://chat.example/cb?a=b", "https://chat.example/cb?a=b"),
        ("cursor://anysphere.cursor-retrieval/cb", "cursor://anysphere.cursor-retrieval/cb"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
def test_a_registered_address_gets_the_code_at_any_port_of_the_same_machine(
    free_gateway: Running, key: str, registered: str, asked: str
) -> None:
    program = Program(free_gateway.url, redirect_uris=(registered,))
    program.redirect_uris = (asked,)
    answer = program.decide("allow", key)
    assert answer.headers["location"].startswith(f"{asked}{'&' if '?' in asked else '?'}code=fgc_")
    assert program.exchange(told(answer)["code"]).status_code == 200


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (REDIRECT, "http://127.0.0.1/other"),
        (REDIRECT, "http://127.0.0.1/callback?more=1"),
        (REDIRECT, "http://localhost/callback"),
        (REDIRECT, "http://user@127.0.0.1/callback"),
        (REDIRECT, "https://127.0.0.1/callback"),
        ("https://chat.example/cb", "https://chat.example:444/cb"),
        ("https://chat.example/cb", "https://chat.example/cb/../evil"),
        ("https://chat.example/cb", "https://evil.example/cb"),
        ("https://chat.example/cb", "//evil.example"),
    ],
)
def test_an_address_that_isnt_registered_is_never_sent_to(
    free_gateway: Running, registered: str, asked: str
) -> None:
    program = Program(free_gateway.url, redirect_uris=(registered,))
    answer = program.authorize(redirect_uri=asked)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_an_unknown_client_is_told_on_a_page(program: Program) -> None:
    answer = program.authorize(client_id="<script>")
    assert answer.status_code == 400
    assert "<script>" not in answer.text
    assert "made a mistake" in answer.text


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"scope": "mcp admin"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_a_wrong_request_is_told_to_its_client_by_name(
    program: Program, wrong: dict[str, str | None], error: str
) -> None:
    answer = told(program.authorize(**wrong))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "st", program.url)


def test_a_state_of_any_length_isnt_carried_along(program: Program) -> None:
    assert told(program.authorize(state="x" * 2001))["error"] == "invalid_request"


def test_a_client_that_names_nothing_gets_what_there_is(program: Program, key: str) -> None:
    page = program.page(resource=None, scope=None, redirect_uri=None, state=None)
    form = {**fields(page.text), "key": key, "decision": "allow"}
    answer = program.http.post("/sign-in", data=form)
    assert answer.headers["location"].startswith(f"{REDIRECT}?code=")
    assert set(told(answer)) == {"code", "iss"}
    asked = {
        "grant_type": "authorization_code",
        "client_id": program.client_id,
        "code": told(answer)["code"],
        "code_verifier": VERIFIER,
    }
    tokens = program.http.post("/token", data=asked).json()
    assert tokens["scope"] == "mcp"
    assert program.gets_in(tokens["access_token"])


# codes


def test_a_code_sent_twice_ends_the_grant(program: Program, key: str) -> None:
    code = program.code(key)
    access = program.exchange(code).json()["access_token"]
    assert program.gets_in(access)
    assert program.exchange(code).json()["error"] == "invalid_grant"
    assert not program.gets_in(access), "whoever was first may have stolen it"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": challenge()}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1/other"}, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"code": "fgc_no"}, "invalid_grant"),
    ],
)
def test_a_stolen_code_is_worth_nothing_and_stays_good_for_its_client(
    program: Program, key: str, wrong: dict[str, str], error: str
) -> None:
    code = program.code(key)
    assert program.exchange(**{"code": code, **wrong}).json()["error"] == error
    assert program.exchange(code).status_code == 200


def test_a_code_is_its_own_clients(free_gateway: Running, program: Program, key: str) -> None:
    code = program.code(key)
    assert Program(free_gateway.url).exchange(code).json()["error"] == "invalid_grant"
    assert program.exchange(code).status_code == 200


def test_a_code_lasts_a_minute(later: Later, key: str) -> None:
    program = later.program()
    code, fresh = program.code(key), program.code(key)
    later.passed = timedelta(seconds=59)
    assert program.exchange(fresh).status_code == 200
    later.passed = timedelta(seconds=60)
    assert program.exchange(code).json()["error"] == "invalid_grant"


# tokens


def test_a_refresh_token_gives_new_tokens_once_and_a_second_try_ends_the_grant(
    program: Program, key: str
) -> None:
    first = program.tokens(key)
    second = program.refresh(first["refresh_token"]).json()
    assert program.gets_in(second["access_token"])
    assert program.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert not program.gets_in(second["access_token"])
    assert program.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"scope": "mcp admin"}, "invalid_scope"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
    ],
)
def test_a_refresh_asks_for_no_more_than_was_granted(
    program: Program, key: str, wrong: dict[str, str], error: str
) -> None:
    token = program.tokens(key)["refresh_token"]
    assert program.refresh(token, **wrong).json()["error"] == error
    assert program.refresh(token, scope="mcp").status_code == 200


def test_a_refresh_token_is_its_own_clients(
    free_gateway: Running, program: Program, key: str
) -> None:
    token = program.tokens(key)["refresh_token"]
    assert Program(free_gateway.url).refresh(token).json()["error"] == "invalid_grant"
    assert program.refresh(token).status_code == 200


def test_a_code_is_no_token_nor_the_one_token_the_other(program: Program, key: str) -> None:
    code = program.code(key)
    tokens = program.exchange(code).json()
    assert not any(map(program.gets_in, (code, tokens["refresh_token"])))
    assert program.refresh(tokens["access_token"]).json()["error"] == "invalid_grant"
    assert program.exchange(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_tokens_end_by_the_clock(later: Later, key: str) -> None:
    program = later.program()
    tokens = program.tokens(key)
    later.passed = timedelta(minutes=59)
    assert later.gets_in(tokens["access_token"])
    later.passed = timedelta(hours=1)
    assert not later.gets_in(tokens["access_token"])
    later.passed = timedelta(days=29)
    fresh = program.refresh(tokens["refresh_token"]).json()
    assert later.gets_in(fresh["access_token"])
    later.passed = timedelta(days=59)
    assert program.refresh(fresh["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_client_revokes_what_it_was_granted_by_either_token(
    program: Program, key: str, kind: str
) -> None:
    tokens = program.tokens(key)
    assert program.revoke(tokens[kind]).status_code == 200
    assert not program.gets_in(tokens["access_token"])
    assert program.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_nobody_revokes_what_is_another_clients(
    free_gateway: Running, program: Program, key: str
) -> None:
    tokens = program.tokens(key)
    stranger = Program(free_gateway.url)
    for token in (*tokens.values(), "no token"):
        assert stranger.revoke(str(token)).status_code == 200, "RFC 7009 tells nobody"
    assert program.gets_in(tokens["access_token"])


def test_a_revocation_says_whose_and_what(program: Program) -> None:
    for given, status in (({"token": "x"}, 401), (program.identity, 400)):
        assert program.http.post("/revoke", data=given).status_code == status


def test_a_person_revokes_a_program_among_the_accounts_keys(program: Program, key: str) -> None:
    tokens = program.tokens(key)
    with httpx.Client(base_url=program.url, headers={"Authorization": f"Bearer {key}"}) as http:
        own, granted = http.get("/account/keys").json()["keys"]
        assert granted["label"] == "Test program (OAuth)"
        refused = http.delete(f"/account/keys/{own['key_id']}")
        assert refused.json()["code"] == "last_unlimited_key", "nobody could end the program's"
        assert http.delete(f"/account/keys/{granted['key_id']}").status_code == 204
    assert not program.gets_in(tokens["access_token"])
    assert program.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_client_that_takes_no_refresh_tokens_gets_none(program: Program, key: str) -> None:
    once = Program(program.url)
    once.registration = once.register(grant_types=["authorization_code"]).json()
    assert set(once.tokens(key)) == {"access_token", "token_type", "expires_in", "scope"}


# audience


def test_a_token_is_good_at_mcp_and_nowhere_else(program: Program, key: str) -> None:
    headers = {"Authorization": f"Bearer {program.tokens(key)['access_token']}"}
    for method, path in (
        ("GET", "/account"),
        ("GET", "/account/keys"),
        ("POST", "/account/keys"),
        ("POST", "/simulate"),
        ("POST", "/a2a/"),
    ):
        refused = httpx.request(method, f"{program.url}{path}", headers=headers)
        assert refused.status_code == 401, path
        assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_for_another_gateway_isnt_taken(later: Later, key: str) -> None:
    token = later.program().tokens(key)["access_token"]
    assert later.gets_in(token)
    later.url = "https://other.example"
    assert not later.gets_in(token)


# clients with a secret


def test_a_client_with_a_secret_has_to_show_it(free_gateway: Running, key: str) -> None:
    program = Program(free_gateway.url, auth_method="client_secret_post")
    token = program.tokens(key)["refresh_token"]
    for wrong in ({"client_secret": "0" * 64}, {"client_secret": ""}):
        assert program.refresh(token, **wrong).status_code == 401
        form = {**program.identity, **wrong, "token": token}
        assert program.http.post("/revoke", data=form).status_code == 401
    assert program.refresh(token).status_code == 200


def test_a_client_shows_its_secret_in_a_header(free_gateway: Running, key: str) -> None:
    program = Program(free_gateway.url, auth_method="client_secret_basic")
    code = program.code(key)
    identity = program.identity
    program.registration = {"client_id": identity["client_id"]}
    assert program.exchange(code).status_code == 401
    program.http.auth = (identity["client_id"], identity["client_secret"])
    assert program.exchange(code).status_code == 200


def test_nothing_that_opens_anything_is_in_the_database(free_gateway: Running, key: str) -> None:
    program = Program(free_gateway.url, auth_method="client_secret_post")
    code = program.code(key)
    tokens = program.exchange(code).json()
    kept = b"".join(
        path.read_bytes()
        for path in free_gateway.database.parent.glob(f"{free_gateway.database.name}*")
    )
    assert program.client_id.encode() in kept
    secrets = (code, tokens["access_token"], tokens["refresh_token"], *program.identity.values())
    found = [one for one in secrets if re.search(re.escape(one.encode()), kept)]
    assert found == [program.client_id]
