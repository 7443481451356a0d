"""The jail of `jail.h`, for the zygote that holds Python.

It is part of the native core. Where that could not be built or loaded, FMPy runs models only if an
operator asked for the tier that is no sandbox; asked for any other, this zygote refuses to serve.
"""

from __future__ import annotations

import ctypes
import os

from gateway_simulation import native
from gateway_simulation.layout import Tier


class Jail:
    """A prepared jail. Without the native core there is only the tier that is none.

    `problem` says why there is none, `life` is a descriptor to keep open until `confine`.
    """

    def __init__(self, wanted: int) -> None:
        self.problem: str | None = None
        self.tier = Tier.DEVELOPMENT
        self.life: int | None = None
        if wanted == Tier.DEVELOPMENT:
            return
        if native.problem() is not None:
            self.problem = f"the sandbox is part of the native core, and {native.problem()}"
            return
        home = os.fsencode(os.getcwd())  # noqa: PTH109 - as plain as the rest of it
        failed: bytes | None = native.library().jail_prepare(wanted, home)
        if failed is None:
            hole: bytes | None = native.library().jail_attack(home)
            failed = hole and b"the sandbox does not hold: a process in it " + hole
        if failed:
            self.problem = failed.decode()
            return
        self.tier = Tier(native.library().jail_tier())
        self.life = native.library().jail_life()

    def fork(self) -> int:
        """A child's process id, 0 in the child, which may enter the jail."""
        if self.tier is Tier.DEVELOPMENT:
            return os.fork()
        ctypes.pythonapi.PyOS_BeforeFork()
        process: int = native.library().jail_fork()
        if process == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
        if process < 0:
            msg = "fork failed"
            raise OSError(msg)
        return process

    def enter(self, model: str, folder: str) -> None:
        """See only what a run needs, and work in an empty folder."""
        if self.tier is Tier.DEVELOPMENT:
            os.chdir(folder)
        elif not native.library().jail_enter(model.encode(), folder.encode()):
            msg = "the jail can't be entered"
            raise OSError(msg)

    def confine(self, model: str) -> None:
        """Give up everything else, for good."""
        confined = self.tier is Tier.DEVELOPMENT or native.library().jail_confine(model.encode())
        if not confined:
            msg = "the process can't be confined"
            raise OSError(msg)
