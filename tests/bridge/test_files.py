"""Files on this side of the bridge: sent by hash, saved on request, nowhere else."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bridge.bridged import bridge, told
from bridge.conftest import Desk
from conftest import Running

from gateway_library.build import built_folder
from gateway_tools.registry import TOOLS
from gateway_tools.upload_fmu import UploadOutput

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}


@pytest.fixture(scope="module")
def result_id(desk: Desk) -> str:
    identity: str = told(desk.door, "simulate", RUN)["result_id"]
    return identity


@pytest.fixture
def here(desk: Desk) -> Iterator[Path]:
    """The folder, left as it was found."""
    before = set(desk.folder.iterdir())
    yield desk.folder
    for path in set(desk.folder.iterdir()) - before:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def save(desk: Desk, result_id: str, path: str, **more: Any) -> Any:  # noqa: ANN401
    return desk.door.call("get_result", {"result_id": result_id, "save_to": path, **more})


def test_a_file_is_sent_once_and_known_by_its_hash_from_then_on(desk: Desk) -> None:
    first = told(desk.door, "upload_fmu", {"path": "pümpe 泵.fmu"})
    again = told(desk.door, "upload_fmu", {"path": "pümpe 泵.fmu"})
    assert (first["already_known"], again["already_known"]) == (False, True)
    assert again.keys() == UploadOutput.model_fields.keys()
    told_at_the_upload = {"already_known", "resets", "untrusted"}
    for name in again.keys() - told_at_the_upload:
        assert again[name] == first[name], name
    assert set(again["untrusted"]) == set(first["untrusted"])
    jsonschema.validate(again, TOOLS["upload_fmu"].output_schema)
    assert not desk.door.call("simulate", {"fmu_id": again["id"], "stop_time": 0.1}).failed


def test_what_the_gateway_refuses_about_a_file_is_told_as_it_says_it(
    desk: Desk, here: Path
) -> None:
    (here / "text.fmu").write_text("no zip")
    with zipfile.ZipFile(here / "empty.fmu", "w"):
        pass
    assert desk.door.call("upload_fmu", {"path": "text.fmu"}).code == "not_a_zip"
    assert desk.door.call("upload_fmu", {"path": "empty.fmu"}).failed


def test_no_path_leads_out_of_the_folder(desk: Desk, here: Path) -> None:
    outside = here.parent / "outside.fmu"
    outside.write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    (here / "link.fmu").symlink_to(outside)
    (here / "up").symlink_to("..")
    os.mkfifo(here / "fifo")
    hostile = ["link.fmu", "up/outside.fmu", "../outside.fmu", str(outside), "/etc/passwd"]
    for path in [*hostile, "fifo", ".", "", "missing.fmu", "\0", "a" * 5000, "~/x.fmu"]:
        refused = desk.door.call("upload_fmu", {"path": path})
        assert refused.code == "path_not_readable", path
        assert str(desk.folder) in refused.body["details"]["folders"]


def test_a_result_is_saved_in_the_format_that_the_name_ends_with(
    desk: Desk, here: Path, result_id: str
) -> None:
    begins = {"csv": b"time,h,v\n", "png": b"\x89PNG", "parquet": b"PAR1", "svg": b"<?xml"}
    for form, beginning in begins.items():
        saved = save(desk, result_id, f"ergebnis-é.{form}").body["saved"]
        path = here / f"ergebnis-é.{form}"
        assert saved == {"path": str(path), "bytes": path.stat().st_size}
        assert path.read_bytes().startswith(beginning)
        assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0
    assert {path.name.partition(".")[0] for path in here.iterdir()} == {"ergebnis-é", "pümpe 泵"}


def test_a_slice_is_saved_as_it_was_asked_for_and_not_told_too(
    desk: Desk, here: Path, result_id: str
) -> None:
    window = {"variables": ["h"], "from": 0.2, "to": 0.4, "points": "all"}
    answer = save(desk, result_id, "h.json", **window)
    saved = json.loads((here / "h.json").read_text())
    assert answer.body["series"] is None
    assert list(saved["series"]) == ["time", "h"]
    assert len(saved["series"]["h"]) == answer.body["rows"] == 21
    jsonschema.validate(answer.body, TOOLS["get_result"].output_schema)


def test_a_file_that_is_there_stays_unless_it_shall_be_replaced(
    desk: Desk, here: Path, result_id: str
) -> None:
    mine = here / "mine.csv"
    mine.write_text("mine")
    assert save(desk, result_id, "mine.csv").code == "file_exists"
    assert save(desk, result_id, "mine.csv", overwrite="yes").code == "file_exists"
    assert mine.read_text() == "mine"
    assert not save(desk, result_id, "mine.csv", overwrite=True).failed
    assert mine.read_text().startswith("time,h,v\n")


def test_a_link_is_replaced_and_never_written_through(
    desk: Desk, here: Path, result_id: str
) -> None:
    victim = here.parent / "victim.csv"
    victim.write_text("untouched")
    (here / "link.csv").symlink_to(victim)
    (here / "dangling.csv").symlink_to(here.parent / "made.csv")
    for name in ("link.csv", "dangling.csv"):
        assert save(desk, result_id, name).code == "file_exists"
        assert not save(desk, result_id, name, overwrite=True).failed
    assert victim.read_text() == "untouched"
    assert not (here.parent / "made.csv").exists()


def test_nothing_is_saved_outside_the_folder_or_where_it_is_hidden(
    desk: Desk, here: Path, result_id: str
) -> None:
    (here / "up").symlink_to("..")
    (here / ".git").mkdir()
    (here / "folder.csv").mkdir()
    hostile = ["../x.csv", "up/x.csv", str(here.parent / "x.csv"), "/tmp/x.csv", "/x.csv"]  # noqa: S108
    for path in [*hostile, ".git/x.csv", ".x.csv", "missing/x.csv", "\0.csv", "a" * 300 + ".csv"]:
        assert save(desk, result_id, path).code == "path_not_writable", path
    assert save(desk, result_id, "folder.csv", overwrite=True).code == "path_not_writable"
    assert not (here.parent / "x.csv").exists()
    assert list((here / ".git").iterdir()) == []


@pytest.mark.parametrize("path", ["x.txt", "x", "", ".", "..", "x.csv/", "x.sh", "csv"])
def test_a_name_that_ends_otherwise_is_refused(desk: Desk, result_id: str, path: str) -> None:
    answer = save(desk, result_id, path, format="png")
    assert answer.code == "save_to_format"
    assert answer.body["details"]["endings"] == [".png"]


def test_a_result_of_nobody_leaves_no_file(desk: Desk, here: Path) -> None:
    for identity in ("res_000000000000000000000000", "../account", "?"):
        assert save(desk, identity, "x.csv").code == "unknown_result"
    assert not (here / "x.csv").exists()


def test_only_get_result_is_listed_with_something_of_the_bridges(desk: Desk) -> None:
    listed = {tool.name: tool for tool in desk.door.portal.call(desk.door.client.list_tools).tools}
    assert list(listed) == list(TOOLS)
    added = listed["get_result"].input_schema.pop("properties")
    for name in ("save_to", "overwrite"):
        assert added.pop(name)["description"]
    listed["get_result"].input_schema["properties"] = added
    for name, tool in TOOLS.items():
        assert listed[name].input_schema == tool.input_schema
        assert listed[name].output_schema == tool.output_schema
        assert listed[name].description == tool.description


def test_other_folders_are_allowed_by_name(free_gateway: Running, tmp_path: Path) -> None:
    work, models, out = (tmp_path / name for name in ("work", "models", "out"))
    for folder in (work, models, out):
        folder.mkdir()
    (models / "pump.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    where = free_gateway.account()
    options = ("--allow", str(models), "--allow", str(out))
    with bridge(where.url, work, *options, key=where.key) as door:
        fmu_id = told(door, "upload_fmu", {"path": "pump.fmu"})["id"]
        result_id = told(door, "simulate", {"fmu_id": fmu_id, "stop_time": 0.1})["result_id"]
        target = {"result_id": result_id, "save_to": str(out / "run.csv")}
        assert told(door, "get_result", target)["saved"]["path"] == str(out / "run.csv")
        refused = door.call("get_result", {**target, "save_to": str(work / "run.csv")})
    assert refused.code == "path_not_writable"
