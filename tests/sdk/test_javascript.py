"""The JavaScript client, by Node's own test runner against real gateways."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Running

PACKAGE = Path(__file__).parents[2] / "sdk/js"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```js\n(.*?)```", README, re.DOTALL)
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def node(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What the program printed; its whole output if it failed."""
    assert NODE
    done = subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path, fmu_file: Path) -> Path:
    """A folder with the package installed and a model."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "fmu-gateway").symlink_to(PACKAGE)
    assert fmu_file.parent == tmp_path
    return tmp_path


def test_the_javascript_client_passes_its_tests(
    free_gateway: Running, paid_gateway: Running, fmu_file: Path
) -> None:
    environment = {
        "FMU_GATEWAY_URL": free_gateway.url,
        "PAID_GATEWAY_URL": paid_gateway.url,
        "FMU_FILE": str(fmu_file),
    }
    printed = node(["--test", "test/"], PACKAGE, environment)
    assert re.search(r"^\S+ fail 0$", printed, re.MULTILINE), printed
    assert re.search(r"^\S+ skipped 0$", printed, re.MULTILINE), printed


@pytest.mark.slow  # the compiler is installed by `npm ci`
def test_the_types_fit_the_readmes_code(program: Path) -> None:
    compiler = PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("typescript is not installed: npm ci --prefix sdk/js")
    for number, block in enumerate(BLOCKS):
        (program / f"block{number}.mjs").write_text(block, encoding="utf-8")
    wrong = 'import { FMUGatewayClient } from "fmu-gateway";\nnew FMUGatewayClient().quote(1);\n'
    (program / "wrong.mjs").write_text(wrong, encoding="utf-8")
    types = ["--types", "node", "--typeRoots", str(PACKAGE / "node_modules" / "@types")]
    check = [str(compiler), "--noEmit", "--strict", "--allowJs", "--checkJs", *types]
    check += ["--target", "es2023", "--module", "nodenext", "--skipLibCheck", "false"]
    node([*check, *(f"block{number}.mjs" for number in range(len(BLOCKS)))], program, {})
    with pytest.raises(AssertionError, match=r"wrong\.mjs"):
        node([*check, "wrong.mjs"], program, {})


def test_the_types_tell_of_every_method_and_error() -> None:
    told = (PACKAGE / "index.d.ts").read_text(encoding="utf-8")
    code = (PACKAGE / "index.js").read_text(encoding="utf-8")
    body = code.partition("export class FMUGatewayClient {")[2].partition("\n}\n")[0]
    methods = set(re.findall(r"^  (?:async )?([a-z]\w+)\(", body, re.MULTILINE)) - {"constructor"}
    declared = told.partition("export class FMUGatewayClient {")[2].partition("\n}\n")[0]
    assert methods == set(re.findall(r"^  ([a-z]\w+)\(", declared, re.MULTILINE)) - {"constructor"}
    errors = re.findall(r"^export class (\w+)", (PACKAGE / "errors.js").read_text(), re.MULTILINE)
    assert set(errors) <= set(re.findall(r"^export class (\w+)", told, re.MULTILINE))


def test_both_clients_can_do_the_same() -> None:
    from fmu_gateway_sdk import FMUGatewayClient  # noqa: PLC0415

    code = (PACKAGE / "index.js").read_text(encoding="utf-8")
    body = code.partition("export class FMUGatewayClient {")[2].partition("\n}\n")[0]
    methods = re.findall(r"^  (?:async )?([a-z]\w+)\(", body, re.MULTILINE)
    ours = {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", name) for name in methods}
    theirs = {name for name in vars(FMUGatewayClient) if not name.startswith("_")}
    assert ours - {"constructor"} == theirs - {"hold", "close"}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_javascript_readmes_code_runs(
    number: int, free_gateway: Running, program: Path
) -> None:
    (program / "program.mjs").write_text(BLOCKS[number], encoding="utf-8")
    environment = {"FMU_GATEWAY_URL": free_gateway.url, "XDG_CONFIG_HOME": str(program)}
    assert node(["program.mjs"], program, environment).strip()


def test_where_runs_cost_money_the_readmes_code_says_where_to_pay(
    paid_gateway: Running, program: Path
) -> None:
    block = next(block for block in BLOCKS if "catch" in block)
    (program / "program.mjs").write_text(block, encoding="utf-8")
    printed = node(["program.mjs"], program, {"FMU_GATEWAY_URL": paid_gateway.url})
    assert re.search(r"1 usd, by stripe_checkout,credits http", printed)


def test_both_clients_know_the_same_keys(free_gateway: Running, program: Path) -> None:
    from fmu_gateway_sdk import KeyStore  # noqa: PLC0415  beside the program that it is compared to

    url = free_gateway.url
    (program / "program.mjs").write_text(
        'import { FileKeys } from "fmu-gateway/node";\n'
        f'console.log(await new FileKeys().keep("{url}", "one"));\n',
        encoding="utf-8",
    )
    node(["program.mjs"], program, {"XDG_CONFIG_HOME": str(program)})
    assert KeyStore(program / "fmu-gateway" / "keys").find(url) == "one"
