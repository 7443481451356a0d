"""Secrets of the operator and of accounts stay in the process: not in its logs, nor for others."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

import httpx
import pytest
import structlog
from conftest import WEBHOOK_SECRET
from hostile.processes import descendants
from oauth.program import Program
from served import SERVE, Served, free_port, served
from stripe_standin.server import running

from gateway_payments.settings import PaymentSettings, StripeSettings
from gateway_server.logs import configure_logs
from gateway_server.settings import SettingsError, read_settings

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
SOMEBODY: Final = 54_322
STRIPE_KEY: Final = "sk_test_ofthisgateway"
SIGNING: Final = "a-secret-that-signs-tokens"
PRODUCT: Final = (
    *("agent_server", "a2a", "tools", "payments", "library", "runs", "simulation", "storage"),
    "sdk",
)
_AS_SOMEBODY: Final = """
import sys
from pathlib import Path
from hostile.users import become
become(int(sys.argv[1]), ["python", *sys.argv[2:]], [Path(sys.argv[2]).parents[1]])
"""


def servers(name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    if name == "fmu-gateway serve":
        return SERVE, {"LOG_FORMAT": "json"}
    port = str(free_port())
    command = (sys.executable, "-m", "uvicorn", "gateway_server.main:app", "--port", port)
    return command, {"PORT": port}


@pytest.fixture(scope="module", params=["fmu-gateway serve", "uvicorn"])
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, set[str]]]:
    """A server after a session in which every kind of secret was sent; and those secrets."""
    command, more = servers(request.param)
    with running() as stripe:
        environment = {
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.base_url,
            "GATEWAY_SECRET": SIGNING,
            "PAYMENT_OFFERS": "stripe_checkout",
            **more,
        }
        with served(tmp_path_factory.mktemp("served"), command, **environment) as server:
            secrets = _every_secret_is_sent(server.url, stripe.base_url)
            yield server, {*secrets, STRIPE_KEY, WEBHOOK_SECRET, SIGNING}


def _every_secret_is_sent(url: str, stripe: str) -> set[str]:
    key = httpx.post(f"{url}/keys").json()["key"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        upload_url = http.post("/fmus", json={}).json()["upload_url"]
        for content in (b"no FMU", b"neither"):
            assert httpx.put(upload_url, content=content).is_client_error
        http.get("/account", params={"key": key})
        request = {"fmu_id": "msl:BouncingBall"}
        need = http.post("/simulate", json=request).json()
        paid = {"payment_status": "paid", "webhook_url": f"{url}/webhooks/stripe"}
        for secret in ("whsec_of_somebody_else", WEBHOOK_SECRET):
            control = f"{stripe}/control/sessions/{need['session_id']}/complete"
            httpx.post(control, json={**paid, "secret": secret})
        token = http.post("/pay", json={"session_id": need["session_id"]}).json()["payment_token"]
        body = {**request, "payment_token": token}
        assert http.post("/simulate", json=body).status_code == 200
        assert http.post("/simulate", json=body).status_code == 409
        httpx.post(f"{stripe}/control/faults", json={"faults": ["error"] * 3})
        http.post("/simulate", json={**request, "stop_time": 1.5})
    signed_in = _of_a_program_that_signs_in(url, key)
    return {key, upload_url.rpartition("/")[2], token, token.rpartition(".")[2], *signed_in}


def _of_a_program_that_signs_in(url: str, key: str) -> set[str]:
    program = Program(url, auth_method="client_secret_post")
    code = program.code(key)
    first = program.exchange(code).json()
    second = program.refresh(first["refresh_token"]).json()
    program.calls(second["access_token"], "account", {"key": second["refresh_token"]})
    program.exchange(code)
    program.http.get("/token", params={"code": code})
    tokens = {one[kind] for one in (first, second) for kind in ("access_token", "refresh_token")}
    return {code, *tokens, program.identity["client_secret"]}


def test_no_secret_of_a_whole_session_is_in_the_logs(session: tuple[Served, set[str]]) -> None:
    server, secrets = session
    assert "run_finished" in server.written, "there are logs"
    assert "PUT /uploads/***" in server.written or SERVE[0].encode() in _command(server.pid)
    assert [secret for secret in secrets if secret in server.written] == []
    assert not re.search("Traceback", server.written), server.written


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look into the server's children")
def test_no_child_of_the_server_has_a_secret_in_its_environment(
    session: tuple[Served, set[str]],
) -> None:
    server, secrets = session
    children = descendants(server.pid)
    assert children
    for child in children:
        environment = Path(f"/proc/{child}/environ").read_text(encoding="utf-8")
        assert [secret for secret in secrets if secret in environment] == []


def test_every_program_that_the_product_starts_gets_an_environment_made_for_it() -> None:
    calls = [
        (path, call)
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _starts_program(call.func)
    ]
    assert calls
    bare = [(p, c.lineno) for p, c in calls if "env" not in {k.arg for k in c.keywords}]
    assert bare == []


def _starts_program(function: ast.expr) -> bool:
    named = ast.unparse(function)
    return named in {"os.system", "os.popen"} or bool(
        re.fullmatch(
            r"subprocess\.(run|Popen|call|check_call|check_output)|os\.(exec|spawn)\w*", named
        )
    )


def test_another_process_of_the_same_user_cant_look_into_the_server() -> None:
    script = str(ROOT / "tests" / "server" / "spy.py")
    command = [sys.executable, script]
    if os.geteuid() == 0:
        command = [sys.executable, "-c", _AS_SOMEBODY, str(SOMEBODY), script]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["control"]["environ"], "a process that doesn't hide can be read"
    assert found["control"]["mem"]
    assert not any(found["server"].values()), found["server"]
    assert re.search(r"Max core file size +0 +0", found["limits"])


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", STRIPE_KEY)
    monkeypatch.setenv("GATEWAY_SECRET", SIGNING)
    monkeypatch.setenv("FMU_GATEWAY_KEY", "a-key-of-somebody")
    monkeypatch.setenv("DATABASE_URL", "postgresql://gateway:pass1word@db/gateway")
    stripe = StripeSettings(STRIPE_KEY, WEBHOOK_SECRET, "https://a", "https://b")
    payment = PaymentSettings(SIGNING.encode(), stripe=stripe)
    shown = f"{read_settings()!r}{read_settings()}{payment!r}"
    for secret in (STRIPE_KEY, SIGNING, WEBHOOK_SECRET, "a-key-of-somebody", "pass1word"):
        assert secret not in shown


def test_a_wrong_setting_is_told_without_the_password_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "postgresql://gateway:pass1word@db/gateway")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert "pass1word" not in str(raised.value)


@pytest.mark.usefixtures("logs_restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_blackened_wherever_they_turn_up(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(form, ["a-secret-of-ours"])  # type: ignore[arg-type]
    secrets = (
        "a-secret-of-ours",
        "0f0e0d0c-1111-4222-8333-444455556666",
        "ent_1." + "0a" * 32,
        STRIPE_KEY,
        WEBHOOK_SECRET,
    )
    for secret in secrets:
        _say_everywhere(secret)
    _say_everywhere("postgresql://gateway:pass1word@db/x")
    text = written.getvalue()
    assert text.count("***") >= 5 * len(secrets)
    assert [one for one in (*secrets, "0a" * 32, "pass1word") if one in text] == []


def _say_everywhere(secret: str) -> None:
    log = structlog.get_logger()
    said = f"said {secret}"
    log.warning(said, field=secret, nested={"list": [secret], secret: (secret,)})
    log.warning("an object", error=ValueError(secret))
    logging.getLogger("library").error("with %s in %r", secret, {"a": secret})
    try:
        int(secret)
    except ValueError:
        log.exception("ours")
        logging.getLogger("library").exception("theirs")


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
