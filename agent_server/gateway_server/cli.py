"""`fmu-gateway`: serve, mcp, demo and what an operator needs. Commands load what they use."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gateway_server.settings import Settings, SettingsError, described, read_settings, secrets_of

if TYPE_CHECKING:
    from gateway_server.places import Place

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # secrets are among them
    help="Simulation models for agents.",
)
library = typer.Typer(no_args_is_help=True, help="The model library.")
credits_ = typer.Typer(no_args_is_help=True, help="Prepaid credits.")
app.add_typer(library, name="library")
account = typer.Typer(no_args_is_help=True, help="Accounts and their Stripe customers.")
payments = typer.Typer(no_args_is_help=True, help="Payments.")
app.add_typer(credits_, name="credits")
ledger = typer.Typer(no_args_is_help=True, help="The books.")
app.add_typer(ledger, name="ledger")
app.add_typer(account, name="account")
app.add_typer(payments, name="payments")


def main() -> None:
    """Run the command line; wrong settings end it with one line each."""
    from gateway_server.privacy import keep_memory_private  # noqa: PLC0415

    keep_memory_private()
    try:
        app()
    except SettingsError as error:
        _stop(error.mistakes)
    except OSError as error:
        _stop([f"{error.filename or 'this machine'}: {error.strerror or error}"])


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Default: PORT, else 8000")] = None,
    host: Annotated[str | None, typer.Option(help="Default: HOST, else 127.0.0.1")] = None,
) -> None:
    """Serve REST, MCP and A2A on one port."""
    from gateway_server.logs import configure_logs  # noqa: PLC0415
    from gateway_server.serving import serve as run  # noqa: PLC0415
    from gateway_server.tracing import configure_tracing  # noqa: PLC0415

    settings = _settings(port=port, host=host)
    configure_tracing(configure_logs(settings.log_format, secrets_of(settings)))
    run(settings)


@app.command()
def mcp(
    allow: Annotated[
        list[Path] | None, typer.Option(help="Folder that paths may point into; default: this one")
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            help="Bridge to the gateway at this URL, which runs the models", metavar="URL"
        ),
    ] = None,
) -> None:
    """Serve MCP over stdin and stdout, for a client on this machine."""
    from gateway_server.logs import configure_logs  # noqa: PLC0415
    from gateway_server.tracing import configure_tracing  # noqa: PLC0415

    settings = _settings()
    configure_tracing(configure_logs(settings.log_format, secrets_of(settings)))
    folders = tuple(allow or [Path.cwd()])
    if not gateway:  # a client that has none configured passes an empty one
        _serve_here(settings, folders)
    else:
        _serve_there(settings, folders, gateway)


def _serve_here(settings: Settings, folders: tuple[Path, ...]) -> None:
    from gateway_server.stdio import serve_stdio  # noqa: PLC0415
    from gateway_tools.exceptions import UnauthorizedError  # noqa: PLC0415

    try:
        serve_stdio(settings, folders)
    except UnauthorizedError:
        _stop(["FMU_GATEWAY_KEY: is no key of this gateway"])


def _serve_there(settings: Settings, folders: tuple[Path, ...], url: str) -> None:
    from gateway_server.bridge.server import serve_bridge  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        _stop(["--gateway: give an address that begins with http:// or https://"])
    key = settings.fmu_gateway_key
    serve_bridge(url, key.get_secret_value() if key else None, folders)


_Gateway = Annotated[
    str | None,
    typer.Option(
        envvar="FMU_GATEWAY_URL",
        metavar="URL",
        help="The gateway; default: this machine's, PUBLIC_GATEWAY_URL, else none is needed",
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on stdout")]


@app.command()
def simulate(  # noqa: PLR0913  what there is to say of a run
    model: Annotated[
        str | None, typer.Argument(help="A file, or an id such as msl:BouncingBall")
    ] = None,
    *,
    stop: Annotated[
        float | None, typer.Option(metavar="S", help="End of the run, in seconds")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A start value")
    ] = None,
    kpis: Annotated[
        list[str] | None, typer.Option("--kpi", metavar="NAME", help="Such as h_max")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="The fields of a simulate request")
    ] = None,
    quote: Annotated[bool, typer.Option("--quote", help="Print the price, run nothing")] = False,
    payment_token: Annotated[
        str | None, typer.Option(metavar="T", help="Pays for it; alone, it runs what was quoted")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Show the plot when it is there")] = False,
    output: Annotated[Path, typer.Option(help="Folder of the files")] = Path("simulation_results"),
    as_json: _AsJson = False,
    gateway: _Gateway = None,
) -> None:
    """Run a model and write its CSV, JSON and PNG.

    Status 1 after an error, 2 where it has to be paid first.
    """
    from gateway_server.simulate_command import Wish  # noqa: PLC0415
    from gateway_server.simulate_command import simulate as run  # noqa: PLC0415

    wish = Wish(
        model,
        config,
        stop,
        values or (),
        kpis or (),
        payment_token,
        quote=quote,
        as_json=as_json,
        plot=plot,
        output=output,
    )
    _at(gateway, lambda place: run(place, wish), as_json=as_json)


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help="A file, or an id such as msl:BouncingBall")],
    *,
    query: Annotated[str | None, typer.Option(help="Only variables with these words")] = None,
    as_json: _AsJson = False,
    gateway: _Gateway = None,
) -> None:
    """Show a model: its variables, units, start values and default experiment."""
    from gateway_server.simulate_command import describe as show  # noqa: PLC0415

    _at(gateway, lambda place: show(place, model, query, as_json=as_json), as_json=as_json)


def _at(gateway: str | None, work: Callable[[Place], int], *, as_json: bool) -> NoReturn:
    """Do it at the gateway named or found, else here, and end with its status."""
    from gateway_server import places  # noqa: PLC0415
    from gateway_server.logs import configure_logs  # noqa: PLC0415
    from gateway_server.simulate_command import MistakeError, mistake, told  # noqa: PLC0415
    from gateway_tools.exceptions import UnauthorizedError  # noqa: PLC0415

    settings = _settings(**places.own_database())
    configure_logs("console", secrets_of(settings), least=logging.WARNING)
    key = settings.fmu_gateway_key
    url = gateway or places.find(os.environ)
    try:
        with (
            places.there(url, key.get_secret_value() if key else None)
            if url
            else places.here(settings)
        ) as place:
            typer.echo(f"Gateway: {url or 'none, on this machine'}", err=True)
            status = work(place)
    except places.RefusedError as refused:
        status = told(refused.body, as_json=as_json)
    except UnauthorizedError:
        status = told(mistake("FMU_GATEWAY_KEY: is no key of this gateway"), as_json=as_json)
    except MistakeError as error:
        status = told(mistake(str(error)), as_json=as_json)
    except OSError as error:
        reason = f"{error.filename or 'this machine'}: {error.strerror or error}"
        status = told(mistake(reason), as_json=as_json)
    sys.exit(status)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the plot goes")] = Path("demo.png"),
) -> None:
    """Show the whole way, from finding a model to a paid result, in a few seconds."""
    from gateway_server.demo import run_demo  # noqa: PLC0415
    from gateway_server.logs import configure_logs  # noqa: PLC0415

    configure_logs("console", least=logging.WARNING)
    run_demo(output)


@app.command()
def settings() -> None:
    """Print every setting with its value and source; secrets are masked."""
    for name, value, source in described(_settings()):
        typer.echo(f"{name}={value}  ({source})")


@app.command()
def doctor() -> None:
    """Check this machine, and say what to do where something is wrong; status 1 then."""
    from gateway_server.doctor.examination import examine  # noqa: PLC0415
    from gateway_server.logs import configure_logs  # noqa: PLC0415

    configure_logs("console", least=logging.CRITICAL)
    if not examine():
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the backup goes")],
    *,
    without_blobs: Annotated[
        bool, typer.Option("--without-blobs", help="The object store has copies of its own")
    ] = False,
) -> None:
    """Save database, models and results as they are at one moment, while the gateway serves.

    Status 1 where a stored file was damaged or missing: the rest is saved, and it is named.
    """
    from gateway_server.backup_commands import backed_up  # noqa: PLC0415

    made = backed_up(_settings(), file, with_blobs=not without_blobs)
    typer.echo(f"{file}: schema {made.schema}, {made.blobs} blobs, as of {made.made_at}")
    for key in made.lost:
        typer.echo(f"fmu-gateway: {key} is damaged or missing", err=True)
    if made.lost:
        raise typer.Exit(1)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="What `backup` wrote")]) -> None:
    """Bring a backup into an empty database (SQLite or Postgres) and STORAGE_URL."""
    from gateway_server.backup_commands import restored  # noqa: PLC0415

    made = restored(_settings(), file)
    typer.echo(f"restored: {made.blobs} blobs, as of {made.made_at}")


@library.command("list")
def library_list() -> None:
    """List all models, yours in LIBRARY_PATH too, and what they were verified against."""
    from gateway_server import library_commands as commands  # noqa: PLC0415

    try:
        for line in commands.listed(_settings()):
            typer.echo(line)
    except commands.LibraryCommandError as error:
        _stop(error.lines)


@library.command("verify")
def library_verify(
    path: Annotated[
        Path | None, typer.Argument(help="A file or folder; default: LIBRARY_PATH")
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures")] = False,
) -> None:
    """Check FMUs and their cards as the gateway does, run each for a moment, and say what is wrong.

    Status 1 where a file isn't served.
    """
    from gateway_server import library_commands as commands  # noqa: PLC0415

    try:
        verdicts = commands.verified(_settings(), path)
    except commands.LibraryCommandError as error:
        _stop(error.lines)
    for verdict in verdicts:
        typer.echo(verdict.line)
    fatal = {"FAIL", "WARN"} if strict else {"FAIL"}
    if any(verdict.word in fatal for verdict in verdicts):
        raise typer.Exit(1)


@library.command("add")
def library_add(
    file: Annotated[Path, typer.Argument(help="The FMU")],
    card: Annotated[
        Path | None, typer.Option(help="Its YAML card; default: the one beside it, if there is one")
    ] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of that name")] = False,
) -> None:
    """Check an FMU and put it into LIBRARY_PATH: a running gateway serves it within seconds."""
    from gateway_server import library_commands as commands  # noqa: PLC0415

    try:
        for verdict in commands.add(_settings(), file, card, replace=replace):
            typer.echo(verdict.line)
    except commands.LibraryCommandError as error:
        _stop(error.lines)


@library.command("build")
def library_build(
    output: Annotated[Path, typer.Option(help="Folder for the FMUs")] = Path("library/msl"),
) -> None:
    """Build the library's FMUs from their C sources."""
    from gateway_library.build import build_library  # noqa: PLC0415
    from gateway_library.sources import models_folder  # noqa: PLC0415

    report = build_library(models_folder(), output)
    fmus = len(report.built) + len(report.kept)
    typer.echo(f"{fmus} FMUs in {report.folder}, {len(report.built)} of them compiled just now")


