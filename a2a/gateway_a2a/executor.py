"""A message becomes a tool call, its answer artifacts, its failure a task state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from a2a.helpers import new_task
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.tasks import TaskUpdater
from a2a.types.a2a_pb2 import Message, Task, TaskState
from anyio import to_thread

from gateway_a2a import progress, x402
from gateway_a2a.answers import deliver, tell
from gateway_a2a.calls import Call, call_of, drop_files
from gateway_tools.context import Context
from gateway_tools.registry import tool_named
from gateway_tools.tool import Answered


class Executor(AgentExecutor):
    """Runs tools for other agents. `context_for` finds who called, from the request's state."""

    def __init__(self, context_for: Callable[[Mapping[str, Any]], Context]) -> None:
        self._context_for = context_for

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Do what the message asks for, and say how it went."""
        assert context.message is not None
        message, task = Message(), context.current_task
        message.CopyFrom(context.message)
        drop_files(context.message)  # which the SDK keeps in the task's history
        if task is None:
            task = _begun(context)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        proof = x402.proof_in(message)
        caller = replace(self._context_for(context.call_context.state), proof=proof)
        call = None
        try:
            call = call_of(message, context.current_task, paying=proof is not None)
            await updater.start_work()
            answered = await self._answered(caller, call, updater)
            await deliver(updater, caller, call, answered, _accepted(context))
        except Exception as error:  # noqa: BLE001  every failure is told in the task
            await tell(updater, error, call, proof)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Mark as cancelled; what runs for the task is ended then, and not charged."""
        assert context.task_id is not None
        assert context.context_id is not None
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()

    async def _answered(self, caller: Context, call: Call, updater: TaskUpdater) -> Answered:
        work = to_thread.run_sync(_called, caller, call)
        return await progress.told(work, updater, caller.watch, caller.gateway.timeout_s)


def _begun(context: RequestContext) -> Task:
    """A task that the message opens, whatever it says: what is no call is answered in the task."""
    assert context.task_id is not None
    assert context.context_id is not None
    assert context.message is not None
    submitted = TaskState.TASK_STATE_SUBMITTED
    return new_task(context.task_id, context.context_id, submitted, history=[context.message])


def _accepted(context: RequestContext) -> frozenset[str]:
    """The media types that the caller names as welcome."""
    wanted = context.configuration
    return frozenset(wanted.accepted_output_modes if wanted else ())


def _called(context: Context, call: Call) -> Answered:
    return tool_named(call.skill).call(context, call.arguments)
