"""What can go wrong with the library and the model store. `details` is for the caller."""

from __future__ import annotations

from typing import Final, Literal

_SHOWN: Final = 200  # characters of a name that came from outside


class LibraryError(Exception):
    """Root of this package's failures."""

    def __init__(self, message: str, details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.details: dict[str, object] = details or {}


class UnknownModelError(LibraryError):
    """No such model, or someone else's. `nearest` holds the closest ids, best first."""

    def __init__(self, model_id: str, nearest: tuple[str, ...]) -> None:
        shown = model_id[:_SHOWN]
        super().__init__("no such model", {"name": shown, "nearest": list(nearest)})
        self.nearest = nearest


class NoSuchUploadError(UnknownModelError):
    """The account sent no such model: a library's can't be removed. No other one is suggested."""

    def __init__(self, model_id: str) -> None:
        super().__init__(model_id, ())


class RemovedModelError(LibraryError):
    """A library model that its operator took away, or is replacing at this moment."""

    def __init__(self, model_id: str) -> None:
        super().__init__("the model was taken out of the library", {"name": model_id[:_SHOWN]})


class AmbiguousModelError(LibraryError):
    """A short name that several library models end in. `candidates` holds their ids."""

    def __init__(self, model_id: str, candidates: tuple[str, ...]) -> None:
        shown = model_id[:_SHOWN]
        super().__init__(
            "this name means several models", {"name": shown, "candidates": list(candidates)}
        )
        self.candidates = candidates


class ModelIdTakenError(LibraryError):
    """Another file's hash begins with the same 16 digits, so that its id would be the same."""

    def __init__(self, model_id: str) -> None:
        super().__init__(f"another file holds the id {model_id}", {"id": model_id})


class QuotaExceededError(LibraryError):
    """The account keeps as much as it may. `details`: bound, limit, used, needed."""

    def __init__(
        self, limit: int, used: int, needed: int, bound: Literal["models", "bytes"]
    ) -> None:
        told: dict[str, object] = {"bound": bound, "limit": limit, "used": used, "needed": needed}
        super().__init__(f"this account may keep {limit} {bound} of uploads", told)


class TicketInvalidError(LibraryError):
    """The upload ticket is unknown, used or expired."""

    def __init__(self) -> None:
        super().__init__("the upload address is unknown, used or expired")


class LibraryNotBuiltError(LibraryError):
    """The folder holds no built library, or one of another version of the gateway."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"no built library in {folder}: run `fmu-gateway library build`", {"folder": folder}
        )