@credits_.command("grant")
def credits_grant(
    account_id: str,
    amount: Annotated[str, typer.Argument(help="In STRIPE_SIMULATION_CURRENCY: 10.00")],
    reason: Annotated[str, typer.Option(help="Unique name of the grant; repeating does nothing")],
) -> None:
    """Give an account prepaid credits."""
    from gateway_server.grants import grant_credits  # noqa: PLC0415

    _decide(lambda: grant_credits(_settings(), account_id, amount, reason))


@account.command("link")
def account_link(account_id: str, customer_id: str) -> None:
    """Put an account's runs on the invoice of a Stripe customer (cus_...), who has agreed."""
    from gateway_server.decisions import link_account  # noqa: PLC0415

    _decide(lambda: link_account(_settings(), account_id, customer_id))


@account.command("unlink")
def account_unlink(account_id: str) -> None:
    """Put nothing more on that invoice."""
    from gateway_server.decisions import unlink_account  # noqa: PLC0415

    _decide(lambda: unlink_account(_settings(), account_id))


@payments.command("refund")
def payments_refund(
    quote_or_payment: str,
    reason: Annotated[str, typer.Option(help="Why, for the log")],
) -> None:
    """Give back what was paid for a run and not used."""
    from gateway_server.decisions import refund  # noqa: PLC0415

    _decide(lambda: refund(_settings(), quote_or_payment, reason))


