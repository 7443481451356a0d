"""`fmu-gateway simulate` and `describe`: a model on the command line, for people and programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway_server.places import Place, RefusedError

DEFAULT_MODEL: Final = "msl:BouncingBall"
FAILED: Final = 1
UNPAID: Final = 2
PAYMENT: Final = "payment_required"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says."""

    model: str | None
    config: Path | None
    stop: float | None
    values: Sequence[str]
    kpis: Sequence[str]
    payment_token: str | None
    quote: bool
    as_json: bool
    plot: bool
    output: Path


class MistakeError(Exception):
    """The command line doesn't fit."""


def simulate(place: Place, wish: Wish) -> int:
    """Run the model, or price it, and say what came of it; the exit status."""
    try:
        request = _request(place, wish)
        if wish.quote:
            return _priced(place, request, as_json=wish.as_json)
        _say("Simulating ...")
        answer = place.call("simulate", request)
        files = _written(place, answer, wish.output)
    except RefusedError as refused:
        return told(refused.body, as_json=wish.as_json, option=place.option)
    if wish.as_json:
        print(json.dumps({**answer, "files": {k: str(v) for k, v in files.items()}}))  # noqa: T201
    else:
        print("\n".join(_lines(answer)))  # noqa: T201
    if wish.plot:
        import webbrowser  # noqa: PLC0415  only here

        webbrowser.open(files["png"].resolve().as_uri())
    return 0


def describe(place: Place, model: str, query: str | None, *, as_json: bool) -> int:
    """A model's variables, experiment and kinds; the exit status."""
    try:
        asked = {"query": query} if query else {}
        answer = place.call("describe_model", {"fmu_id": _model(place, model), **asked})
    except RefusedError as refused:
        return told(refused.body, as_json=as_json)
    print(json.dumps(answer) if as_json else "\n".join(_description(answer)))  # noqa: T201
    return 0


def told(body: Mapping[str, Any], *, as_json: bool, option: str = "") -> int:
    """Print a refusal; the exit status. `option` names the place where it can be paid for."""
    unpaid = body["code"] == PAYMENT
    if as_json:
        print(json.dumps(body))  # noqa: T201
    elif unpaid:
        _say("This run has to be paid first.")
        print("\n".join(_requirement(body, option)))  # noqa: T201
    else:
        _say(f"Error: {body['message']} ({body['code']})")
        for name, detail in (body.get("details") or {}).items():
            if detail:
                _say(f"  {name}: {json.dumps(detail)}")
        _say(f"  {body['remedy']}")
    return UNPAID if unpaid else FAILED


def mistake(message: str) -> dict[str, Any]:
    """What is wrong with the command itself, as a refusal."""
    remedy = "Correct the command and repeat it."
    return {"code": "invalid_input", "message": message, "remedy": remedy, "details": {}}


def _request(place: Place, wish: Wish) -> dict[str, Any]:
    """The fields of a simulate request: the file's, and the options, which go before them."""
    request = _config(wish.config)
    if wish.stop is not None:
        request["stop_time"] = wish.stop
    if wish.values:
        given = request.get("start_values") or {}
        if not isinstance(given, dict):
            message = f"--config {wish.config}: start_values holds no JSON object"
            raise MistakeError(message)
        request["start_values"] = {**given, **_values(wish.values)}
    if wish.kpis:
        request["kpis"] = list(wish.kpis)
    if wish.payment_token:
        request["payment_token"] = wish.payment_token
        if wish.model is None and request.keys() == {"payment_token"}:
            return request  # the gateway keeps the request that the token was bought for
    named = wish.model or request.pop("fmu_path", None) or request.get("fmu_id") or _nearby()
    return request | {"fmu_id": _model(place, str(named))}


def _config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"--config {path}: {error}"
        raise MistakeError(message) from None
    if not isinstance(plain, dict):
        message = f"--config {path}: holds no JSON object"
        raise MistakeError(message)
    return plain


def _values(assignments: Sequence[str]) -> dict[str, Any]:
    """Start values: numbers, true and false, lists; anything else is text."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            message = f"--set {assignment}: write NAME=VALUE"
            raise MistakeError(message)
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _nearby() -> str:
    """The only FMU of the working directory, else the library's ball."""
    found = sorted(Path.cwd().glob("*.fmu"))
    if len(found) == 1:
        _say(f"Model: {found[0].name}, the only FMU here")
        return str(found[0])
    why = "no FMU here" if not found else f"{len(found)} FMUs here, name one"
    _say(f"Model: {DEFAULT_MODEL} ({why})")
    return DEFAULT_MODEL


