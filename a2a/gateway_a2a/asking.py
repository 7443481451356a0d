"""What a task that can't go on yet asks for: what is missing, a call, or a payment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from gateway_a2a.calls import Call
from gateway_payments.requirement import PaymentRefusedError, PaymentRequiredError
from gateway_tools.errors import Problem, problem
from gateway_tools.exceptions import IncompleteError, NotUnderstoodError
from gateway_tools.registry import TOOLS

_ASKING: Final = (PaymentRequiredError, PaymentRefusedError, IncompleteError, NotUnderstoodError)
_HOW: Final = "Answer with this task's id."


def asks(error: Exception) -> bool:
    """Whether the task goes on once its caller has answered; everything else ends it."""
    return isinstance(error, _ASKING)


def told_of(error: Exception, call: Call | None) -> Problem:
    """The problem; where arguments are missing, with an example of them."""
    told = problem(error)
    if call is None or not isinstance(error, IncompleteError):
        return told
    example = TOOLS[call.skill].example
    shown = {name: example[name] for name in error.details["missing"] if name in example}
    return replace(told, details={**told.details, "example": shown or example})


def in_words(told: Problem) -> str:
    """One line for whoever reads texts only."""
    if told.failure.code == "payment_required":
        paid = json.dumps({"quote_id": told.details["quote_id"]})
        return f"{told.message}. {told.details['next_step']}. Once it is paid: {paid}. {_HOW}"
    missing = told.details.get("missing")
    lacks = f": {', '.join(missing)}" if missing else ""
    example = _example(told.details)
    return f"{told.message}{lacks}. {example} {_HOW}" if example else f"{told.message}{lacks}."


def _example(details: dict[str, Any]) -> str:
    example = details.get("example")
    return f"For example, send a data part {json.dumps(example)}." if example else ""
