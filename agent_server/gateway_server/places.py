"""Where the command line runs a model: in this process, or at a gateway elsewhere, over REST."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from gateway_server.bridge import failures
from gateway_server.bridge.kept_keys import keep_key, kept_at, read_key, set_aside, user_folder
from gateway_server.settings import Settings
from gateway_tools.context import Context
from gateway_tools.tool import Answered

LOCAL_GATEWAY: Final = "http://127.0.0.1:8000"
_PROBE_S: Final = 1.0
_PATIENCE_S: Final = 120
_CALLS: Final = {"simulate": "/simulate", "quote": "/quotes"}


class RefusedError(Exception):
    """The call failed; `body` has code, message and remedy, or is a payment requirement."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(body["code"])
        self.body = dict(body)


class Place(Protocol):
    """What the commands need. Everything raises RefusedError."""

    @property
    def option(self) -> str:
        """What a command line adds to come here again."""
        ...

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer of a tool."""
        ...

    def upload(self, path: Path) -> dict[str, Any]:
        """The answer of upload_fmu to a file of this machine."""
        ...

    def file(self, result_id: str, form: str) -> bytes:
        """A result as a file."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """In the process itself, for one account of its database."""

    context: Context

    @property
    def option(self) -> str:
        """Nothing: no gateway has to be named."""
        return ""

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """As every door calls it."""
        return self._answer(tool, arguments).output.model_dump(mode="json")

    def upload(self, path: Path) -> dict[str, Any]:
        """Read and kept, once however often."""
        from gateway_tools.upload_fmu import upload  # noqa: PLC0415

        data = path.read_bytes()
        with _refusing():
            return upload(self.context, data).model_dump(mode="json")

    def file(self, result_id: str, form: str) -> bytes:
        """Rendered here."""
        file = self._answer("get_result", {"result_id": result_id, "format": form}).file
        assert file is not None
        return file.data

    def _answer(self, tool: str, arguments: dict[str, Any]) -> Answered:
        from gateway_tools.registry import TOOLS  # noqa: PLC0415

        with _refusing():
            return TOOLS[tool].call(self.context, arguments)


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell of a failure as doors do. Raises RefusedError."""
    from gateway_tools.errors import problem  # noqa: PLC0415

    try:
        yield
    except Exception as error:  # noqa: BLE001  told to the caller
        raise RefusedError(problem(error).body) from None


@contextmanager
def here(settings: Settings) -> Iterator[Here]:
    """The system in this process. Its database is this user's, where no setting names one.

    Raises:
        SettingsError: a setting is wrong.
        UnauthorizedError: FMU_GATEWAY_KEY is no key of this gateway.

    """
    from gateway_server.auth import own_caller  # noqa: PLC0415
    from gateway_server.compose import address_of, close, compose  # noqa: PLC0415
    from gateway_server.links import result_uri  # noqa: PLC0415
    from gateway_tools.context import Door  # noqa: PLC0415

    gateway = compose(settings, address_of(settings, settings.port))
    try:
        caller = own_caller(gateway, settings.fmu_gateway_key)
        yield Here(Context(gateway, caller, Door("cli", result_uri)))
    finally:
        close(gateway)


def own_database() -> dict[str, str]:
    """The setting that keeps a user's models and results beside the user's keys."""
    if os.environ.get("DATABASE_URL") or os.environ.get("FMU_GATEWAY_DB_PATH"):
        return {}
    folder = user_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {"fmu_gateway_db_path": str(folder / "embedded.sqlite3")}


class There:
    """A gateway at an address, with the key given, the one kept for it, or a new one."""

    def __init__(self, url: str, key: str | None, http: httpx.Client) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._kept = None if key else kept_at(self._url, os.environ)
        known = read_key(self._kept) if self._kept else key
        self._use(known or self._new_key())

    @property
    def option(self) -> str:
        """Its address: a token is good at the gateway that sold it."""
        return f"--gateway {self._url} "

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Over REST."""
        if tool == "describe_model":
            asked = {k: v for k, v in arguments.items() if k != "fmu_id"}
            return self._json("GET", f"/fmus/{arguments['fmu_id']}", params=asked)
        return self._json("POST", _CALLS[tool], json=arguments)

    def upload(self, path: Path) -> dict[str, Any]:
        """Sent only if this account hasn't sent it before: asked by its hash."""
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        known = self._send("GET", f"/fmus/fmu_{sha256[:16]}")
        if known.is_success and known.json().get("sha256") == sha256:
            return {**known.json(), "already_known": True}
        return self._json("POST", "/fmus", content=data)

    def file(self, result_id: str, form: str) -> bytes:
        """Fetched."""
        response = self._send("GET", f"/results/{result_id}", params={"format": form})
        if not response.is_success:
            raise self._refusal(response)
        return response.content

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        response = self._send(method, path, **arguments)
        if not response.is_success:
            raise self._refusal(response)
        try:
            answer = response.json()
        except ValueError:
            raise self._refusal(response) from None
        return dict(answer)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401
        response = self._send_once(method, path, **arguments)
        if self._kept is None or not _is_forgotten(response):
            return response
        set_aside(self._kept)
        self._use(self._new_key())
        return self._send_once(method, path, **arguments)

    def _use(self, key: str) -> None:
        self._http.headers["Authorization"] = f"Bearer {key}"

    def _new_key(self) -> str:
        response = self._send_once("POST", "/keys")
        if not response.is_success:
            raise self._refusal(response)
        key = str(response.json()["key"])
        return keep_key(self._kept, self._url, key) if self._kept else key

    def _send_once(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return self._http.request(method, self._url + path, **arguments)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise RefusedError(failures.unreachable(self._url, str(error)).body) from None

    def _refusal(self, response: httpx.Response) -> RefusedError:
        try:
            told = response.json()
        except ValueError:
            told = None
        if isinstance(told, dict) and {"code", "message"} <= told.keys():
            return RefusedError(told)
        return RefusedError(failures.not_a_gateway(self._url, response.status_code).body)


def _is_forgotten(response: httpx.Response) -> bool:
    """Whether the gateway has lost the account of a kept key: a new database."""
    if response.status_code != HTTPStatus.UNAUTHORIZED:
        return False
    try:
        return bool(response.json()["code"] == "unauthorized")
    except (ValueError, KeyError, TypeError):
        return False


def find(environ: Mapping[str, str]) -> str | None:
    """The gateway of this machine, if it answers; else PUBLIC_GATEWAY_URL, if it is set."""
    try:
        health = httpx.get(f"{LOCAL_GATEWAY}/health", timeout=_PROBE_S)
        if health.is_success and health.json().get("status") == "ok":
            return LOCAL_GATEWAY
    except (httpx.TransportError, ValueError, AttributeError):
        pass  # nothing, or something else, answers there
    return environ.get("PUBLIC_GATEWAY_URL") or None


@contextmanager
def there(url: str, key: str | None) -> Iterator[There]:
    """A gateway for as long as the block runs."""
    with httpx.Client(timeout=_PATIENCE_S) as http:
        yield There(url, key, http)
