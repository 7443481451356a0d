#!/usr/bin/env python3
"""Simulate an FMU with no set-up: `python run_fmu_simulation.py --auto`.

Finds a gateway (FMU_GATEWAY_URL, this machine's, PUBLIC_GATEWAY_URL) or starts one for this run,
makes an API key once and keeps it, sends the model if it wasn't sent before, and writes CSV, JSON
and PNG into simulation_results/. Progress goes to stderr. Ends with 1 after an error and with 2
where the run has to be paid first.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if find_spec("fmu_gateway_sdk") is None:  # not installed: take the one beside this script
    sys.path.insert(0, str(Path(__file__).resolve().parent / "sdk" / "python"))

from fmu_gateway_sdk import FMUGatewayClient, GatewayError, PaymentRequired, SimulateRequest
from fmu_gateway_sdk.exceptions import UnreachableError
from fmu_gateway_sdk.keys import user_folder
from fmu_gateway_sdk.local import simulate_locally

if TYPE_CHECKING:
    from fmu_gateway_sdk.answers import PaymentRequirement, SimulationResult
    from fmu_gateway_sdk.trajectory import Trajectory

DEFAULT_MODEL: Final = "msl:BouncingBall"
RESULTS: Final = Path("simulation_results")
FAILED: Final = 1
UNPAID: Final = 2
EMBEDDED: Final = "embedded"
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Written:
    """A finished run: what to print as JSON, where its files are, and lines for a person."""

    report: dict[str, Any]
    files: dict[str, Path]
    lines: list[str]


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        request = _request(options)
        return _locally(request, options) if options.mode == "local" else _there(request, options)
    except PaymentRequired as required:
        _say("This run has to be paid first.")
        _print_requirement(required.requirement, as_json=options.json)
        return UNPAID
    except GatewayError as error:
        _print_error(error, as_json=options.json)
        return FAILED
    except (OSError, ValueError) as error:
        plain = GatewayError("invalid_input", 0, str(error), "Correct the command and repeat it.")
        _print_error(plain, as_json=options.json)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--auto", action="store_true", help="find or start a gateway (the default; for clarity)")
    add("--fmu", metavar="PATH|ID", help="a file, or an id such as msl:BouncingBall")
    add("--config", metavar="FILE.json", type=Path, help="the fields of a simulate request")
    add("--mode", choices=("gateway", "local"), default="gateway", help="local: FMPy, no gateway")
    add("--quote", action="store_true", help="print what the run would cost, run nothing")
    add("--payment-token", metavar="T", help="pays for the run; alone, it runs what was quoted")
    add("--stop", metavar="S", type=float, help="end of the simulation [s]")
    add("--set", metavar="NAME=VALUE", action="append", default=[], help="a start value")
    add("--plot", action="store_true", help="show the plot when it is there")
    add("--json", action="store_true", help="print the answer as JSON on stdout")
    return parser


def _request(options: argparse.Namespace) -> SimulateRequest:
    """The request out of the configuration file and the options, which go before it."""
    request = SimulateRequest.from_json(_config(options.config))
    if options.stop is not None:
        request = replace(request, stop_time=options.stop)
    if options.set:
        given = request.start_values or {}
        if not isinstance(given, dict):
            message = f"{options.config}: start_values holds no JSON object"
            raise ValueError(message)
        request = replace(request, start_values={**given, **_set(options)})
    if options.payment_token:
        request = replace(request, payment_token=options.payment_token)
        alone = request == SimulateRequest(payment_token=options.payment_token)
        if alone and not options.fmu and options.mode == "gateway":
            return request  # the gateway keeps the request that the token was bought for
    model = options.fmu or request.fmu_path or request.fmu_id or _model_nearby()
    return _with_model(request, str(model))


def _config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    plain = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(plain, dict):
        message = f"{path} holds no JSON object"
        raise ValueError(message)  # noqa: TRY004  it is the file's content that is wrong
    return plain


def _set(options: argparse.Namespace) -> dict[str, Any]:
    """Start values: numbers, true and false, lists; anything else is text."""
    values: dict[str, Any] = {}
    for assignment in options.set:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            message = f"--set {assignment}: write NAME=VALUE"
            raise ValueError(message)
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _model_nearby() -> str:
    """The only FMU of the working directory, else the library's ball."""
    found = sorted(Path.cwd().glob("*.fmu"))
    if len(found) == 1:
        _say(f"Model: {found[0].name}, the only FMU here")
        return str(found[0])
    why = "no FMU here" if not found else f"{len(found)} FMUs here, choose with --fmu"
    _say(f"Model: {DEFAULT_MODEL} ({why})")
    return DEFAULT_MODEL


