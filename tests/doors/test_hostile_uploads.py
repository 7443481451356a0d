"""An upload that can't be kept is refused by its own code through every door; nothing is kept."""

from __future__ import annotations

import base64
import io
import stat
import zipfile
from collections.abc import Callable

import pytest
import reference_fmus
from doors.clients import Door
from fmus import compiled

XML = "modelDescription.xml"
BOMB = b"0" * (300 * 2**20)


def archive(entries: dict[str, bytes | str], *, link: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if link:
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(entry, content)
    return buffer.getvalue()


def good() -> str:
    return compiled.description("driven")


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"MZ\x90", "not_a_zip"),
    "zip slip": (lambda: archive({XML: good(), "../evil": "x"}), "unsafe_archive"),
    "link": (lambda: archive({"resources/passwd": "/etc/passwd"}, link=True), "unsafe_archive"),
    "ratio": (lambda: archive({XML: good(), "resources/bomb": BOMB}), "archive_bomb"),
    "count": (lambda: archive({f"resources/{i}": "" for i in range(10_001)}), "archive_bomb"),
    "no description": (lambda: archive({"readme.txt": "x"}), "no_model_description"),
    "entities": (
        lambda: archive({XML: '<!DOCTYPE x [<!ENTITY a "b">]>' + good().partition("?>")[2]}),
        "forbidden_xml",
    ),
    "no xml": (lambda: archive({XML: "<fmiModelDescription"}), "invalid_model_description"),
    "fmi 1": (
        lambda: archive({XML: good().replace('fmiVersion="2.0"', 'fmiVersion="1.0"')}),
        "unsupported_fmi_version",
    ),
    "no binary": (lambda: archive({XML: good()}), "unsupported_platform"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_by_its_own_code_and_nothing_is_kept(free: Door, attack: str) -> None:
    make, code = ATTACKS[attack]
    before = free.call("list_library", {"source": "upload"}).body["total"]
    answer = free.call("upload_fmu", {"content_base64": base64.b64encode(make()).decode()})
    assert answer.code == code
    assert free.call("list_library", {"source": "upload"}).body["total"] == before


def test_an_fmu_for_windows_alone_is_told_the_platforms_it_has(free: Door) -> None:
    data = (reference_fmus.required_folder() / "CoupledClutches_CS_win64.fmu").read_bytes()
    answer = free.call("upload_fmu", {"content_base64": base64.b64encode(data).decode()})
    assert answer.code == "unsupported_platform"
    assert answer.body["details"]["platforms"] == ["win64"]
