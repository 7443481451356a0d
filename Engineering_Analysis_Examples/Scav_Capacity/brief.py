"""The brief that goes to the customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from findings import Findings
from ordering import Ordered, Price

from fmu_gateway_sdk.answers import LibraryModel

PICTURE = "scavenge_capacity.png"
DATA = "scavenge_capacity.json"
_SHOWN_RUNS = 4
_ASSUMPTIONS = """\
- Requirement: oil supplied to the engine x {p[scavenge_ratio]:g}. Capability: oil, without its air,
  that the pump can take in and return.
- Supply pump {p[supply.D]:g} cm³/rev at {p[supply.ratio]:g} x engine speed; the relief valve limits
  the flow to the engine to {p[supply.limit]:g} L/min.
- Scavenge stages together {p[pump.D]:g} cm³/rev at {p[pump.ratio]:g} x engine speed, against
  {p[pump.dp]:g} bar; suction line {p[inlet.d]:g} mm x {p[inlet.l]:g} mm. All stages share evenly
  what drains.
- Oil of {p[oil.nu40]:g} mm²/s at 40 °C and {p[oil.nu100]:g} mm²/s at 100 °C, by ASTM D341 between.
- Aeration is the volume of air in the scavenged oil at ambient pressure. It is given, not
  predicted, and expands to the pressure at the pump's inlet.
- The coefficients of slip and suction loss are the model's defaults, not measured on this pump:
  confirm them by one run on the test bench."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the numbers come from."""

    gateway: str
    model: LibraryModel
    price: Price
    runs: Sequence[Ordered]
    flooded_after: float | None  # s at the worst point; None: not within the run

    def as_json(self) -> dict[str, Any]:
        """All that finds the runs again."""
        first = self.runs[0].answer
        return {
            "gateway": self.gateway,
            "engine": first.engine,
            "model": {
                "id": self.model.id,
                "guid": self.model.guid,
                "fmi_version": self.model.fmi_version,
                "sha256": first.model_sha256,
                "verified_against": self.model.verified_against,
                "verified_error": self.model.error,
            },
            "quoted": {
                "runs": self.price.runs,
                "amount": self.price.amount,
                "currency": self.price.currency,
                "quote_ids": self.price.quote_ids,
            },
            "runs": [run.trace for run in self.runs],
        }


def headline(findings: Findings) -> str:
    """The answer in a sentence or two."""
    case, worst = findings.case, findings.worst
    if findings.meets:
        return (
            f"The installed pump ({case.installed_ratio:.1f}:1) meets the requirement everywhere; "
            f"its smallest margin is {_percent(worst.margin)}, at {_where(findings)}."
        )
    return (
        f"The installed pump ({case.installed_ratio:.1f}:1) does **not** meet the requirement "
        f"everywhere: it lacks {_percent(-worst.margin)} at {_where(findings)}."
    )


def recommendation(findings: Findings) -> str:
    """What to build."""
    case, best = findings.case, findings.recommended
    reserve = _percent(case.reserve)
    if best is None:
        return (
            f"None of the {len(findings.sizes)} sizes looked at leaves {reserve} of reserve: lower "
            "the aeration, or the suction losses beyond the bores looked at."
        )
    installed_bore = case.parameters["inlet.d"]
    text = (
        f"**Scavenge ratio {best.ratio:.1f}:1** ({best.displacement:g} cm³/rev) with a suction "
        f"line of {best.bore:g} mm: the smallest of {len(findings.sizes)} sizes that keeps "
        f"{reserve} of reserve; its smallest margin is {_percent(best.worst)}."
    )
    wide = [size for size in findings.sizes if size.bore == installed_bore]
    if best.bore > installed_bore and max(size.worst for size in wide) < 0:
        most = max(wide, key=lambda size: size.displacement)
        text += (
            f" A larger pump alone doesn't help: with the installed {installed_bore:g} mm even "
            f"{most.ratio:.1f}:1 lacks {_percent(-most.worst)}, since what the suction line lets "
            "through decides, not what the pump sweeps."
        )
    return text


def markdown(findings: Findings, made: Provenance) -> str:
    """The whole brief."""
    sections = [
        "# Scavenge pump capacity",
        headline(findings),
        "## Finding",
        _finding(findings, made),
        f"![Capability, margin and sizes]({PICTURE})",
        "Smallest margin over all speeds, by the requirement:",
        _margins(findings),
        "## Recommendation",
        recommendation(findings),
        _sizes(findings),
        "## Assumptions",
        _assumptions(findings),
        "## Method",
        _method(findings, made),
        "## Verification of the model",
        _verification(made.model),
        "## Traceability",
        _traceability(made),
    ]
    return "\n\n".join(sections) + "\n"


