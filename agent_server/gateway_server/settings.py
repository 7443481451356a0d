"""Every setting: read once from the environment, checked before anything starts."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway_server.setting_types import (
    LEAST_SECRET,
    OFF,
    Amounts,
    BaseUrl,
    DatabaseUrl,
    Development,
    Hosts,
    Networks,
    Offers,
    Origins,
    Rate,
    Secret,
    SigningSecret,
    Text,
    Token,
    WebAddress,
    parsed_rate,
)
from gateway_simulation.pool import MOST_WAITING, MOST_WAITING_EACH
from gateway_tools.exceptions import Bound

if TYPE_CHECKING:
    from limits import RateLimitItem

_DATA: Final = Path("/data")
_RATES: Final[dict[Bound, str]] = {
    "key": "1200/minute",
    "address": "1200/minute",
    "new_keys": "20/hour",
    "wrong_keys": "30/minute",
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PASSWORD: Final = re.compile(r"(://[^:/@]*:)[^@]*(?=@)|([?&](?:ssl)?password=)[^&\s]*")
_WITH_POSTGRES: Final = "required with Postgres"
_ELSEWHERE: Final = "name a file by FMU_GATEWAY_DB_PATH in a folder that this user may write to"
_REDIS: Final = ("redis://", "rediss://", "redis+unix://")


class SettingsError(Exception):
    """The settings are wrong; `mistakes` has one line each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = [" ".join(mistake.split()) for mistake in mistakes]  # drivers tell in many
        super().__init__("\n".join(self.mistakes))


