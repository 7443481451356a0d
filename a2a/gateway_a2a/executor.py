"""A message becomes a tool call, its answer artifacts, its failure a task state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from a2a.helpers import (
    new_data_part,
    new_raw_part,
    new_task_from_user_message,
    new_text_part,
)
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types.a2a_pb2 import Part, TaskState
from anyio import to_thread

from gateway_a2a import x402
from gateway_a2a.calls import Call, call_of
from gateway_payments.proof import Proof
from gateway_simulation.watch import Watch
from gateway_tools.context import Context
from gateway_tools.errors import Problem, problem
from gateway_tools.registry import tool_named
from gateway_tools.tool import Answered, File

_JSON: Final = "application/json"
_ASKING: Final = frozenset({"payment_required", "payment_refused"})  # a payment is what is missing


class Executor(AgentExecutor):
    """Runs tools for other agents. `context_for` finds who called, from the request's state."""

    def __init__(self, context_for: Callable[[Mapping[str, Any]], Context]) -> None:
        self._context_for = context_for
        self._watches: dict[str, Watch] = {}  # of tasks whose tool works

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Do what the message asks for, and say how it went."""
        message, task = context.message, context.current_task
        assert message is not None
        if task is None:
            task = new_task_from_user_message(message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        proof = x402.proof_in(message)
        try:
            call = call_of(message, context.current_task, paying=proof is not None)
            await updater.start_work()
            caller = replace(self._context_for(context.call_context.state), proof=proof)
            answer = await self._work(task.id, caller, call)
        except Exception as error:  # noqa: BLE001  every failure is told in the task
            await _tell(updater, problem(error), proof)
            return
        await _deliver(updater, call, answer, proof)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """End what runs for the task, which is then cancelled and not charged."""
        assert context.task_id is not None
        assert context.context_id is not None
        watch = self._watches.get(context.task_id)
        if watch is not None:
            watch.cancel()
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()

    async def _work(self, task_id: str, caller: Context, call: Call) -> Answered:
        self._watches[task_id] = caller.watch
        try:
            return await to_thread.run_sync(_called, caller, call)
        finally:
            del self._watches[task_id]


def _called(context: Context, call: Call) -> Answered:
    return tool_named(call.skill).call(context, call.arguments)


async def _tell(updater: TaskUpdater, failure: Problem, proof: Proof | None) -> None:
    part = new_data_part(failure.body, media_type=_JSON)
    message = updater.new_agent_message([part], metadata=x402.failed(failure, proof) or None)
    if failure.failure.code in _ASKING:
        await updater.requires_input(message)
    else:
        await updater.failed(message)


async def _deliver(updater: TaskUpdater, call: Call, answer: Answered, proof: Proof | None) -> None:
    data = new_data_part(answer.output.model_dump(mode="json"), media_type=_JSON)
    await updater.add_artifact([data], name=call.skill)
    if answer.file is not None:
        await updater.add_artifact([_file_part(answer.file)], name=answer.file.name)
    receipts = x402.paid(proof)
    paid = [new_text_part("The payment was settled.")]
    message = updater.new_agent_message(paid, metadata=receipts) if receipts else None
    await updater.update_status(TaskState.TASK_STATE_COMPLETED, message=message)


def _file_part(file: File) -> Part:
    return new_raw_part(file.data, media_type=file.media_type, filename=file.name)
