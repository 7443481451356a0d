"""`fmu-gateway doctor`: checks a machine by doing what the gateway does."""

from __future__ import annotations

import typer

from gateway_server.compose import address_of, close, compose
from gateway_server.settings import Settings, SettingsError, database_url, without_password
from gateway_simulation import native
from gateway_simulation.layout import Tier
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import engine_version
from gateway_simulation.solvers import available_engines, shortcomings
from gateway_tools.context import Gateway


def examine(settings: Settings) -> bool:
    """Print one line a check, with what to do where it fails; whether all passed."""
    try:
        gateway = compose(settings, address_of(settings, settings.port))
    except SettingsError as error:
        for line in error.mistakes:
            _tell("settings", line, passed=False)
        return False
    try:
        _tell("settings", f"database {without_password(database_url(settings))}", passed=True)
        _tell("library", f"{len(gateway.catalogue.cards)} FMUs built", passed=True)
        _tell("payments", ", ".join(gateway.payments.offers_enabled) or "free", passed=True)
        lacking = gateway.payments.shortcomings()
        for sentence in lacking:
            _tell("payments", sentence, passed=False)
        return _complete() and _simulates(gateway) and _compiles(gateway) and not lacking
    finally:
        close(gateway)


def _complete() -> bool:
    lacking = shortcomings()
    for sentence in lacking:
        _tell("engines", sentence, passed=False)
    if not lacking:
        told = ", ".join(f"{name} {engine_version(name)}" for name in available_engines())
        _tell("engines", f"{told}, {native.libc_version()}", passed=True)
    return not lacking


def _simulates(gateway: Gateway) -> bool:
    try:
        model = gateway.catalogue.resolve("msl:BouncingBall")
        run = plan(model, SimulationRequest(fmu_id=model.id), RunLimits())
        trajectory = gateway.simulator.run(run)
    except Exception as error:  # noqa: BLE001  a check tells, whatever it was
        _tell("simulation", f"{type(error).__name__}: {error}", passed=False)
        return False
    engine = trajectory.engine
    told = f"{trajectory.rows} rows by {engine['name']} {engine['version']}"
    _tell("simulation", told, passed=True)
    confined = gateway.simulator.tier is not Tier.DEVELOPMENT
    _tell("sandbox", engine["sandbox"] or "", passed=confined)
    return confined


def _compiles(gateway: Gateway) -> bool:
    """Whether FMUs that have sources only are taken; a gateway that refuses them is whole too."""
    problem = gateway.builder.problem
    if problem is not None:
        _tell("sources", f"FMUs without a binary are refused: {problem}", passed=True)
        return True
    tier = gateway.builder.tier
    told = f"compiled by {gateway.builder.compiler}, jail {tier.name.lower()}"
    _tell("sources", told, passed=tier is not Tier.DEVELOPMENT)
    return tier is not Tier.DEVELOPMENT


def _tell(what: str, told: str, *, passed: bool) -> None:
    typer.echo(f"{'ok  ' if passed else 'FAIL'} {what:11} {told}")