def _model(place: Place, named: str) -> str:
    """The id of a model; a file is uploaded."""
    path = Path(named)
    if not path.is_file():
        if named.lower().endswith(".fmu"):
            message = f"{named}: there is no such file"
            raise MistakeError(message)
        return named
    model = place.upload(path)
    _say(f"Model: {path} ({'known' if model['already_known'] else 'new'}) is {model['id']}")
    for warning in (*model.get("warnings", ()), *model.get("problems", ())):
        _say(f"  warning: {warning}")
    return str(model["id"])


def _priced(place: Place, request: dict[str, Any], *, as_json: bool) -> int:
    """Print the requirement, or that it is free; both are what was asked for."""
    try:
        place.call("simulate", {**request, "quote_only": True})
    except RefusedError as refused:
        if refused.body["code"] != PAYMENT:
            raise
        body = refused.body
        print(json.dumps(body) if as_json else "\n".join(_requirement(body, place.option)))  # noqa: T201
        return 0
    print(json.dumps({"amount": 0}) if as_json else "free")  # noqa: T201
    return 0


def _written(place: Place, answer: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """CSV, JSON and PNG of the run, in the folder."""
    result_id = str(answer["result_id"])
    name = str(answer["fmu_id"]).removeprefix("msl:")
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[:80]
    data = {form: place.file(result_id, form) for form in ("csv", "png")}
    data["json"] = json.dumps(answer, indent=2).encode()
    folder.mkdir(parents=True, exist_ok=True)
    files = {form: folder / f"{plain}_{result_id}.{form}" for form in data}
    for form, path in files.items():
        path.write_bytes(data[form])
        _say(f"Wrote {path}")
    return files


def _lines(answer: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{name} = {_number(kpi['value'])} {kpi['unit'] or ''}".rstrip()
        for name, kpi in answer["kpis"].items()
    ]
    for name, output in answer["outputs"].items():
        start, end, low, high = (_number(output[key]) for key in ("start", "end", "min", "max"))
        unit = output["unit"] or ""
        lines.append(f"{name}: {start} -> {end}, min {low}, max {high} {unit}".rstrip())
    if answer["omitted"]:
        lines.append(f"and {answer['omitted']} more outputs, in the CSV")
    return [*lines, *(f"warning: {warning}" for warning in answer["warnings"])]


def _requirement(body: Mapping[str, Any], option: str) -> list[str]:
    """The price and the ways to pay, for a person."""
    currency = str(body["currency"]).upper()
    lines = [f"This run costs {body['amount']:.2f} {currency} (quote {body['quote_id']})."]
    lines += [
        f"  {offer['kind']}: {offer['amount']:g} {offer['currency'].upper()}"
        for offer in body["offers"]
    ]
    if body["checkout_url"]:
        lines.append(f"Pay at {body['checkout_url']}")
    expires = datetime.fromisoformat(body["expires_at"])
    lines.append(f"Valid until {expires:%Y-%m-%d %H:%M %Z}.")
    lines.append(f"Then: fmu-gateway simulate {option}--payment-token TOKEN")
    return lines + [f"  {number}. {step}" for number, step in enumerate(body["next_steps"], 1)]


def _description(answer: Mapping[str, Any]) -> list[str]:
    experiment = ", ".join(f"{k} {v:g}" for k, v in answer["default_experiment"].items())
    kinds = ", ".join(answer["kinds"])
    lines = [
        f"{answer['id']}: {answer['model_name']}, FMI {answer['fmi_version']}, {kinds}",
        *([str(answer["description"])] if answer["description"] else []),
        f"default experiment: {experiment or 'none'}; continuous states: {answer['states']}",
    ]
    for variable in answer["variables"]:
        start = "" if variable["start"] is None else f" = {variable['start']}"
        unit = f" [{variable['unit']}]" if variable["unit"] else ""
        words = f"  {variable['description']}" if variable["description"] else ""
        lines.append(f"  {variable['causality']:<10} {variable['name']}{start}{unit}{words}")
    left = answer["total"] - len(answer["variables"])
    return [*lines, f"  and {left} more: --query WORD finds them"] if left > 0 else lines


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
