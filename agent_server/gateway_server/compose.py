"""Put the system together from its settings: the one place that knows every part."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway_a2a import task_rows  # noqa: F401  its tables belong to the schema
from gateway_library.build import built_folder
from gateway_library.catalogue import Catalogue
from gateway_library.examination import Examiner
from gateway_library.exceptions import LibraryNotBuiltError
from gateway_library.extraction import ExtractionCache
from gateway_library.finder import Finder
from gateway_library.operators import OperatorLibrary
from gateway_library.store import ModelStore, Quota
from gateway_library.tickets import Tickets
from gateway_payments.service import Payments
from gateway_payments.settings import PaymentSettings, StripeSettings, mistakes, offers_of
from gateway_payments.x402_settings import X402Settings, asset_of
from gateway_runs.results import ResultStore
from gateway_server.payment_pages import CANCEL_PATH, LINKED_PATH, SUCCESS_PATH
from gateway_server.settings import (
    Bucket,
    Settings,
    SettingsError,
    cache_folder,
    database_url,
    require_shared,
    secret,
    storage_place,
    without_password,
)
from gateway_simulation.archive import Limits
from gateway_simulation.building import Builder
from gateway_simulation.layout import Tier
from gateway_simulation.plan import RunLimits
from gateway_simulation.runner import Simulator
from gateway_storage.blobs import Blobs, FolderBlobs, StorageUnavailableError
from gateway_storage.database import Database, DatabaseUnavailableError
from gateway_storage.machines import OtherMachineError
from gateway_storage.migrate import SchemaTooNewError, migrate
from gateway_tools.context import Gateway
from gateway_tools.meter import Meter, Unmetered

MEGABYTE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Address:
    """How clients reach the server: `base_url` without a slash, and the Host headers allowed."""

    base_url: str
    hosts: tuple[str, ...]


def compose(settings: Settings, address: Address, meter: Meter | None = None) -> Gateway:
    """The system, its database brought to this version's schema; `meter` counts what it does.

    Raises:
        SettingsError: a setting is wrong, or what it names can't be used; one line each.

    """
    require_shared(settings)
    offered = payment_settings(settings, address)
    blobs = open_blobs(settings)
    database = open_database(settings)
    cache = open_cache(settings)
    builder = builder_of(settings)
    simulator = simulator_of(settings)
    library = catalogue(settings, simulator, builder)
    now = datetime.now(UTC)
    alone_at = now if _claim(database) else None
    unpacked = ExtractionCache(cache / "uploads", _limits(settings), builder)
    quota = Quota(settings.account_models, settings.account_storage_mb * MEGABYTE)
    models = ModelStore(database, blobs, unpacked, _limits(settings), quota)
    return Gateway(
        version=version("fmu-gateway"),
        database=database,
        catalogue=library,
        models=models,
        finder=Finder(library, models),
        tickets=Tickets(database),
        payments=Payments(database, offered),
        results=ResultStore(blobs),
        blobs=blobs,
        simulator=simulator,
        builder=builder,
        run_limits=RunLimits(),
        timeout_s=settings.simulation_timeout_s,
        memory_mb=settings.memory_limit,
        result_ttl=timedelta(days=settings.result_ttl_days),
        meter=meter or Unmetered(),
        clock=lambda: datetime.now(UTC),
        alone_at=alone_at,
    )


def close(gateway: Gateway) -> None:
    """End the simulations and give the database back."""
    gateway.simulator.close()
    gateway.payments.close()
    gateway.database.close()


def address_of(settings: Settings, port: int) -> Address:
    """The server's address once its port is known."""
    local = tuple(f"{name}:*" for name in ("127.0.0.1", "localhost", "[::1]"))
    named = (*settings.allowed_hosts, *(f"{host}:*" for host in settings.allowed_hosts))
    if settings.public_base_url:
        base_url = settings.public_base_url
        return Address(base_url, (*local, *_public_hosts(base_url), *named))
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    return Address(f"http://{host}:{port}", (*local, f"{host}:{port}", *named))


def _public_hosts(base_url: str) -> tuple[str, ...]:
    """The Host headers of who calls that address; some proxies pass the scheme's own port on."""
    parts = urlsplit(base_url)
    own_port = ":443" if parts.scheme == "https" else ":80"
    host = parts.netloc.removesuffix(own_port)
    return (host, f"{host}{own_port}") if urlsplit(f"//{host}").port is None else (host,)


def open_database(settings: Settings) -> Database:
    """The database, brought to this version's schema."""
    url = database_url(settings)
    try:
        database = Database(url)
        database.check()
        migrate(database)
    except (DatabaseUnavailableError, SchemaTooNewError) as error:
        told = f"DATABASE_URL: {url}: {error}"
        raise SettingsError([without_password(told)]) from error
    return database


def _claim(database: Database) -> bool:
    """Refuse several machines on SQLite, on one file or, as Fly would, on a volume each.

    Whether no other process uses the database.
    """
    if database.engine.dialect.name != "sqlite":
        return False
    app = os.environ.get("FLY_APP_NAME")
    machines = fly_machines(app) if app else 1
    if app and machines > 1:
        line = (
            f"DATABASE_URL: {machines} machines of {app} run, each with a volume and books of its"
        )
        raise SettingsError([f"{line} own: attach Postgres, or `fly scale count 1`"])
    try:
        return database.claim()
    except OtherMachineError as error:
        raise SettingsError([f"DATABASE_URL: {error}"]) from error