class Settings(BaseSettings):
    """The environment, by name. Unset ones have the defaults given here."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks one")
    public_base_url: BaseUrl = Field(default=None, description="How clients reach this gateway")
    allowed_hosts: Hosts = Field(
        default=(), description="Host names beside this machine's and PUBLIC_BASE_URL's"
    )
    cors_origins: Origins = Field(
        default=(), description="Origins whose pages may call from a browser; * for all"
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies in front: 10.0.0.0/8; from others "
        "X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are ignored",
    )
    database_url: DatabaseUrl = Field(
        default=None, repr=False, description="Postgres or SQLite URL"
    )
    fmu_gateway_db_path: Text = Field(default=None, description="SQLite file")
    storage_url: Text = Field(
        default=None,
        description="file:FOLDER, or s3://BUCKET/PREFIX with AWS_ENDPOINT_URL and the other AWS_ "
        "variables of its client; default beside the database",
    )
    cache_path: Text = Field(
        default=None, description="Folder of unpacked models; default in or beside the storage"
    )
    library_path: Text = Field(
        default=None, description="Folder of the operator's own FMUs, watched while serving"
    )
    gateway_secret: SigningSecret = Field(
        default=None, description="Key under all tokens and tickets"
    )

    memory_limit: int = Field(
        default=512,
        ge=64,
        description="Memory of one simulation [MB]; as many run as there are cores",
    )
    sandbox_override: Development = Field(
        default=None, description="development: run models WITHOUT a sandbox; never for strangers"
    )
    simulation_timeout_s: float = Field(default=20, gt=0, le=600, description="Wall time of one")
    account_runs_waiting: int = Field(
        default=MOST_WAITING_EACH,
        ge=1,
        le=MOST_WAITING,
        description="Runs of one account that may wait for a core",
    )
    rate_limit_key: Rate = Field(default=None, description="Calls of one API key: 1200/minute")
    rate_limit_address: Rate = Field(
        default=None, description="Requests of one address: 1200/minute"
    )
    rate_limit_new_keys: Rate = Field(
        default=None, description="API keys made from one address: 20/hour"
    )
    rate_limit_wrong_keys: Rate = Field(
        default=None, description="Wrong API keys from one address: 30/minute; off for no limit"
    )
    redis_url: Secret = Field(
        default=None, description="Redis that several processes count these rates in"
    )
    stop_timeout_s: float = Field(
        default=22, ge=0, le=600, description="After SIGTERM running simulations may take so long"
    )
    max_upload_mb: int = Field(default=64, ge=1, le=2048, description="Largest FMU [MB]")
    mcp_sessions: bool = Field(
        default=True,
        description="MCP before 2026-07-28: sessions. false: several gateways behind one address",
    )
    account_models: int = Field(default=200, ge=1, description="Uploads that an account may keep")
    account_storage_mb: int = Field(
        default=2048, ge=1, description="Their size in all, as they were sent [MB]"
    )
    result_ttl_days: int = Field(default=30, ge=1, description="How long results are kept")

    stripe_enabled: bool = Field(default=False, description="Ask for money through Stripe")
    stripe_secret_key: Secret = None
    stripe_webhook_secret: Secret = None
    stripe_thin_webhook_secret: Secret = Field(
        default=None, description="Of the event destination with thin payloads: the meter's errors"
    )
    stripe_api_base: WebAddress = Field(
        default=None, description="Another address for Stripe's API"
    )
    stripe_simulation_price_cents: int = Field(default=100, ge=1, description="Price of one run")
    stripe_simulation_currency: str = Field(default="usd", pattern=r"^[a-zA-Z]{3}$")
    stripe_success_url: WebAddress = None
    stripe_cancel_url: WebAddress = None
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
    credit_packs_cents: Amounts = Field(
        default=None, description="Amounts of credits that can be bought; default: 5,20,100 runs"
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
    payment_offers: Offers = Field(
        default=None,
        description="stripe_checkout, credits, metered, x402; empty = everything is free",
    )

    metrics_token: Token = Field(
        default=None, description="Bearer token of GET /metrics, which is off without one"
    )
    fmu_gateway_key: Secret = Field(default=None, description="Account of `fmu-gateway mcp`")
    log_format: Literal["console", "json"] = Field(default="console", description="Log lines")


_SECRETS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation)
)


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one line per mistake.

    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by pydantic itself
    except ValidationError as error:
        raise SettingsError([_line(mistake) for mistake in error.errors()]) from None


def _line(mistake: ErrorDetails) -> str:
    name = str(mistake["loc"][0])
    said = mistake["msg"].removeprefix("Value error, ")
    if name in _SECRETS:
        return f"{name.upper()}: {said}"
    return f"{name.upper()}: {said} (is {without_password(str(mistake['input']))[:60]!r})"


def database_url(settings: Settings) -> str:
    """Where the ledger is: DATABASE_URL, FMU_GATEWAY_DB_PATH, /data or the working directory."""
    if settings.database_url:
        return settings.database_url
    if settings.fmu_gateway_db_path:
        return f"sqlite:///{settings.fmu_gateway_db_path}"
    if _DATA.is_dir() and os.access(_DATA, os.W_OK):
        return f"sqlite:///{_DATA}/fmu_gateway.sqlite3"
    return "sqlite:///local.db"


def rate_bounds(settings: Settings) -> dict[Bound, RateLimitItem]:
    """How often one may ask, by name.

    What isn't set has its default where others can reach the gateway, which HOST or PUBLIC_BASE_URL
    says, and no limit on a machine of one's own.
    """
    reached = settings.public_base_url or settings.host not in _LOOPBACK
    chosen: dict[Bound, str] = {
        bound: getattr(settings, f"rate_limit_{bound}") or (default if reached else OFF)
        for bound, default in _RATES.items()
    }
    return {bound: parsed_rate(rate) for bound, rate in chosen.items() if rate != OFF}


def redis_url(settings: Settings) -> str | None:
    """Where rates are counted together.

    Raises:
        SettingsError: REDIS_URL is no address of a Redis.

    """
    if settings.redis_url is None:
        return None
    url = settings.redis_url.get_secret_value()
    if not url.startswith(_REDIS):
        raise SettingsError([f"REDIS_URL: must begin with one of {', '.join(_REDIS)}"])
    return url


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where blobs are kept in an object store. `prefix` has no slash at its ends."""

    name: str
    prefix: str


