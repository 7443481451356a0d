"""x402 over A2A: the extension by which agents pay within a task.

The metadata of messages carries it: what to pay when the task asks for input, the payment in the
answer to that, receipts at the end.
"""

from __future__ import annotations

from typing import Any, Final

from a2a.types.a2a_pb2 import AgentExtension, Message
from google.protobuf.json_format import MessageToDict

from gateway_a2a.numbers import integral
from gateway_payments.proof import Proof
from gateway_tools.errors import Problem

URI: Final = "https://github.com/google-agentic-commerce/a2a-x402/blob/main/spec/v0.2"
_KEY: Final = "x402.payment."


def extension() -> AgentExtension:
    """As the agent card names it. Whoever pays another way needs none of it."""
    told = "Pay for a run in the task that asks for it, by a signed authorization."
    return AgentExtension(uri=URI, description=told, required=False)


def proof_in(message: Message) -> Proof | None:
    """The payment that a message carries; one that is no object is refused where it is read."""
    metadata = MessageToDict(message.metadata)
    payment = metadata.get(f"{_KEY}payload")
    if payment is None:
        return None
    return Proof(integral(payment) if isinstance(payment, dict) else {})


def paid(proof: Proof | None) -> dict[str, Any]:
    """Metadata of a message that tells of success; none where nothing was paid with the call."""
    if proof is None or proof.receipt is None:
        return {}
    status = "payment-completed" if proof.receipt["success"] else "payment-submitted"
    return {f"{_KEY}status": status, f"{_KEY}receipts": [proof.receipt]}


def failed(told: Problem, proof: Proof | None) -> dict[str, Any]:
    """Metadata of a message that tells of a failure: of the payment, or after it."""
    about: dict[str, Any]
    if told.failure.code in {"payment_refused", "payment_malformed", "payment_used"}:
        about = {"status": "payment-failed", "error": told.details.get("reason", told.failure.code)}
    elif told.x402 is not None:
        about = {"status": "payment-required"}
    else:
        return paid(proof)
    if told.x402 is not None:
        about["required"] = told.x402
    if proof is not None and proof.receipt is not None:
        about["receipts"] = [proof.receipt]
    return {f"{_KEY}{name}": value for name, value in about.items()}
