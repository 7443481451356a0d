"""What A2A 1.0 requires of a server on JSON-RPC and HTTP+JSON, and what we promise beyond.

Each test names the requirements that it holds; `test_registry` sees that none is left out. The
sections are those of the specification, a2a-protocol.org/v1.0.0/specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

F = TypeVar("F", bound=Callable[..., object])

REQUIREMENTS: Final[dict[str, tuple[str, str]]] = {
    "send-answers": ("3.1.1", "SendMessage answers with a task or a message"),
    "send-terminal": ("3.1.1", "a task that has ended takes no more messages"),
    "send-media-type": ("3.1.1", "a part of an undeclared media type is refused as such"),
    "stream-opens": ("3.1.2", "SendStreamingMessage opens a stream of events"),
    "stream-lifecycle": ("3.1.2", "a task's stream begins with the task and closes at its end"),
    "get-state": ("3.1.3", "GetTask tells the task as it is"),
    "get-unknown": ("3.1.3", "GetTask of an unknown id: TaskNotFoundError"),
    "list-own": ("3.1.4", "ListTasks lists the caller's tasks alone"),
    "list-pages": ("3.1.4", "ListTasks goes on page by page behind a cursor"),
    "list-order": ("3.1.4", "ListTasks lists the newest status first"),
    "list-last-page": ("3.1.4", "the last page's nextPageToken is there, and empty"),
    "list-artifacts": ("3.1.4", "ListTasks shows artifacts only where they are asked for"),
    "list-filters": ("3.1.4", "ListTasks filters by context, state and time"),
    "cancel-answers": ("3.1.5", "CancelTask answers with the task, cancelled"),
    "cancel-terminal": ("3.1.5", "a task that has ended: TaskNotCancelableError"),
    "cancel-unknown": ("3.1.5", "CancelTask of an unknown id: TaskNotFoundError"),
    "subscribe-first": ("3.1.6", "SubscribeToTask begins with the task"),
    "subscribe-end": ("3.1.6", "a subscription closes when the task ends"),
    "subscribe-terminal": ("3.1.6", "a task that has ended: UnsupportedOperationError"),
    "subscribe-unknown": ("3.1.6", "SubscribeToTask of an unknown id: TaskNotFoundError"),
    "push-create": ("3.1.7", "a push configuration is made, and kept until it is deleted"),
    "push-get": ("3.1.8", "a push configuration can be read; one that isn't there is an error"),
    "push-list": ("3.1.9", "all push configurations of a task are listed"),
    "push-delete": ("3.1.10", "a deleted push configuration is gone; deleting it again is fine"),
    "extended-card": ("3.1.11", "without an extended card: an error that says so"),
    "blocking": ("3.2.2", "SendMessage waits until the task ends or asks"),
    "return-immediately": ("3.2.2", "with returnImmediately it doesn't wait"),
    "history-length": ("3.2.4", "no more history than historyLength comes back"),
    "errors-actionable": ("3.3.2", "an error says what is wrong and what to do"),
    "errors-validate": ("3.3.2", "parameters are checked before anything is done"),
    "errors-silent": ("3.3.2", "what the caller may not see doesn't exist for it"),
    "context-made": ("3.4.1", "a context id is made where none is given, and told"),
    "context-taken": ("3.4.1", "the client's context id is kept"),
    "task-id-made": ("3.4.2", "each new task has an id of its own"),
    "task-id-unknown": ("3.4.2", "a message for an unknown task: TaskNotFoundError"),
    "context-inferred": ("3.4.3", "a message for a task is in that task's context"),
    "context-mismatch": ("3.4.3", "another context id than the task's is refused"),
    "order": ("3.5.2", "every stream tells the same events in the order in which they happen"),
    "streams-independent": ("3.5.2", "a stream that closes leaves the others open"),
    "version-semantics": ("3.6.2", "a request is taken as its A2A-Version says"),
    "version-unknown": ("3.6.2", "an unknown version: VersionNotSupportedError"),
    "version-empty": ("3.6.2", "no version means 0.3"),
    "version-patch": ("3.6", "a patch number in the version changes nothing"),
    "task-fields": ("4.1.1", "tasks, statuses, messages, parts and artifacts have their fields"),
    "push-authentication": ("4.3.3", "notifications carry the token and credentials given"),
    "push-delivery": ("4.3.3", "each address is tried, with a StreamResponse as the body"),
    "card-fields": ("4.4.1", "the card has the fields that it must have"),
    "bindings-equal": ("5.1", "both bindings do the same, and fail alike"),
    "errors-mapped": ("5.4", "errors have their code, their HTTP status and their reason"),
    "json-names": ("5.5", "names are camelCase, enumerations their ProtoJSON names"),
    "timestamps": ("5.6.1", "timestamps are ISO 8601, in UTC"),
    "authentication": ("7.4", "every request is authenticated"),
    "card-discovery": ("8.2", "the card is at its well-known address, for everybody"),
    "card-interfaces": ("8.3.1", "the card names each interface with its binding and address"),
    "card-cache": ("8.6.1", "the card may be cached, and has an ETag"),
    "rpc-format": ("9.1", "requests and answers are JSON-RPC 2.0"),
    "rpc-errors": ("9.5", "errors are JSON-RPC error objects with an ErrorInfo"),
    "rpc-sse": ("9.4.2", "streams are server-sent events of JSON-RPC answers"),
    "rest-paths": ("11.3", "each operation has its path and method"),
    "rest-query": ("11.5", "query parameters are camelCase"),
    "rest-errors": ("11.6", "errors are google.rpc.Status with an ErrorInfo"),
    "rest-sse": ("11.7", "streams are server-sent events"),
    "scope": ("13.1", "every operation sees the caller's tasks alone"),
    "push-screened": ("13.2", "nothing is posted to where the public can't reach"),
    # ours
    "skills": ("ours", "a skill per tool, whose examples run as they stand"),
    "asks": ("ours", "a task asks for what is missing, and goes on with the answer"),
    "exact": ("ours", "words are not guessed at: the answer says what to send"),
    "files": ("ours", "results come as files of the media types that the caller accepts"),
    "progress": ("ours", "a task at work says how far it is"),
    "bounded": ("ours", "what an account can keep is bounded"),
    "shared": ("ours", "two gateways on one database are interchangeable"),
    "survives": ("ours", "tasks outlive the gateway; those that it worked on are ended"),
    "unhurt": ("ours", "whatever comes in, a protocol error goes out, without our insides"),
    "compatible": ("ours", "clients of protocol 0.3 are served"),
    "push-bounded": ("ours", "a dead address is tried a few times and holds nobody up"),
}


def holds(*names: str) -> Callable[[F], F]:
    """The test holds these requirements."""
    for name in names:
        assert name in REQUIREMENTS, name
    return lambda test: test
