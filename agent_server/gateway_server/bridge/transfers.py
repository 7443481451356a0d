"""Files between this machine and the gateway: an FMU by its hash, a result on request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from anyio import to_thread

from gateway_server.bridge import failures
from gateway_server.bridge.remote import Remote
from gateway_server.local_files import Folders, Place

FORMATS: Final = ("json", "csv", "parquet", "png", "svg", "py")
_LIMIT_BYTES: Final = 2048 * 1024 * 1024  # what MAX_UPLOAD_MB can be at most
_NOT_FOUND: Final = "unknown_model"
_DESCRIBED: Final = (
    "id",
    "sha256",
    "model_name",
    "fmi_version",
    "guid",
    "description",
    "generation_tool",
    "kinds",
    "platforms",
    "compiled_by",
)
_OUTSIDE: Final = frozenset({"input", "output", "parameter"})
_SHOWN: Final = 24


async def upload(remote: Remote, folders: Folders, path: str) -> dict[str, Any]:
    """The answer of upload_fmu; the file is sent only if the account hasn't sent it before.

    Raises:
        BridgeError: the file can't be read, or the gateway refuses.

    """
    try:
        data = await to_thread.run_sync(folders.read, path, _LIMIT_BYTES + 1)
    except (OSError, ValueError):
        raise failures.unreadable(path, folders.allowed) from None
    if len(data) > _LIMIT_BYTES:
        raise failures.too_large(_LIMIT_BYTES)
    sha256 = await to_thread.run_sync(lambda: hashlib.sha256(data).hexdigest())
    known = await _known(remote, sha256)
    if known is not None:
        return known
    return await remote.send_file("/fmus", data)


async def _known(remote: Remote, sha256: str) -> dict[str, Any] | None:
    """What the gateway knows of the account's model with that hash."""
    try:
        described = await remote.look_up(f"/fmus/fmu_{sha256[:16]}")
    except failures.RefusedError as refused:
        if refused.body["code"] == _NOT_FOUND:
            return None
        raise
    return _as_uploaded(described) if described.get("sha256") == sha256 else None


def _as_uploaded(described: Mapping[str, Any]) -> dict[str, Any]:
    """A description in the shape of upload_fmu's answer.

    What only the check at the upload can tell is left at its default.
    """
    outside = [one for one in described["variables"] if one.get("causality") in _OUTSIDE]
    answer = {
        **{name: described.get(name) for name in _DESCRIBED},
        "already_known": True,
        "variables": outside[:_SHOWN],
        "variables_omitted": max(0, described["total"] - _SHOWN),
        "problems": [],
        "missing_libraries": [],
        "resets": None,
        "warnings": [],
        "upload_url": None,
        "upload_expires_at": None,
        "next_steps": [
            f'Run it: simulate {{"fmu_id": "{described["id"]}"}}',
            "See more: describe_model",
        ],
    }
    return {"untrusted": [n for n in described["untrusted"] if answer.get(n)], **answer}


@dataclass(frozen=True, slots=True)
class Saving:
    """A call of get_result whose file shall be saved: what is asked, in which format, and where."""

    arguments: Mapping[str, Any]
    format: str
    path: str
    overwrite: bool

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Saving:
        """Read the bridge's own arguments; without a format the name's ending is it.

        Raises:
            BridgeError: the name ends otherwise.

        """
        rest = {k: v for k, v in arguments.items() if k not in {"save_to", "overwrite"}}
        path = str(arguments["save_to"])
        ending = PurePath(path).suffix.removeprefix(".").lower()
        form = rest.setdefault("format", ending)
        if form != ending or form not in FORMATS:
            raise failures.odd_name(path, (form,) if form in FORMATS else FORMATS)
        return cls(rest, form, path, overwrite=arguments.get("overwrite") is True)

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments for the gateway: numbers that are saved needn't be in the answer too."""
        return {**self.arguments, "format": "csv" if self.format == "json" else self.format}

    @property
    def query(self) -> dict[str, str]:
        """The same for REST."""
        query = {k: v for k, v in self.arguments.items() if k != "result_id" and v is not None}
        if isinstance(query.get("variables"), list):
            query["variables"] = ",".join(map(str, query["variables"]))
        return {name: str(value) for name, value in query.items()}


@contextmanager
def held(folders: Folders, saving: Saving) -> Iterator[Place]:
    """The place to save at, held from before the gateway is asked until the file is there.

    Raises:
        BridgeError: it isn't allowed, or taken and shall not be overwritten.

    """
    with ExitStack() as stack:
        try:
            place = stack.enter_context(folders.place(saving.path))
            taken = place.taken
        except (OSError, ValueError):
            raise failures.unwritable(saving.path) from None
        if taken and not saving.overwrite:
            raise failures.taken(saving.path)
        yield place


async def save(remote: Remote, saving: Saving, place: Place) -> dict[str, Any]:
    """Fetch the file and put it in its place; says where, and how many bytes.

    Raises:
        BridgeError: the gateway refuses, or it can't be written.

    """
    result_id = quote(str(saving.arguments.get("result_id")), safe="")
    data = await remote.fetch(f"/results/{result_id}", saving.query)
    try:
        await to_thread.run_sync(lambda: place.write(data, overwrite=saving.overwrite))
    except FileExistsError:
        raise failures.taken(saving.path) from None
    except OSError:
        raise failures.unwritable(saving.path) from None
    return {"path": str(place.path), "bytes": len(data)}
