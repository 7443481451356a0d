"""Builds the native core and the model library when the gateway is installed.

Running needs no compiler then.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryHook(BuildHookInterface[Any]):
    """Compiles both into their packages, for wheels and for editable installs."""

    def dependencies(self) -> list[str]:
        """A compiler out of a wheel, where the machine has none."""
        self._find_packages()
        from gateway_simulation.compiler import system_compiler  # noqa: PLC0415  found just above

        return [] if system_compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build what is out of date and add it to the wheel, which then fits this platform."""
        self._find_packages()
        self._build_core()
        from gateway_library.build import build_library, built_folder  # noqa: PLC0415
        from gateway_library.sources import models_folder  # noqa: PLC0415

        report = build_library(models_folder(), built_folder())
        self.app.display_info(f"library: {len(report.built)} built, {len(report.kept)} up to date")
        build_data["artifacts"] += [
            "/library/gateway_library/built/",
            "/simulation/gateway_simulation/native/built/",
        ]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"

    def _build_core(self) -> None:
        """Without it FMPy runs the models, more slowly, and every answer says so."""
        from gateway_simulation.compiler import CompilationError  # noqa: PLC0415
        from gateway_simulation.native.build import build_core  # noqa: PLC0415

        try:
            made = "built" if build_core() else "up to date"
        except CompilationError as error:
            made = f"not built, FMPy will run the models: {error}"
        self.app.display_info(f"native core: {made}")

    def _find_packages(self) -> None:
        """Make the sources importable: nothing is installed yet."""
        for name in ("library", "simulation"):
            folder = str(Path(self.root) / name)
            if folder not in sys.path:
                sys.path.insert(0, folder)


def _platform_tag() -> str:
    """Such as linux_x86_64: Python itself is not linked, so its version does not matter."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
