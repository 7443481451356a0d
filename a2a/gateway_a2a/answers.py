"""What a call came to, as its task tells it: artifacts as they are made, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from a2a.helpers import new_data_part, new_raw_part, new_text_part
from a2a.server.tasks import TaskUpdater
from a2a.types.a2a_pb2 import Part, TaskState
from anyio import to_thread

from gateway_a2a import asking, x402
from gateway_a2a.calls import Call
from gateway_payments.proof import Proof
from gateway_tools import get_result, run_study, simulate
from gateway_tools.context import Context
from gateway_tools.tool import Answered, File

JSON: Final = "application/json"
RUNNING: Final = frozenset({simulate.NAME, run_study.NAME})
"""Skills whose result is also had as a file, of each media type that the caller accepts."""
FILES: Final = {
    get_result.MEDIA_TYPES[form].partition(";")[0]: form
    for form in ("csv", "png", "svg", "parquet")
}


async def deliver(
    updater: TaskUpdater, caller: Context, call: Call, answered: Answered, accepted: frozenset[str]
) -> None:
    """The answer as data, then each file, then the end of the task with what was paid."""
    data = new_data_part(answered.output.model_dump(mode="json"), media_type=JSON)
    await updater.add_artifact([data], name=call.skill, last_chunk=True)
    if answered.file is not None:
        await _add(updater, answered.file)
    for wanted in _wanted(call, answered, accepted):
        file = await to_thread.run_sync(_file, replace(caller, proof=None), wanted)
        if file is not None:
            await _add(updater, file)
    receipts = x402.paid(caller.proof)
    paid = [new_text_part("The payment was settled.")]
    message = updater.new_agent_message(paid, metadata=receipts) if receipts else None
    await updater.update_status(TaskState.TASK_STATE_COMPLETED, message=message)


async def tell(
    updater: TaskUpdater, error: Exception, call: Call | None, proof: Proof | None
) -> None:
    """The failure as data; where the caller can help, the task asks for it, in words too."""
    told = asking.told_of(error, call)
    parts = [new_data_part(told.body, media_type=JSON)]
    ask = asking.asks(error)
    if ask:
        parts.append(new_text_part(asking.in_words(told)))
    message = updater.new_agent_message(parts, metadata=x402.failed(told, proof) or None)
    state = TaskState.TASK_STATE_INPUT_REQUIRED if ask else TaskState.TASK_STATE_FAILED
    await updater.update_status(state, message=message)


def _wanted(call: Call, answered: Answered, accepted: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Calls of `get_result` for the files."""
    result_id = getattr(answered.output, "result_id", None)
    if call.skill in RUNNING and result_id is not None:
        for media_type, form in FILES.items():
            if media_type in accepted:
                yield {"result_id": result_id, "format": form}


def _file(caller: Context, wanted: dict[str, Any]) -> File | None:
    return get_result.TOOL.call(caller, wanted).file


async def _add(updater: TaskUpdater, file: File) -> None:
    await updater.add_artifact([_part(file)], name=file.name, last_chunk=True)


def _part(file: File) -> Part:
    return new_raw_part(file.data, media_type=file.media_type, filename=file.name)