def _decide(decision: Callable[[], str]) -> None:
    from gateway_payments.exceptions import PaymentError  # noqa: PLC0415

    try:
        typer.echo(decision())
    except PaymentError as error:
        _stop([str(error)])


@ledger.command("audit")
def ledger_audit(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For a program")] = False,
) -> None:
    """Prove every rule of the books on a live database; status 1 where one is broken."""
    from gateway_server import ledger_report  # noqa: PLC0415

    audit = ledger_report.audited(_settings())
    if as_json:
        typer.echo(ledger_report.as_json(audit))
    else:
        for line in ledger_report.lines(audit):
            typer.echo(line)
    if not audit.sound:
        raise typer.Exit(1)


@ledger.command("letters")
def ledger_letters() -> None:
    """List what waits: letters to Stripe not sent yet, stuck ones, and odd payments; with why."""
    from gateway_server.decisions import letters  # noqa: PLC0415

    _decide(lambda: letters(_settings()))


@ledger.command("resend")
def ledger_resend(letter_id: str) -> None:
    """Send a stuck letter again, once you have made sure that Stripe doesn't have it."""
    from gateway_server.decisions import resend  # noqa: PLC0415

    _decide(lambda: resend(_settings(), letter_id))


@ledger.command("dismiss")
def ledger_dismiss(
    letter_or_payment: str,
    reason: Annotated[str, typer.Option(help="What you did about it, for the log")],
) -> None:
    """Close a stuck letter or an odd payment that you have dealt with by hand."""
    from gateway_server.decisions import dismiss  # noqa: PLC0415

    _decide(lambda: dismiss(_settings(), letter_or_payment, reason))


def _settings(**overrides: object) -> Settings:
    return read_settings(**{name: value for name, value in overrides.items() if value is not None})


def _stop(mistakes: list[str]) -> NoReturn:
    for line in mistakes:
        typer.echo(f"fmu-gateway: {line}", err=True)
    sys.exit(2)
