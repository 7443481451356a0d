"""All checks, one after the other: each does a little of what the gateway does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import typer

from gateway_server.compose import address_of, catalogue, payment_settings, simulator_of
from gateway_server.doctor import keeping, machine, money
from gateway_server.doctor.finding import Finding, findings_of
from gateway_server.settings import Settings, SettingsError, read_settings, storage_place
from gateway_simulation.runner import Simulator


def examine() -> bool:
    """Print a line for each check and one for what to do; whether all passed."""
    passed = True
    for finding in _findings():
        passed = passed and finding.passed
        for line in finding.lines:
            typer.echo(line)
    return passed


def _findings() -> Iterator[Finding]:
    try:
        settings = read_settings()
    except SettingsError as error:
        yield from _mistakes(error)
        return
    yield from findings_of("settings", partial(_settings, settings))
    yield from findings_of("database", partial(keeping.database, settings))
    yield from findings_of("storage", partial(keeping.storage, settings))
    yield from findings_of("disk", partial(keeping.disks, settings))
    yield from findings_of("engines", machine.engines)
    with closing(simulator_of(settings)) as simulator:
        yield from findings_of("library", partial(_library, settings, simulator))
        yield from findings_of("sandbox", partial(machine.sandbox, simulator))
        yield from findings_of("simulation", partial(machine.simulation, settings, simulator))
    yield from findings_of("sources", partial(machine.sources, settings))
    yield from findings_of("payments", partial(money.payments, settings))
    yield from findings_of("clock", partial(keeping.clock, settings))


def _mistakes(error: SettingsError) -> Iterator[Finding]:
    for line in error.mistakes:
        yield Finding("settings", line, passed=False)


def _settings(settings: Settings) -> Iterator[Finding]:
    try:
        storage_place(settings)
        payment_settings(settings, address_of(settings, settings.port))
    except SettingsError as error:
        yield from _mistakes(error)
        return
    given = len(settings.model_fields_set)
    yield Finding("settings", f"{given} given, `fmu-gateway settings` prints all")


def _library(settings: Settings, simulator: Simulator) -> Iterator[Finding]:
    try:
        found = catalogue(settings, simulator)
    except SettingsError as error:
        hint = "install the gateway again, with a C compiler; see README.md"
        if "LIBRARY_PATH" in str(error):
            hint = "make that folder, or set LIBRARY_PATH to one that is there"
        yield Finding("library", str(error), passed=False, remedy=hint)
        return
    yield Finding("library", f"{len(found.cards)} FMUs built")