def fly_machines(app: str) -> int:
    """How many machines of the app run, by Fly's DNS; 1 where it doesn't say."""
    try:
        found = socket.getaddrinfo(f"{app}.internal", None, socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:
        return 1
    return len({address[4][0] for address in found})


def open_blobs(settings: Settings) -> Blobs:
    """The store of blobs, which answers.

    Raises:
        SettingsError: STORAGE_URL is wrong, or the store can't be used.

    """
    try:
        blobs = blobs_at(storage_place(settings))
        blobs.check()
    except StorageUnavailableError as error:
        raise SettingsError([f"STORAGE_URL: {error}"]) from error
    return blobs


def open_cache(settings: Settings) -> Path:
    """The folder where models are unpacked, which can be written to.

    Raises:
        SettingsError: it can't.

    """
    folder = cache_folder(settings)
    try:
        FolderBlobs(folder).check()
    except StorageUnavailableError as error:
        raise SettingsError([f"CACHE_PATH: {error}"]) from error
    return folder


def blobs_at(place: Path | Bucket) -> Blobs:
    """The store of blobs at that place, not asked yet whether it answers."""
    if isinstance(place, Path):
        return FolderBlobs(place)
    from gateway_storage.bucket import BucketBlobs  # noqa: PLC0415  only who has one loads it

    return BucketBlobs(place.name, place.prefix)


def simulator_of(settings: Settings) -> Simulator:
    """What runs models; started by its first run."""
    return Simulator(
        timeout_s=settings.simulation_timeout_s,
        memory_mb=settings.memory_limit,
        sandbox=_sandbox(settings),
        waiting_each=settings.account_runs_waiting,
    )


def builder_of(settings: Settings) -> Builder:
    """What compiles uploads that are sources."""
    return Builder(_sandbox(settings))


def catalogue(
    settings: Settings, simulator: Simulator, builder: Builder | None = None
) -> Catalogue:
    """The library that was built with this installation, and the operator's own models.

    Raises:
        SettingsError: there is no library, or LIBRARY_PATH is no folder.

    """
    cache = cache_folder(settings)
    try:
        built = Catalogue.load(built_folder(), cache)
    except LibraryNotBuiltError as error:
        raise SettingsError([str(error)]) from error
    if settings.library_path is None:
        return built
    folder = Path(settings.library_path)
    if not folder.is_dir():
        raise SettingsError([f"LIBRARY_PATH: there is no folder {folder}"])
    places, taken = (folder, cache), built.own_names
    return built.with_operators(operators_of(settings, places, simulator, taken, builder))


def operators_of(
    settings: Settings,
    places: tuple[Path, Path],
    simulator: Simulator,
    taken: frozenset[str],
    builder: Builder | None = None,
) -> OperatorLibrary:
    """The models of a folder; `places` are that folder and where what is made of it is kept."""
    folder, cache = places
    limits = _limits(settings)
    extracted = ExtractionCache(cache / "operators", limits, builder or builder_of(settings))
    examiner = Examiner(extracted, limits, simulator)
    return OperatorLibrary(folder, cache / "operators.json", extracted, examiner, taken)


def _limits(settings: Settings) -> Limits:
    return Limits(upload_bytes=settings.max_upload_mb * MEGABYTE)


def _sandbox(settings: Settings) -> Tier | None:
    return Tier.DEVELOPMENT if settings.sandbox_override else None


def payment_settings(settings: Settings, address: Address) -> PaymentSettings:
    """Ways to pay and prices. Raises SettingsError."""
    given = settings.payment_offers
    offers = offers_of(
        None if given is None else ",".join(given), stripe_enabled=settings.stripe_enabled
    )
    payment = PaymentSettings(
        secret=secret(settings),
        offers=offers,
        price_minor=settings.stripe_simulation_price_cents,
        credits_price_minor=settings.credits_price_cents,
        metered_price_minor=settings.metered_price_cents,
        x402_price_minor=settings.x402_price_cents,
        million_units_price_minor=settings.work_units_price_cents,
        free_runs_per_day=settings.free_runs_per_day,
        packs_minor=settings.credit_packs_cents,
        currency=settings.stripe_simulation_currency.lower(),
        token_ttl_minutes=settings.checkout_token_ttl_minutes,
        stripe=_stripe_settings(settings, address) if settings.stripe_enabled else None,
        x402=_x402_settings(settings, address) if "x402" in offers else None,
    )
    wrong = mistakes(payment)
    if wrong:
        raise SettingsError(wrong)
    return payment


def _stripe_settings(settings: Settings, address: Address) -> StripeSettings:
    key, webhook = settings.stripe_secret_key, settings.stripe_webhook_secret
    paid = f"{address.base_url}{SUCCESS_PATH}?session_id={{CHECKOUT_SESSION_ID}}"
    return StripeSettings(
        secret_key=key.get_secret_value() if key else "",
        webhook_secret=webhook.get_secret_value() if webhook else "",
        success_url=settings.stripe_success_url or paid,
        cancel_url=settings.stripe_cancel_url or f"{address.base_url}{CANCEL_PATH}",
        api_base=settings.stripe_api_base,
        linked_url=f"{address.base_url}{LINKED_PATH}",
        meter_event_name=settings.stripe_meter_event_name,
        metered_price_id=settings.stripe_metered_price_id,
        thin_secret=_shown(settings.stripe_thin_webhook_secret),
    )


def _x402_settings(settings: Settings, address: Address) -> X402Settings:
    network = settings.x402_network
    return X402Settings(
        pay_to=settings.x402_pay_to or "",
        network=network or "",
        asset=asset_of(
            network or "",
            settings.x402_asset,
            settings.x402_asset_name,
            settings.x402_asset_version,
        ),
        resource_url=f"{address.base_url}/simulate",
        facilitator_url=settings.x402_facilitator_url,
        rpc_url=_shown(settings.x402_rpc_url),
        private_key=_shown(settings.x402_private_key),
        confirmations=settings.x402_confirmations,
        refund=settings.x402_refund,
        refund_key=_shown(settings.x402_refund_key),
    )


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
