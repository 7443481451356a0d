#!/usr/bin/env python3
"""Does the scavenge pump keep up with the engine? Run this file with python, anywhere.

Asks a gateway (FMU_GATEWAY_URL, this machine's, PUBLIC_GATEWAY_URL, else one started for this run)
for the price, runs the library's model msl:ScavengePump over speed, oil temperature and aeration
and for other sizes of the pump, and writes a brief for the customer, its data and an overview
picture into outputs/. Ends with 2 where a person has to pay first.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from brief import DATA, PICTURE, Provenance, headline, markdown, recommendation  # noqa: E402
from case import MODEL, WORST, Case  # noqa: E402
from findings import Findings, Size  # noqa: E402
from ordering import Ordered, UnpaidError, order, price  # noqa: E402
from overview import draw  # noqa: E402
from run_fmu_simulation import open_gateway  # noqa: E402

from fmu_gateway_sdk import FMUGatewayClient, GatewayError  # noqa: E402
from fmu_gateway_sdk.answers import LibraryModel  # noqa: E402

FAILED: Final = 1
UNPAID: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Ask, run, write; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quote", action="store_true", help="only say what it would cost")
    parser.add_argument("--offer", default="credits", help="how to pay where it costs")
    parser.add_argument(
        "--output", type=Path, default=HERE / "outputs", help="folder for the files"
    )
    options = parser.parse_args(arguments)
    try:
        with open_gateway() as client:
            return _answer(client, Case(), options)
    except UnpaidError as unpaid:
        _say(f"Not paid: {unpaid}")
        return UNPAID
    except GatewayError as error:
        _say(f"Error: {error.message} ({error.code}). {error.remedy}")
        return FAILED


def _answer(client: FMUGatewayClient, case: Case, options: argparse.Namespace) -> int:
    sizes = case.sizes()
    requests = [case.envelope(), *(case.sized(*size) for size in sizes)]
    quoted = price(client, [*requests, case.flooding(*case.corner)])
    print(f"{quoted.runs} runs of {MODEL}: {quoted}")
    if options.quote:
        return 0
    installed = order(client, "envelope as installed", requests[0], options.offer)
    runs = [
        order(client, f"envelope with {d:g} cm³/rev, {bore:g} mm", request, options.offer)
        for (d, bore), request in zip(sizes, requests[1:], strict=True)
    ]
    findings = _findings(client, case, installed, runs)
    worst = findings.worst
    request = case.flooding(worst.temperature, worst.aeration, worst.speed)
    flooding = order(client, "sump at the worst point", request, options.offer)
    made = Provenance(
        gateway=client.find_url(),
        model=_model(client),
        price=quoted,
        runs=[installed, flooding, *runs],
        flooded_after=_flooded_after(client, flooding),
    )
    _write(options.output, findings, made)
    print(headline(findings).replace("**", ""))
    print(recommendation(findings).replace("**", ""))
    return 0


def _findings(
    client: FMUGatewayClient, case: Case, installed: Ordered, runs: list[Ordered]
) -> Findings:
    found = client.result(installed.answer.result_id)
    sizes = []
    for (displacement, bore), run in zip(case.sizes(), runs, strict=True):
        worst = run.answer.kpis[WORST].value
        assert worst is not None  # the minimum of a signal that was recorded
        sizes.append(Size(displacement, bore, case.ratio_of(displacement), worst))
    return Findings(
        case=case,
        capability=case.at_points(found.time, found["oil_capacity"]),
        requirement=case.at_points(found.time, found["requirement"]),
        efficiency=case.at_points(found.time, found["pump.efficiency"]),
        sizes=tuple(sizes),
    )


def _flooded_after(client: FMUGatewayClient, flooding: Ordered) -> float | None:
    """When the sump was first flooded [s]."""
    course = client.result(flooding.answer.result_id)
    flooded = course["flooded"] > 0
    return float(course.time[flooded.argmax()]) if flooded.any() else None


def _model(client: FMUGatewayClient) -> LibraryModel:
    """What the library says of the model."""
    return next(model for model in client.library(MODEL).models if model.id == MODEL)


def _write(folder: Path, findings: Findings, made: Provenance) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    brief, answer = folder / "brief.md", headline(findings).replace("**", "")
    brief.write_text(markdown(findings, made), encoding="utf-8")
    data = {
        "question": "Can the scavenge pump return what the engine is supplied with?",
        "answer": answer,
        "recommendation": recommendation(findings).replace("**", ""),
        "parameters": findings.case.parameters,
        "findings": findings.as_json(),
        "flooded_after_s": made.flooded_after,
        "provenance": made.as_json(),
    }
    (folder / DATA).write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
    draw(findings, f"Scavenge pump capacity\n{answer}", folder / PICTURE)
    for name in (brief.name, DATA, PICTURE):
        print(f"Wrote {folder / name}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