def _with_model(request: SimulateRequest, model: str) -> SimulateRequest:
    if Path(model).is_file():
        return replace(request, fmu_id=None, fmu_path=model)
    if model.lower().endswith(".fmu"):
        raise FileNotFoundError(model)
    return replace(request, fmu_id=model, fmu_path=None)


def _there(request: SimulateRequest, options: argparse.Namespace) -> int:
    """Simulate, or ask the price, at a gateway."""
    with open_gateway() as client:
        asked = _uploaded(client, request)
        if options.quote:
            _print_requirement(client.payment_requirement(asked), as_json=options.json)
            return 0
        _say("Simulating ...")
        answer = client.simulate(asked)
        _finish(_fetched(client, answer), options)
    return 0


def _locally(request: SimulateRequest, options: argparse.Namespace) -> int:
    """Simulate by FMPy on this machine."""
    if options.quote:
        _print_requirement(None, as_json=options.json)
        return 0
    asked = request if request.fmu_path else replace(request, fmu_path=_library_file(request))
    _say(f"Simulating {asked.fmu_path or asked.fmu_id} by FMPy on this machine ...")
    trajectory = simulate_locally(asked)
    if request.kpis:
        _say("KPIs are left out: a gateway computes them")
    _finish(_recorded(asked, trajectory), options)
    return 0


@contextmanager
def open_gateway() -> Iterator[FMUGatewayClient]:
    """A client of the gateway that answers, or of one that lives as long as this run."""
    with FMUGatewayClient("auto") as client:
        if _is_found(client):
            _say(f"Gateway: {client.find_url()}")
            yield client
            return
    with _embedded() as client:
        yield client


def _is_found(client: FMUGatewayClient) -> bool:
    try:
        client.find_url()
    except UnreachableError:
        if find_spec("gateway_server") is None:
            raise
        return False
    return True


@contextmanager
def _embedded() -> Iterator[FMUGatewayClient]:
    """A gateway in this process; its database and key stay in this user's folder."""
    from gateway_server.embedded import embedded_gateway  # noqa: PLC0415  seldom needed, slow
    from gateway_server.logs import configure_logs  # noqa: PLC0415
    from gateway_server.settings import SettingsError, read_settings  # noqa: PLC0415

    folder = user_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen: dict[str, object] = {"host": "127.0.0.1", "port": 0, "public_base_url": None}
    if not os.environ.get("DATABASE_URL") and not os.environ.get("FMU_GATEWAY_DB_PATH"):
        chosen["fmu_gateway_db_path"] = str(folder / "embedded.sqlite3")
    try:
        configure_logs("console", least=logging.WARNING)
        with embedded_gateway(read_settings(**chosen)) as gateway:
            _say(f"Gateway: started one for this run at {gateway.url}")
            with FMUGatewayClient(gateway.url, key_name=EMBEDDED) as client:
                yield client
    except SettingsError as error:
        raise ValueError(str(error)) from error


def _uploaded(client: FMUGatewayClient, request: SimulateRequest) -> SimulateRequest:
    if request.fmu_path is None:
        return request
    model = client.upload_fmu_smart(request.fmu_path)
    state = "sent before" if model.already_known else "sent"
    _say(f"Model: {request.fmu_path} ({state}) is {model.id}")
    for warning in (*model.warnings, *model.problems):
        _say(f"  warning: {warning}")
    return replace(request, fmu_id=model.id)


def _fetched(client: FMUGatewayClient, answer: SimulationResult) -> Written:
    """The run's files, out of its gateway."""
    files = _files(f"{_plain(answer.fmu_id)}_{answer.result_id}")
    files["csv"].write_bytes(client.csv(answer.result_id))
    files["png"].write_bytes(client.plot(answer.result_id))
    files["json"].write_text(json.dumps(dict(answer), indent=2), encoding="utf-8")
    lines = [f"{name} = {_number(kpi.value)} {kpi.unit or ''}" for name, kpi in answer.kpis.items()]
    lines += [_line(name, output) for name, output in answer.outputs.items()]
    lines += [f"warning: {warning}" for warning in answer.warnings]
    return Written(dict(answer), files, lines)


