"""The sign-in page in a real Chromium, which holds it to its own policy."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Running
from oauth.program import Program
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.slow

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        if os.environ.get("CONFORMANCE_REQUIRED"):
            pytest.fail("there is no Chromium")
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


class Callback(HTTPServer):
    """The program on the person's own machine, at whatever port is free."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[dict[str, list[str]]] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/callback"


class _Handler(BaseHTTPRequestHandler):
    server: Callback

    def do_GET(self) -> None:
        if self.path.startswith("/callback"):
            self.server.heard.append(parse_qs(urlsplit(self.path).query))
        body = b"<p>You may close this page</p>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def callback() -> Iterator[Callback]:
    server = Callback()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def authorization(program: Program, callback: Callback) -> str:
    """Where the program opens the browser: with a port that wasn't known when it registered."""
    program.redirect_uris = (callback.uri,)
    return str(program.authorize().request.url)


def test_a_person_lets_a_program_in(page: Page, callback: Callback, free_gateway: Running) -> None:
    program = Program(free_gateway.url, name='<img src=x onerror="alert(1)">')
    page.goto(authorization(program, callback))
    page.get_by_label("API key").fill("no key")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("alert")).to_contain_text("no key of an account")
    page.get_by_label("API key").fill(free_gateway.account().key)
    page.get_by_label("API key").press("Enter")
    expect(page.get_by_text("You may close this page")).to_be_visible()
    (heard,) = callback.heard
    tokens = program.exchange(heard["code"][0]).json()
    assert program.gets_in(tokens["access_token"])
    assert heard["iss"] == [free_gateway.url]


def test_a_person_without_an_account_makes_one(
    page: Page, callback: Callback, paid_gateway: Running
) -> None:
    page.goto(authorization(Program(paid_gateway.url), callback))
    page.get_by_role("button", name="Make a new account").click()
    key = page.get_by_label("API key").input_value()
    page.get_by_label("The most that it may spend").fill("5")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("You may close this page")).to_be_visible()
    assert callback.heard[0]["code"][0].startswith("fgc_")
    with paid_gateway.http() as http:
        keys = http.get("/account/keys", headers={"Authorization": f"Bearer {key}"}).json()["keys"]
    assert keys[1]["budget"]["per_day"] == 5


def test_a_person_denies(page: Page, callback: Callback, free_gateway: Running) -> None:
    page.goto(authorization(Program(free_gateway.url), callback))
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("You may close this page")).to_be_visible()
    assert callback.heard[0]["error"] == ["access_denied"]


def test_another_site_can_neither_frame_the_page_nor_post_to_it(
    page: Page, callback: Callback, free_gateway: Running
) -> None:
    program = Program(free_gateway.url)
    sign_in = program.authorize().headers["location"]
    key = free_gateway.account().key
    sealed = parse_qs(urlsplit(sign_in).query)["request"][0]
    page.goto(callback.uri.replace("/callback", "/evil"))
    page.set_content(f'<iframe src="{sign_in}"></iframe>')
    frame = page.frames[1]
    frame.wait_for_load_state()
    assert "calls itself" not in frame.content()
    page.goto(callback.uri.replace("/callback", "/evil"))
    page.set_content(
        f'<form method="post" action="{free_gateway.url}/sign-in">'
        f'<input name="request" value="{sealed}"><input name="key" value="{key}">'
        '<button name="decision" value="allow">Win a prize</button></form>'
    )
    page.get_by_role("button").click()
    expect(page.get_by_text("sent from another page")).to_be_visible()
    assert callback.heard == []
