"""What the bridge itself has to refuse, told as the gateway tells its own failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class BridgeError(Exception):
    """A failure with a stable code and what to do about it."""

    def __init__(
        self, code: str, message: str, remedy: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, remedy)
        self.body: dict[str, Any] = {
            "code": code,
            "message": message,
            "remedy": remedy,
            "untrusted": ["details"],
            "details": dict(details or {}),
        }

    def __str__(self) -> str:
        """In a line, for clients that show nothing else."""
        return f"{self.body['message']} ({self.body['code']}). {self.body['remedy']}"


class RefusedError(BridgeError):
    """The gateway refused over HTTP; `body` is what it said, whole."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(
            str(body["code"]), str(body.get("message", "")), str(body.get("remedy", ""))
        )
        self.body = dict(body)


def unreachable(url: str, reason: str) -> BridgeError:
    """Nobody listens there: nothing was sent."""
    return BridgeError(
        "gateway_unreachable",
        f"no gateway answers at {url}",
        "Nothing was sent: repeat the call when the gateway is up, or correct --gateway.",
        {"reason": reason},
    )


def interrupted(url: str, reason: str) -> BridgeError:
    """The connection broke after the call had begun."""
    return BridgeError(
        "connection_lost",
        f"the connection to {url} broke before the answer came",
        "The call may have been carried out: repeat it, with the same idempotency_key where it had "
        "one, or look at account first.",
        {"reason": reason},
    )


def not_a_gateway(url: str, status: int | None) -> BridgeError:
    """Something answered that doesn't speak MCP as a gateway does."""
    return BridgeError(
        "not_a_gateway",
        f"what answers at {url} doesn't speak MCP as an FMU Gateway does",
        "Check --gateway (the address before /mcp), or have the gateway there updated.",
        {} if status is None else {"status": status},
    )


def key_refused(told: Mapping[str, Any], kept: Path | None) -> BridgeError:
    """The gateway knows no such key; `kept` is the file it was read from, if it was."""
    remedy = (
        "Set FMU_GATEWAY_KEY to a key of this gateway and start the bridge again."
        if kept is None
        else "Move the file in details.kept away and start the bridge again: it makes a new key; "
        "or set FMU_GATEWAY_KEY."
    )
    details = {} if kept is None else {"kept": str(kept)}
    return BridgeError(str(told["code"]), str(told.get("message", "")), remedy, details)


def unreadable(path: str, folders: Iterable[Path]) -> BridgeError:
    """As the local gateway says of such a path."""
    return BridgeError(
        "path_not_readable",
        "that path can't be read from here",
        "Give a file in one of details.folders.",
        {"path": path, "folders": [str(folder) for folder in folders]},
    )


def too_large(limit_bytes: int) -> BridgeError:
    """No gateway takes so large a file."""
    return BridgeError(
        "upload_too_large",
        "the file is larger than any gateway takes",
        "Send a smaller FMU; leave resources out that the run won't need.",
        {"limit_bytes": limit_bytes},
    )


def unwritable(path: str) -> BridgeError:
    """A path to save at that leaves the allowed folders, or can't be written."""
    return BridgeError(
        "path_not_writable",
        "nothing can be saved at that path",
        "Name a file in the working directory or in a folder passed with --allow; the folder must "
        "exist, and no part of the path may begin with a dot.",
        {"path": path},
    )


def taken(path: str) -> BridgeError:
    """There is a file already."""
    return BridgeError(
        "file_exists",
        "there is a file of that name already; it was left as it is",
        "Choose another save_to, or pass overwrite: true if your user wants it replaced.",
        {"path": path},
    )


def odd_name(path: str, formats: tuple[str, ...]) -> BridgeError:
    """The name doesn't end as the format does."""
    return BridgeError(
        "save_to_format",
        "save_to must end with the format's name",
        "Let save_to end with one of details.endings, that of `format` where it is given.",
        {"path": path, "endings": [f".{form}" for form in formats]},
    )