def _recorded(request: SimulateRequest, trajectory: Trajectory) -> Written:
    """The files of a run on this machine."""
    model = Path(request.fmu_path or "").stem
    files = _files(f"{_plain(model)}_local")
    files["csv"].write_text(_csv(trajectory), encoding="utf-8")
    _draw(trajectory, model, files["png"])
    report: dict[str, Any] = {
        "status": "done",
        "engine": {"name": "fmpy", "sandbox": None},
        "outputs": {
            name: {
                "unit": trajectory.units.get(name),
                "start": float(values[0]),
                "end": float(values[-1]),
                "min": float(values.min()),
                "max": float(values.max()),
            }
            for name, values in trajectory.columns.items()
        },
    }
    files["json"].write_text(json.dumps(report, indent=2), encoding="utf-8")
    lines = [_line(name, line) for name, line in report["outputs"].items()]
    return Written(report, files, lines[:_SHOWN])


def _line(name: str, output: Mapping[str, Any]) -> str:
    start, end, low, high = (_number(output[key]) for key in ("start", "end", "min", "max"))
    return f"{name}: {start} -> {end}, min {low}, max {high} {output['unit'] or ''}".rstrip()


def _csv(trajectory: Trajectory) -> str:
    """Full precision, as a gateway writes it."""
    import csv  # noqa: PLC0415  only here
    import io  # noqa: PLC0415

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", *trajectory.names])
    writer.writerows(
        zip(
            trajectory.time.tolist(),
            *(c.tolist() for c in trajectory.columns.values()),
            strict=True,
        )
    )
    return text.getvalue()


def _draw(trajectory: Trajectory, title: str, path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415  a second to load

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="time [s]")
    for name, values in list(trajectory.columns.items())[:_SHOWN]:
        axes.plot(trajectory.time, values, label=f"{name} [{trajectory.units.get(name) or '-'}]")
    axes.grid(visible=True, alpha=0.3)
    if trajectory.columns:
        axes.legend()
    figure.savefig(path)


def _library_file(request: SimulateRequest) -> Path | None:
    """The built file of a library model, where the gateway is installed here."""
    if find_spec("gateway_library") is None:
        return None
    from gateway_library.build import built_folder  # noqa: PLC0415  only for library models

    name = str(request.fmu_id).removeprefix("msl:")
    files = built_folder().glob("*.fmu")
    named = [file for file in files if name in {file.stem, file.stem.rpartition(".")[2]}]
    return named[0] if len(named) == 1 else None


def _finish(written: Written, options: argparse.Namespace) -> None:
    for path in written.files.values():
        _say(f"Wrote {path}")
    if options.json:
        files = {kind: str(path) for kind, path in written.files.items()}
        print(json.dumps({**written.report, "files": files}))  # noqa: T201
    else:
        print("\n".join(written.lines))  # noqa: T201
    if options.plot:
        import webbrowser  # noqa: PLC0415  only here

        webbrowser.open(written.files["png"].resolve().as_uri())


def _print_requirement(requirement: PaymentRequirement | None, *, as_json: bool) -> None:
    """The price and the ways to pay, for a person or a program."""
    if requirement is None:
        print(json.dumps({"amount": 0}) if as_json else "free")  # noqa: T201
        return
    if as_json:
        print(json.dumps(dict(requirement)))  # noqa: T201
        return
    price = f"{requirement.amount:.2f} {requirement.currency.upper()}"
    lines = [f"This run costs {price} (quote {requirement.quote_id})."]
    lines += [
        f"  {offer.kind}: {offer.amount:g} {offer.currency.upper()}" for offer in requirement.offers
    ]
    if requirement.checkout_url:
        lines.append(f"Pay at {requirement.checkout_url}")
    lines.append(f"Valid until {requirement.expires_at:%Y-%m-%d %H:%M %Z}.")
    lines.append("Then: run_fmu_simulation.py --payment-token TOKEN")
    lines += [f"  {number}. {step}" for number, step in enumerate(requirement.next_steps, 1)]
    print("\n".join(lines))  # noqa: T201


def _print_error(error: GatewayError, *, as_json: bool) -> None:
    if as_json:
        told: Mapping[str, Any] = {
            "code": error.code,
            "message": error.message,
            "remedy": error.remedy,
            "details": dict(error.details),
        }
        print(json.dumps(told))  # noqa: T201
        return
    _say(f"Error: {error.message} ({error.code})")
    for name, detail in error.details.items():
        if detail:
            _say(f"  {name}: {json.dumps(detail)}")
    if error.remedy:
        _say(f"  {error.remedy}")


def _files(stem: str) -> dict[str, Path]:
    RESULTS.mkdir(exist_ok=True)
    return {kind: RESULTS / f"{stem}.{kind}" for kind in ("csv", "json", "png")}


def _plain(name: str) -> str:
    """A model's name as part of a file's name."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name.removeprefix("msl:"))[:80]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
