"""fly.toml: keys that Fly knows, and the same ports and paths as the image's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway_server.settings import Settings
from gateway_server.stopping import SETTLING_S

ROOT = Path(__file__).parents[2]
FLY: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

KNOWN = {
    "": {
        "app", "primary_region", "kill_signal", "kill_timeout", "swap_size_mb", "build", "deploy",
        "env", "http_service", "mounts", "vm",
    },
    "build": {"dockerfile", "build-target"},
    "deploy": {"strategy"},
    "http_service": {
        "internal_port", "force_https", "auto_stop_machines", "auto_start_machines",
        "min_machines_running", "concurrency", "checks",
    },
    "http_service.concurrency": {"type", "soft_limit", "hard_limit"},
    "http_service.checks": {"method", "path", "interval", "timeout", "grace_period"},
    "mounts": {"source", "destination"},
    "vm": {"size", "memory"},
}  # fmt: skip


def image_environment() -> dict[str, str]:
    return dict(
        re.findall(
            r"^(?:ENV|   ) ([A-Z_]+)=(\S+)", DOCKERFILE.split(" AS runtime")[1], re.MULTILINE
        )
    )


@pytest.mark.parametrize("table", KNOWN)
def test_only_keys_that_fly_knows_are_used(table: str) -> None:
    found: Any = FLY
    for name in filter(None, table.split(".")):
        found = found[name]
    for part in found if isinstance(found, list) else [found]:
        assert set(part) == KNOWN[table]


def test_the_image_and_fly_agree_on_port_and_address() -> None:
    image = image_environment()
    exposed = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    ports = {image["PORT"], *exposed, FLY["env"]["PORT"], str(FLY["http_service"]["internal_port"])}
    assert ports == {"8080"}
    assert image["HOST"] == FLY["env"]["HOST"] == "0.0.0.0"  # noqa: S104


def test_the_checks_ask_for_health() -> None:
    assert [check["path"] for check in FLY["http_service"]["checks"]] == ["/health"]


def test_what_lasts_is_on_the_volume() -> None:
    [mount] = FLY["mounts"]
    assert mount["destination"] == "/data"
    assert image_environment()["FMU_GATEWAY_DB_PATH"].startswith("/data/")
    assert FLY["http_service"]["min_machines_running"] == 1


def test_the_machine_holds_the_server_and_a_simulation() -> None:
    [machine] = FLY["vm"]
    assert int(FLY["env"]["MEMORY_LIMIT"]) <= int(machine["memory"].removesuffix("mb")) / 2


def test_a_simulation_may_end_before_the_machine_does() -> None:
    assert FLY["kill_signal"] == "SIGTERM"
    timeout = Settings.model_fields["simulation_timeout_s"].default
    patience = Settings.model_fields["stop_timeout_s"].default
    assert timeout < patience
    assert int(FLY["kill_timeout"].removesuffix("s")) >= patience + 2 * SETTLING_S


def test_the_environment_is_settings_and_no_secret() -> None:
    names = {name.upper() for name in Settings.model_fields}
    assert set(FLY["env"]) <= names
    assert not {name for name in FLY["env"] if "SECRET" in name or name.endswith("KEY")}


def test_the_target_is_a_stage_of_the_image() -> None:
    assert re.search(rf"^FROM \S+ AS {FLY['build']['build-target']}$", DOCKERFILE, re.MULTILINE)
    assert (ROOT / FLY["build"]["dockerfile"]).is_file()


def test_the_public_address_is_the_apps() -> None:
    assert FLY["env"]["PUBLIC_BASE_URL"] == f"https://{FLY['app']}.fly.dev"
