"""The image: linted, complete, and without what it doesn't need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import build_image
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
    build = STAGES["build"]
    assert "uv pip install --require-hashes -r /build/requirements.txt" in build
    assert "--require-hashes -r /build/build-requirements.txt" in build
    assert "uv build --wheel --no-build-isolation" in build
    assert "uv pip install --no-deps /build/dist/*.whl" in build


def test_the_image_carries_one_compiler_outside_of_path_and_of_the_systems_folders() -> None:
    parents = {name: parent for parent, name in FROM}
    assert parents["runtime"] == "base"
    assert "g++" in STAGES["compiler"]
    assert not any("apt-get" in STAGES[name] for name in ("runtime", "fly", "gateway"))
    assert not re.search(r"\b(gcc|g\+\+|clang)\b", STAGES["base"])
    runtime = STAGES["runtime"]
    assert "COPY --from=compiler /opt/compiler /opt/compiler" in runtime
    assert (
        'CC="/opt/compiler/usr/bin/gcc --sysroot=/opt/compiler -B/opt/compiler/usr/bin"' in runtime
    )
    assert "/opt/compiler" not in str(re.findall(r"PATH=(\S+)", runtime))


def test_the_label_names_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f'image.version="{project["version"]}"' in STAGES["runtime"]
    assert f'image.licenses="{project["license"]}"' in STAGES["runtime"]


def test_the_steps_without_docker_are_these(tmp_path: Path) -> None:
    stages = build_image.configured(build_image.read(ROOT / "Dockerfile"))
    assert list(stages) == [name for _, name in FROM]
    gateway = stages["gateway"]
    assert (gateway.user, gateway.folder) == ("10001:10001", "/data")
    assert gateway.command == ["fmu-gateway", "serve"]
    assert gateway.environment["PATH"].startswith("/opt/gateway/bin:/usr/local/sbin:")
    assert gateway.environment["CC"].endswith("-B/opt/compiler/usr/bin")
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie-slim AS base\nADD a b\n")
    with pytest.raises(ValueError, match="ADD a b"):
        build_image.read(tmp_path / "Dockerfile")


def test_the_context_has_neither_tests_nor_secrets_nor_what_was_built_here(tmp_path: Path) -> None:
    names = ["library/model.c", "library/__pycache__/a.pyc", "library/gateway_library/built/a.fmu"]
    names += [".env", ".git/config", "tests/test_a.py", "deploy/compiler.sh", "deploy/nginx.conf"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / ".dockerignore", tmp_path)
    seen = [
        str(file.relative_to(tmp_path))
        for folder in ("library", "deploy", "tests", ".git", ".env")
        for file in build_image.context(tmp_path, folder)
    ]
    assert seen == ["library/model.c", "deploy/compiler.sh"]


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
