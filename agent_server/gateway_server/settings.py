"""Every setting: read once from the environment, checked before anything starts."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway_server.clients import networks_of

_DATA: Final = Path("/data")


class SettingsError(Exception):
    """The settings are wrong; `mistakes` has one line each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _words(value: object) -> object:
    return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value


def _absent(value: object) -> object:
    return None if value == "" else value


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    networks_of(words)
    return words


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Networks = Annotated[Words, AfterValidator(_networks)]
Text = Annotated[str | None, BeforeValidator(_absent)]
Secret = Annotated[SecretStr | None, BeforeValidator(_absent)]
Token = Annotated[Annotated[SecretStr, Field(min_length=8)] | None, BeforeValidator(_absent)]


class Settings(BaseSettings):
    """The environment, by name. Unset ones have the defaults given here."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks one")
    public_base_url: Text = Field(default=None, description="How clients reach this gateway")
    allowed_hosts: Words = Field(
        default=(), description="Host names beside this machine's and PUBLIC_BASE_URL's"
    )
    cors_origins: Words = Field(
        default=(), description="Origins whose pages may call from a browser; * for all"
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies in front: 10.0.0.0/8; from others "
        "X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are ignored",
    )
    database_url: Text = Field(default=None, repr=False, description="Postgres or SQLite URL")
    fmu_gateway_db_path: Text = Field(default=None, description="SQLite file")
    storage_url: Text = Field(default=None, description="file:FOLDER; default beside the database")
    library_path: Text = Field(
        default=None, description="Folder of the operator's own FMUs, watched while serving"
    )
    gateway_secret: Secret = Field(default=None, description="Key under all tokens and tickets")

    memory_limit: int = Field(
        default=512,
        ge=64,
        description="Memory of one simulation [MB]; as many run as there are cores",
    )
    sandbox_override: Annotated[Literal["development"] | None, BeforeValidator(_absent)] = Field(
        default=None, description="development: run models WITHOUT a sandbox; never for strangers"
    )
    simulation_timeout_s: float = Field(default=20, gt=0, le=600, description="Wall time of one")
    stop_timeout_s: float = Field(
        default=22, ge=0, le=600, description="After SIGTERM running simulations may take so long"
    )
    max_upload_mb: int = Field(default=64, ge=1, le=2048, description="Largest FMU [MB]")
    result_ttl_days: int = Field(default=30, ge=1, description="How long results are kept")

    stripe_enabled: bool = Field(default=False, description="Ask for money through Stripe")
    stripe_secret_key: Secret = None
    stripe_webhook_secret: Secret = None
    stripe_thin_webhook_secret: Secret = Field(
        default=None, description="Of the event destination with thin payloads: the meter's errors"
    )
    stripe_api_base: Text = Field(default=None, description="Another address for Stripe's API")
    stripe_simulation_price_cents: int = Field(default=100, ge=1, description="Price of one run")
    stripe_simulation_currency: str = Field(default="usd", pattern=r"^[a-zA-Z]{3}$")
    stripe_success_url: Text = None
    stripe_cancel_url: Text = None
    checkout_token_ttl_minutes: int = Field(default=30, ge=1, description="Life of a token")
    credits_price_cents: int | None = Field(
        default=None, ge=1, description="A run paid by credits; default: as by card"
    )
    metered_price_cents: int = Field(default=1, ge=1, description="What the meter counts as one")
    x402_price_cents: int = Field(default=1, ge=1, description="A run paid by x402")
    work_units_price_cents: int = Field(
        default=0, ge=0, description="A million units of work, beside the price of a run"
    )
    free_runs_per_day: int = Field(default=0, ge=0, description="Free runs of each account a day")
    credit_packs_cents: Annotated[tuple[int, ...] | None, NoDecode, BeforeValidator(_words)] = (
        Field(
            default=None,
            description="Amounts of credits that can be bought; default: 5,20,100 runs",
        )
    )
    stripe_meter_event_name: str = Field(
        default="fmu_gateway_runs", description="Stripe's meter for metered runs"
    )
    stripe_metered_price_id: Text = Field(
        default=None, description="Stripe's metered price, which linking an account subscribes to"
    )
    x402_pay_to: Text = Field(default=None, description="Address that gets x402's payments")
    x402_network: Text = Field(default=None, description="Their chain: eip155:8453 is Base")
    x402_asset: Text = Field(
        default=None,
        description="Dollar token of 6 decimals with EIP-3009; default: USDC on Base",
    )
    x402_asset_name: Text = Field(default=None, description="Another token's EIP-712 name")
    x402_asset_version: Text = Field(default=None, description="Another token's EIP-712 version")
    x402_facilitator_url: Text = Field(
        default=None, description="Service that settles; default: the gateway does"
    )
    x402_rpc_url: Secret = Field(
        default=None, description="The chain's node: the only witness after a crash; set it"
    )
    x402_private_key: Secret = Field(
        default=None, description="Pays for the gas where the gateway settles itself"
    )
    x402_confirmations: int = Field(
        default=1, ge=1, description="Blocks until a payment counts as final"
    )
    x402_refund: Literal["credits", "chain"] = Field(
        default="credits", description="How a failed run's x402 payment goes back"
    )
    x402_refund_key: Secret = Field(
        default=None, description="Private key of X402_PAY_TO, for X402_REFUND=chain"
    )
    payment_offers: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_words)] = Field(
        default=None,
        description="stripe_checkout, credits, metered, x402; empty = everything is free",
    )

    metrics_token: Token = Field(
        default=None, description="Bearer token of GET /metrics, which is off without one"
    )
    fmu_gateway_key: Secret = Field(default=None, description="Account of `fmu-gateway mcp`")
    log_format: Literal["console", "json"] = Field(default="console", description="Log lines")


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one line per mistake.

    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by pydantic itself
    except ValidationError as error:
        raise SettingsError([_line(mistake) for mistake in error.errors()]) from None


def _line(mistake: object) -> str:
    assert isinstance(mistake, dict)
    name = ".".join(str(part) for part in mistake["loc"]).upper()
    return f"{name}: {mistake['msg']} (is {without_password(str(mistake['input']))[:60]!r})"


def database_url(settings: Settings) -> str:
    """Where the ledger is: DATABASE_URL, FMU_GATEWAY_DB_PATH, /data or the working directory."""
    if settings.database_url:
        return settings.database_url
    if settings.fmu_gateway_db_path:
        return f"sqlite:///{settings.fmu_gateway_db_path}"
    if _DATA.is_dir() and os.access(_DATA, os.W_OK):
        return f"sqlite:///{_DATA}/fmu_gateway.sqlite3"
    return "sqlite:///local.db"


def storage_folder(settings: Settings) -> Path:
    """Where blobs are kept: STORAGE_URL, else beside the SQLite database.

    Raises:
        SettingsError: STORAGE_URL is not `file:FOLDER`, or is needed and missing.

    """
    if settings.storage_url:
        if not settings.storage_url.startswith("file:"):
            raise SettingsError(["STORAGE_URL: only file:FOLDER is supported"])
        return Path(settings.storage_url.removeprefix("file:").replace("///", "/"))
    return _beside_database(settings, "STORAGE_URL", ".storage")


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Where on this machine's disks the gateway writes: blobs, and the SQLite database."""
    url = database_url(settings)
    beside = (Path(url.split(":///", 1)[1]).parent,) if url.startswith("sqlite") else ()
    return (storage_folder(settings), *beside)