def storage_place(settings: Settings) -> Path | Bucket:
    """Where blobs are kept: STORAGE_URL, else a folder beside the SQLite database.

    Raises:
        SettingsError: STORAGE_URL names neither a folder nor a bucket, or is needed and missing.

    """
    url = settings.storage_url
    if url is None:
        return _beside_database(settings, "STORAGE_URL", ".storage")
    if url.startswith("file:") and url.strip("/") != "file:":
        return Path(url.removeprefix("file:").replace("///", "/"))
    name, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not name:
        raise SettingsError(["STORAGE_URL: give file:FOLDER or s3://BUCKET/PREFIX"])
    return Bucket(name, prefix.strip("/"))


def cache_folder(settings: Settings) -> Path:
    """Where models are unpacked: of this machine alone, and made again where it is lost.

    Raises:
        SettingsError: as `storage_place`.

    """
    if settings.cache_path:
        return Path(settings.cache_path)
    place = storage_place(settings)
    if isinstance(place, Path):
        return place / "models"
    if database_url(settings).startswith("sqlite"):
        return _beside_database(settings, "CACHE_PATH", ".cache")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fmu-gateway"


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Where this machine writes: blobs, or models alone, and the SQLite database."""
    url = database_url(settings)
    beside = (Path(url.split(":///", 1)[1]).parent,) if url.startswith("sqlite") else ()
    place = storage_place(settings)
    kept = (cache_folder(settings),) if isinstance(place, Bucket) else (place,)
    return (*kept, *beside)


def secret(settings: Settings) -> bytes:
    """GATEWAY_SECRET, or one made once and kept (0600) beside the SQLite database."""
    if settings.gateway_secret is not None:
        return settings.gateway_secret.get_secret_value().encode()
    return _kept_secret(_beside_database(settings, "GATEWAY_SECRET", ".secret"))


def secret_file(settings: Settings) -> Path | None:
    """Where the secret is kept that is no setting; None where it is one, or must be."""
    if settings.gateway_secret is not None or not database_url(settings).startswith("sqlite"):
        return None
    return _beside_database(settings, "GATEWAY_SECRET", ".secret")


def require_shared(settings: Settings) -> None:
    """Refuse Postgres without what its processes must share: nothing is beside it to be kept in.

    Raises:
        SettingsError: a line for each setting that is missing.

    """
    if database_url(settings).startswith("sqlite"):
        return
    needed = {"GATEWAY_SECRET": settings.gateway_secret, "STORAGE_URL": settings.storage_url}
    missing = [f"{name}: {_WITH_POSTGRES}" for name, value in needed.items() if value is None]
    if missing:
        raise SettingsError(missing)


def _beside_database(settings: Settings, needed: str, suffix: str) -> Path:
    url = database_url(settings)
    if not url.startswith("sqlite"):
        raise SettingsError([f"{needed}: {_WITH_POSTGRES}"])
    return Path(url.split(":///", 1)[1]).with_suffix(suffix)


def _kept_secret(path: Path) -> bytes:
    try:
        kept = _made_once(path)
    except OSError as error:
        told = f"GATEWAY_SECRET: can't be kept in {path}: {error.strerror}; {_ELSEWHERE}"
        raise SettingsError([told]) from error
    if len(kept) < LEAST_SECRET:
        told = f"GATEWAY_SECRET: {path} holds no whole secret; restore that file, or delete it to"
        raise SettingsError([f"{told} have a new one: tokens not yet used must be claimed again"])
    return kept


def _made_once(path: Path) -> bytes:
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".secret") as fresh:  # mode 0600
            fresh.write(secrets.token_hex(32).encode())
            fresh.flush()
            os.fsync(fresh.fileno())
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
    return _PASSWORD.sub(r"\1\2***", url)
