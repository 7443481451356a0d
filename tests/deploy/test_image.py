"""The image: linted, complete, and without what it doesn't need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = dict(
    re.findall(r"^FROM \S+ AS (\w+)$(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
)
FROM = re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.MULTILINE)
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
    "hadolint"
)


def copied() -> list[str]:
    """What the build takes out of the repository."""
    lines: list[str] = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_the_dockerfile_passes_the_linter() -> None:
    assert HADOLINT
    done = subprocess.run(
        [HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_all_that_is_copied_is_there_and_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert allowed == set(copied())


def test_every_package_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.partition("/")[0] for package in packages} <= set(copied())


def test_the_dependencies_are_checked_against_their_hashes() -> None:
    assert "--require-hashes -r /build/requirements.txt" in STAGES["build"]
    assert re.search(r"pip install .*--no-deps /build", STAGES["build"])


def test_the_image_carries_one_compiler_and_nothing_else_of_the_distribution() -> None:
    assert re.search(r"--no-install-recommends gcc libc6-dev \\", STAGES["base"])
    assert not any("apt-get" in text for name, text in STAGES.items() if name != "base")
    parents = {name: parent for parent, name in FROM}
    assert parents["build"] == parents["runtime"] == "base"


def test_the_image_that_is_built_by_default_runs_as_nobody_special() -> None:
    assert list(STAGES)[-1] == "gateway"
    assert re.search(r"^USER 10001:10001$", STAGES["gateway"], re.MULTILINE)
    assert re.search(r"^CMD \[\"fmu-gateway\", \"serve\"\]$", STAGES["gateway"], re.MULTILINE)


def test_the_fly_image_drops_root_before_it_serves() -> None:
    command = STAGES["fly"]
    assert "exec setpriv --reuid=gateway --regid=gateway --init-groups" in command
    assert command.index("setpriv") < command.index("fmu-gateway serve")


def test_the_health_check_asks_the_port_that_is_served() -> None:
    assert re.search(r"^HEALTHCHECK .*\\\n\s+CMD .*PORT.*/health", STAGES["runtime"], re.MULTILINE)
    assert "VOLUME /data" in STAGES["runtime"]
