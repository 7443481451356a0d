"""What describes a deployment, read by the linters of its kind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_server.settings import Settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = [*sorted((ROOT / "deploy").glob("*.sh")), ROOT / ".ci" / "run"]
UNIT = ROOT / "deploy" / "fmu-gateway.service"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SETTINGS = {name.upper() for name in Settings.model_fields}
AWS = {f"AWS_{name}" for name in ("ENDPOINT_URL", "ALLOW_HTTP", "REGION")}
SECRETS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def lint(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_the_workflows_are_workflows() -> None:
    schema = BIN / "check-jsonschema"
    lint(schema, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    lint(BIN / "zizmor", "--offline", "--no-progress", ".github")


def test_the_compose_file_is_one() -> None:
    lint(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_yaml_and_shell_are_clean() -> None:
    lint(BIN / "yamllint", "--strict", ".github", "compose.yaml")
    lint(BIN / "shellcheck", *SCRIPTS)


def test_actions_are_pinned_by_commit() -> None:
    used = [name for file in WORKFLOWS for name in re.findall(r"uses: (\S+)", file.read_text())]
    assert used
    assert all(re.search(r"^\./|@[0-9a-f]{40}$", name) for name in used)


def test_only_the_protected_environment_may_deploy_and_only_what_was_tested() -> None:
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())
    assert deploy["permissions"] == {}
    job = deploy["jobs"]["deploy"]
    assert (job["needs"], job["environment"]) == ("test", "production")
    test = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    steps = [step.get("run") for step in test["jobs"]["checks"]["steps"]]
    assert ".ci/run" in steps
    assert "${{ secrets." not in (ROOT / ".github/workflows/test.yml").read_text()


def test_the_compose_file_sets_what_the_gateway_reads() -> None:
    for name in ("gateway-1", "gateway-2"):
        service = COMPOSE["services"][name]
        known = SETTINGS | {"REDIS_URL", "TRUSTED_PROXIES"} | AWS | SECRETS
        assert set(service["environment"]) <= known
        assert service["volumes"] == [f"{name}:/data"]


def test_the_compose_file_has_no_password_and_health_checks_for_all() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for line in re.findall(r"^.*(?:PASSWORD|SECRET|_KEY).*:.*$", text, re.MULTILINE):
        assert re.search(r"\$\{\w+:\?run deploy/compose-secrets.sh\}|\$\$", line), line
    checked = {name for name, one in COMPOSE["services"].items() if "healthcheck" in one}
    assert checked == {"postgres", "s3", "valkey"}  # the gateways' is the image's
    published = [port for one in COMPOSE["services"].values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:8080:8080"]


def test_each_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "compose-secrets.sh", tmp_path / "deploy")
    subprocess.run(["sh", script], check=True, capture_output=True)
    made = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text()))
    assert asked == set(re.findall(r"^(\w+)=", made, re.MULTILINE))
    values = re.findall(r"=([0-9a-f]{64})$", made, re.MULTILINE)
    assert len(set(values)) == len(values) == 4
    assert subprocess.run(["sh", script], check=False, capture_output=True).returncode == 1
    assert (tmp_path / ".env").read_text() == made


def test_the_unit_is_understood_by_systemd(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/fmu-gateway/bin/fmu-gateway", "/bin/true"))
    lint(program("systemd-analyze"), "verify", unit)


def test_the_unit_leaves_the_sandbox_what_it_is_made_of() -> None:
    lines = UNIT.read_text().splitlines()
    set_ = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))
    broken = {"PrivateDevices", "RestrictNamespaces", "PrivateUsers", "MemoryDenyWriteExecute"}
    assert not broken & set(set_)
    assert set_["KillMode"] == "mixed"
    assert set_["OOMPolicy"] == "continue"
    allowed = " ".join(line for line in lines if line.startswith("SystemCallFilter="))
    for name in ("@mount", "seccomp", "landlock_restrict_self"):
        assert name in allowed


@pytest.mark.parametrize("name", ["Caddyfile", "compose.Caddyfile"])
def test_the_caddyfiles_are_understood_by_caddy(name: str) -> None:
    file = ROOT / "deploy" / name
    lint(program("caddy"), "validate", "--adapter", "caddyfile", "--config", file)


def test_the_nginx_file_is_understood_by_nginx(tmp_path: Path) -> None:
    nginx, openssl = program("nginx"), program("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = ("-subj", "/CN=gateway.example", "-keyout", key, "-out", certificate)
    lint(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *asked)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"/etc/letsencrypt/\S+/privkey.pem", str(key), text)
    text = re.sub(r"/etc/letsencrypt/\S+/fullchain.pem", str(certificate), text)
    whole = f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ {text} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    lint(nginx, "-t", "-c", tmp_path / "nginx.conf")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "compose.Caddyfile"])
def test_proxies_pass_uploads_and_streams_on(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    most = Settings.model_fields["max_upload_mb"].default
    found = re.search(r"(?:client_max_body_size|max_size) (\d+)", text)
    assert found
    assert int(found[1]) > most
    assert "proxy_buffering off;" in text or "flush_interval -1" in text