def secret(settings: Settings) -> bytes:
    """GATEWAY_SECRET, or one made once and kept (0600) beside the SQLite database."""
    if settings.gateway_secret is not None:
        return settings.gateway_secret.get_secret_value().encode()
    return _kept_secret(_beside_database(settings, "GATEWAY_SECRET", ".secret"))


def _beside_database(settings: Settings, needed: str, suffix: str) -> Path:
    url = database_url(settings)
    if not url.startswith("sqlite"):
        raise SettingsError([f"{needed}: required with Postgres"])
    return Path(url.split(":///", 1)[1]).with_suffix(suffix)


def _kept_secret(path: Path) -> bytes:
    try:
        return _made_once(path)
    except OSError as error:
        raise SettingsError(
            [f"GATEWAY_SECRET: can't be kept in {path}: {error.strerror}"]
        ) from error


def _made_once(path: Path) -> bytes:
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".secret") as fresh:  # mode 0600
            fresh.write(secrets.token_hex(32).encode())
            fresh.flush()
            with suppress(FileExistsError):  # another process was faster: its secret counts
                os.link(fresh.name, path)
    return path.read_bytes()


def secrets_of(settings: Settings) -> list[str]:
    """What no log may show."""
    values = [getattr(settings, name) for name in Settings.model_fields]
    return [one.get_secret_value() for one in values if isinstance(one, SecretStr)]


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value (secrets masked) and source of each setting."""
    given = {name.lower() for name in os.environ}
    lines = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        shown = (
            ",".join(map(str, value))
            if isinstance(value, tuple)
            else str("" if value is None else value)
        )
        source = "environment" if name in given else "default"
        lines.append((name.upper(), without_password(shown), source))
    return lines


def without_password(url: str) -> str:
    """`url` as it may be shown: `postgresql://user:***@host/database`."""
    return re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", url)