def _finding(findings: Findings, made: Provenance) -> str:
    lines = [
        f"- At {short.temperature:g} °C and {_percent(short.aeration)} air the capability falls "
        f"below the requirement from {short.begins:.0f} to {short.ends:.0f} rev/min, by up to "
        f"{_percent(-short.worst)}."
        for short in findings.shortfalls
    ] or ["- The capability stays above the requirement at every operating point."]
    lines.append(f"- {_bearable(findings)}")
    if made.flooded_after is not None:
        lines.append(
            f"- At the worst point the sump takes in more than the pump returns and is flooded "
            f"after {made.flooded_after:.1f} s."
        )
    elif not findings.meets:
        lines.append(
            "- At the worst point the pump still returns what drains into the sump: the reserve "
            "is used up, but the sump isn't flooded within two minutes."
        )
    return "\n".join(lines)


def _bearable(findings: Findings) -> str:
    most = findings.case.aerations[-1]
    limited = {t: air for t, air in findings.bearable.items() if air < most}
    if not limited:
        return f"Every speed has its margin up to {_percent(most)} air, the most looked at."
    told = ", ".join(f"up to {air * 100:.1f} % air at {t:g} °C" for t, air in limited.items())
    return (
        f"Every speed has its margin {told}; otherwise up to {_percent(most)}, the most looked at."
    )


def _margins(findings: Findings) -> str:
    case = findings.case
    smallest = findings.relative.min(axis=2)
    rows = [
        [f"{temperature:g} °C", *(_signed(margin) for margin in smallest[t])]
        for t, temperature in enumerate(case.temperatures)
    ]
    return _table(["oil \\ air", *(_percent(a) for a in case.aerations)], rows)


def _sizes(findings: Findings) -> str:
    case = findings.case
    worst = {(size.displacement, size.bore): size.worst for size in findings.sizes}
    rows = [
        [f"{d:g} cm³/rev", f"{case.ratio_of(d):.1f}:1", *(_signed(worst[d, b]) for b in case.bores)]
        for d in case.displacements
    ]
    return _table(["displacement", "ratio", *(f"bore {b:g} mm" for b in case.bores)], rows)


def _assumptions(findings: Findings) -> str:
    return _ASSUMPTIONS.format(p=findings.case.parameters)


def _method(findings: Findings, made: Provenance) -> str:
    t, a, n = findings.case.shape
    return (
        f"One run of {made.model.id} visits all {t} x {a} x {n} operating points (oil temperature, "
        "aeration, speed), each held for a second; flows are in equilibrium at once, so a point "
        f"doesn't know the one before it. The same run is repeated for {len(findings.sizes)} sizes "
        "of pump and suction line. Speeds between two points come from a straight line."
    )


def _verification(model: LibraryModel) -> str:
    error = "" if model.error is None else f", largest error {model.error:.0e} of a signal's range"
    return (
        f"{model.id} (FMI {model.fmi_version}, {model.guid}) is verified against "
        f"{model.verified_against or 'nothing'}{error}. That says that its equations are solved "
        "rightly, not that the assumptions hold for this engine."
    )


def _traceability(made: Provenance) -> str:
    first = made.runs[0].answer
    engine = f"{first.engine['name']} {first.engine['version']}, sandbox {first.engine['sandbox']}"
    rows = [
        [one.purpose, f"`{one.answer.result_id}`", f"`{one.quote_id}`" if one.quote_id else "none"]
        for one in made.runs[:_SHOWN_RUNS]
    ]
    left = len(made.runs) - len(rows)
    more = f"\n\n{left} more, and the hashes of all requests, stand in {DATA}." if left > 0 else ""
    return (
        f"Gateway {made.gateway}; engine {engine}; model {first.model_sha256[:16]}. "
        f"Quoted for {made.price.runs} runs before the first: {made.price} "
        f"(first quote `{made.price.quote_ids[0]}`).\n\n"
        + _table(["run", "result", "paid quote"], rows)
        + more
    )


def _where(findings: Findings) -> str:
    worst = findings.worst
    return f"{worst.speed:.0f} rev/min, {worst.temperature:g} °C and {_percent(worst.aeration)} air"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(part: float) -> str:
    return f"{part * 100:.0f} %"


def _signed(part: float) -> str:
    text = f"{part * 100:+.0f} %"
    return f"**{text}**" if part < 0 else text
