"""Prompts: questions that engineers ask of models again and again, put so that tools answer them.

Each is a text with places for its arguments. An argument that wasn't given leaves its sentence out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import mcp_types as types
from mcp.shared.exceptions import MCPError

Names = Literal["model", "result", "parameter", "input", "output", "words"]
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Argument:
    """One place in a prompt. `names` is what its value names, `says` the sentence that it is in."""

    name: str
    names: Names
    description: str
    says: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt: its sentences with arguments come first, then what to do."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    steps: str


def _model(says: str = "The model is {}.") -> Argument:
    return Argument("fmu_id", "model", "Id of a model", says, required=True)


QUESTIONS: Final = (
    Question(
        "explore_model",
        "Explore a model",
        "What a model is about, what it answers to, and one first run.",
        (_model(), Argument("interest", "words", "What you want to know", "I want to know: {}.")),
        "Call describe_model. Say in a few sentences what the model computes, its inputs, its most "
        "telling parameters with units, and its outputs. Then simulate its example_request, show a "
        "plot (get_result, format png), and say what it shows. Propose three further runs.",
    ),
    Question(
        "parameter_study",
        "Study a parameter",
        "How an output depends on a parameter, over a sensible range.",
        (
            _model(),
            Argument(
                "parameter", "parameter", "What varies", "Vary the parameter {}.", required=True
            ),
            Argument(
                "output", "output", "What is looked at", "Look at the output {}.", required=True
            ),
            Argument("goal", "words", "What would be best", "The goal: {}."),
        ),
        "Call describe_model for units, start values and limits. Choose a range around the start "
        "value that the limits allow, and KPIs of the output that fit the question (final, max, "
        "rms, settling_time ...). Use one run_study with 9 to 21 values, not many simulate calls. "
        "Give a table, the trend in a sentence, the best value, and rows that failed.",
    ),
    Question(
        "step_response",
        "Step response and tuning",
        "How a system answers to a step, and which controller setting is better.",
        (
            _model(),
            Argument("input", "input", "Where the step acts", "The step acts on {}."),
            Argument("output", "output", "What responds", "The response is {}.", required=True),
            Argument("tune", "parameter", "What may be changed", "Tune the parameter {}."),
            Argument("target", "words", "Limits to hold", "Hold: {}."),
        ),
        "Simulate with a step after a tenth of the time (input_signals, interpolation hold; "
        "without an input, the step that the model has itself) and the KPIs rise_time, overshoot, "
        "settling_time and steady_state_error of the response. Where something may be tuned, vary "
        "it by one run_study on a logarithmic range, name the best compromise, and run it with "
        "check_accuracy true. Show both responses.",
    ),
    Question(
        "validate_model",
        "Validate against measured data",
        "Whether a model reproduces a measurement, and where it does not.",
        (
            _model(),
            Argument(
                "output", "output", "What was measured", "The measurement is of {}.", required=True
            ),
            Argument("conditions", "words", "How it was measured", "Conditions: {}."),
        ),
        "Ask for the measurement as CSV (time in s first, then columns named like the outputs) "
        "where it is not here. Simulate under the same conditions and over the same time, with "
        "measured inputs as inputs_csv. Then compare_results with that csv: tell the error norms "
        "with units, whether it stays within the tolerance, and when the two part. Name likely "
        "causes, and test the likeliest by one study of the parameter behind it.",
    ),
    Question(
        "compare_designs",
        "Compare two designs",
        "What a change of parameters does to a model's behaviour.",
        (
            _model(),
            Argument(
                "change", "words", "The second design", "The second design: {}.", required=True
            ),
            Argument("output", "output", "What matters", "What matters is {}."),
            Argument("baseline", "result", "A result of the first", "The first design is {}."),
        ),
        "Simulate the first design, if there is no result of it yet, and the second with the same "
        "times, solver and outputs. Then compare_results of both. Give a table of the KPIs that "
        "matter with units and relative change, say where the two part, and which one is better "
        "for what.",
    ),
)

_BY_NAME: Final = {question.name: question for question in QUESTIONS}


def prompts() -> list[types.Prompt]:
    """All of them, as they are listed."""
    return [
        types.Prompt(
            name=question.name,
            title=question.title,
            description=question.description,
            arguments=[
                types.PromptArgument(
                    name=argument.name,
                    description=argument.description,
                    required=argument.required,
                )
                for argument in question.arguments
            ],
        )
        for question in QUESTIONS
    ]


def question_named(name: str) -> Question:
    """The question of that name.

    Raises:
        MCPError: there is none; it lists those that there are.

    """
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise MCPError(types.INVALID_PARAMS, f"no such prompt; there are {known}") from None


def asked(name: str, given: dict[str, str]) -> types.GetPromptResult:
    """The prompt with its arguments.

    Raises:
        MCPError: no such prompt; an argument lacks, is unknown, or too long.

    """
    question = question_named(name)
    values = {key: value.strip() for key, value in given.items() if value.strip()}
    _check(question, values)
    said = [a.says.format(values[a.name]) for a in question.arguments if a.name in values]
    text = types.TextContent(text=" ".join([*said, question.steps]))
    return types.GetPromptResult(
        description=question.description,
        messages=[types.PromptMessage(role="user", content=text)],
    )


def _check(question: Question, values: dict[str, str]) -> None:
    known = {argument.name for argument in question.arguments}
    lacking = [a.name for a in question.arguments if a.required and a.name not in values]
    if lacking:
        raise MCPError(types.INVALID_PARAMS, f"{question.name} needs {', '.join(lacking)}")
    if not values.keys() <= known:
        raise MCPError(types.INVALID_PARAMS, f"{question.name} takes {', '.join(sorted(known))}")
    if any(len(value) > _LONGEST for value in values.values()):
        raise MCPError(types.INVALID_PARAMS, f"an argument has at most {_LONGEST} characters")
