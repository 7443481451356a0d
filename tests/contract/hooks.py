"""What schemathesis is told of this gateway beside the schema: one check of our own."""

from __future__ import annotations

from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, Response
from schemathesis.generation import GenerationMode

ACROSS_FIELDS: Final = (
    "Belongs into the study's base",
    "Give either values, or min and max",
    "count goes with min and max",
    "Field required",  # base and parameters of a study that nothing paid stands for
)
"""Rules between fields, which the schema says in words only."""


@schemathesis.check
def what_fits_the_schema_is_understood(
    context: CheckContext, response: Response, case: Case[Any]
) -> None:
    """A request that fits the published schema is never told that it doesn't fit."""
    del context
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if response.status_code not in {400, 422}:
        return
    told = response.json()
    problems = {problem["problem"] for problem in told["details"].get("problems", ())}
    allowed = told["code"] != "invalid_input" or any(
        rule in problem for problem in problems for rule in ACROSS_FIELDS
    )
    assert allowed, f"the schema allows what isn't taken: {told['details']}"
    assert told["code"] != "not_json", told
