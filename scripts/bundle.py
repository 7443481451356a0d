"""Make the bundle with which a desktop client installs `fmu-gateway mcp`, out of this repository.

    python scripts/bundle.py dist
    python scripts/bundle.py dist --name io.github.you/fmu-gateway --url https://…/fmu-gateway.mcpb

The first writes `dist/fmu-gateway.mcpb` (https://github.com/anthropics/mcpb, manifest 0.4, server
type uv). It holds sources: at its first start uv fetches Python and the pinned dependencies from
PyPI and builds the native core, which takes minutes and the network.

With the name in the MCP registry and the address where you publish the bundle it also writes
`dist/server.json`, which the registry's `mcp-publisher` takes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_SUMMARY: Final = "Run FMI simulation models (FMUs), yours or a verified library's, in a sandbox."
_FILES: Final = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "sdk/python")
_DATE: Final = (1980, 1, 1, 0, 0, 0)  # so that the same sources give the same bytes


def main() -> int:
    """Write the files; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="Where the files go")
    parser.add_argument("--name", help="In the MCP registry: io.github.you/fmu-gateway")
    parser.add_argument("--url", help="Where the bundle will be published")
    parser.add_argument("--remote", help="A gateway that is served for everybody: https://…")
    asked = parser.parse_args()
    if bool(asked.name) != bool(asked.url):
        parser.error("server.json needs both --name and --url")
    asked.folder.mkdir(parents=True, exist_ok=True)
    bundled = bundle()
    _write(asked.folder / "fmu-gateway.mcpb", bundled)
    if asked.name:
        described = server_json(asked.name, asked.url, bundled, asked.remote)
        _write(asked.folder / "server.json", (json.dumps(described, indent=2) + "\n").encode())
    return 0


def bundle() -> bytes:
    """The bundle: a zip with the manifest, an icon and what the gateway is built from."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {
            "manifest.json": json.dumps(manifest(), indent=2).encode(),
            "icon.png": icon(),
            **{name: (ROOT / name).read_bytes() for name in sources()},
        }
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def manifest() -> dict[str, Any]:
    """How a client shows, configures and starts it."""
    project = _project()["project"]
    return {
        "manifest_version": "0.4",
        "name": project["name"],
        "display_name": "FMU Gateway",
        "version": project["version"],
        "description": _SUMMARY,
        "long_description": (
            "Finds, describes and runs FMI 2.0 and 3.0 models and compares their results. Models "
            "run on this machine, or at a gateway whose address you give. The first start takes "
            "minutes: it fetches Python packages and builds the native core."
        ),
        "author": {"name": "The FMU Gateway project"},
        "license": project["license"],
        "icon": "icon.png",
        "keywords": ["simulation", "fmi", "fmu", "modelica"],
        "tools_generated": True,
        "server": {
            "type": "uv",
            "entry_point": "agent_server/gateway_server/cli.py",
            "mcp_config": {
                "command": "uv",
                "args": [
                    *("run", "--quiet", "--no-dev", "--directory", "${__dirname}"),
                    *("fmu-gateway", "mcp", "--allow", "${user_config.folder}"),
                    "--gateway=${user_config.gateway}",
                ],
                "env": {
                    "FMU_GATEWAY_KEY": "${user_config.key}",
                    "FMU_GATEWAY_DB_PATH": "${HOME}/.fmu-gateway.sqlite3",
                },
            },
        },
        "user_config": {
            "folder": {
                "type": "directory",
                "title": "Folder of your models",
                "description": "Files below it can be uploaded, and results saved there",
                "required": True,
            },
            "gateway": {
                "type": "string",
                "title": "Gateway",
                "description": "Address of a gateway that runs the models; empty: this machine",
                "required": False,
                "default": "",
            },
            "key": {
                "type": "string",
                "title": "API key",
                "description": "Of your account at that gateway; empty: one is made and kept",
                "sensitive": True,
                "required": False,
                "default": "",
            },
        },
        "compatibility": {"platforms": ["linux"], "runtimes": {"python": ">=3.11"}},
    }


def server_json(name: str, url: str, bundled: bytes, remote: str | None) -> dict[str, Any]:
    """What the MCP registry is told of it."""
    version = _project()["project"]["version"]
    described: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": name,
        "title": "FMU Gateway",
        "description": _SUMMARY,
        "version": version,
        "packages": [
            {
                "registryType": "mcpb",
                "identifier": url,
                "version": version,
                "fileSha256": hashlib.sha256(bundled).hexdigest(),
                "transport": {"type": "stdio"},
            }
        ],
    }
    if remote:
        address = f"{remote.rstrip('/')}/mcp"
        described["remotes"] = [{"type": "streamable-http", "url": address}]
    return described


def sources() -> list[str]:
    """The files that an installation is built from, as git knows them."""
    packages = _project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    named = ["git", "ls-files", "-z", "--", *_FILES, *packages]
    listed = subprocess.run(named, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(filter(None, listed.split("\0")))


def icon() -> bytes:
    """A ball's bounces, as everybody draws them first; PNG, 512 x 512."""
    import numpy as np  # noqa: PLC0415  only for this
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(1, 1), dpi=512, facecolor="#12355b")
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set_axis_off()
    start, height = 0.0, 1.0
    for _ in range(5):
        time = np.linspace(-1, 1, 60) * height**0.5
        axes.plot(start + time, height - time**2, color="#ffd166", linewidth=3)
        start, height = start + height**0.5 * (1 + 0.49**0.5), height * 0.49
    drawn = io.BytesIO()
    figure.savefig(drawn, metadata={"Software": None}, facecolor=figure.get_facecolor())
    return drawn.getvalue()


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    print(f"{path} ({len(data):,} bytes)")


if __name__ == "__main__":
    sys.exit(main())
