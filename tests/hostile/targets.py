"""Targets of attacks: each function makes a fresh one in a world."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hostile import facts, fmu
from hostile.world import SECRET, Target, World

TEMPORARY: Final = "/tmp"  # noqa: S108 - attacked, not used
IN_MEMORY: Final = "/dev/shm"  # noqa: S108
Aim = Callable[[World], Target]
_LOADER: Final = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}


def nothing(_: World) -> Target:
    return Target()


def at(path: str, other: str = "") -> Aim:
    """A place of the machine, and what to find there."""
    return lambda _: Target(path, other)


# reading


def secret_file(world: World) -> Target:
    return Target(str(world.file()), SECRET)


def shared_file(world: World) -> Target:
    """On the file system that runs work on."""
    return Target(str(world.file(shared=True)), SECRET)


def link_to_secret(world: World) -> Target:
    link = world.folder / world.name()
    link.symlink_to(world.file())
    return Target(str(link), str(world.folder))


def servers_folder(world: World) -> Target:
    return Target(str(world.folder), "gateway.sqlite3")


def database(world: World) -> Target:
    return Target(str(world.folder / "gateway.sqlite3"), SECRET)


def others_model(world: World) -> Target:
    return Target(str(world.others_model.folder / "resources/note.txt"), SECRET)


def beside_model(_: World) -> Target:
    return Target("../../theirs/resources/note.txt", SECRET)


def climbing(world: World) -> Target:
    up = "../" * 40
    return Target(f"{up}{str(world.file()).lstrip('/')}", SECRET)


def self_root(world: World) -> Target:
    return Target(f"/proc/self/root{world.file()}", SECRET)


def thread_root(world: World) -> Target:
    return Target(f"/proc/thread-self/root{world.file()}", SECRET)


def server_root(world: World) -> Target:
    return Target(f"/proc/{os.getpid()}/root{world.file()}", SECRET)


def server_database(world: World) -> Target:
    return Target(f"/proc/{os.getpid()}/fd/{world.database}", SECRET)


def taken_database(world: World) -> Target:
    return Target(str(world.database), SECRET, os.getpid())


def of_server(name: str, other: str = "") -> Aim:
    return lambda _: Target(f"/proc/{os.getpid()}/{name}", other)


def of_zygote(name: str, other: str = "") -> Aim:
    return lambda world: Target(f"/proc/{world.zygote}/{name}", other, world.zygote)


def server_memory(world: World) -> Target:
    return Target(SECRET, world.address, os.getpid())


def server_segment(world: World) -> Target:
    return Target(SECRET, number=world.segment.id)


def disk(_: World) -> Target:
    return Target(facts.disk())


def own_secret(_: World) -> Target:
    return Target(other=SECRET)


def own_secret_backwards(_: World) -> Target:
    return Target(other=SECRET[::-1])


def earlier_model_backwards(world: World) -> Target:
    """The folder of a model that another run in the same zygote had."""
    return Target(other=str(world.others_model.folder)[::-1])


# writing


def changed(*, shared: bool = False, other: bool = False) -> Aim:
    """A file whose content, name, mode, owner or times mustn't change."""

    def aim(world: World) -> Target:
        path = world.file(shared=shared)
        before = _state(path)
        second = str(path) + "-other" if other else ""
        return Target(str(path), second, seen=lambda: _state(path) != before)

    return aim


def exchanged(world: World) -> Target:
    path, second = world.file("ours"), world.file("theirs")
    return Target(str(path), str(second), seen=lambda: path.read_text() != "ours")


def added(folder: Callable[[World], Path]) -> Aim:
    """A name that mustn't come into being in `folder`."""

    def aim(world: World) -> Target:
        path = folder(world) / f"hostile-{os.getpid()}-{world.name()}"
        return Target(str(path), seen=path.exists, tidy=lambda: _remove(path))

    return aim


def added_link(world: World) -> Target:
    path, link = world.file(), world.folder / world.name()
    return Target(str(path), str(link), seen=link.is_symlink)


def removed_folder(world: World) -> Target:
    path = world.folder / world.name()
    path.mkdir()
    return Target(str(path), seen=lambda: not path.exists())


def unnamed(world: World) -> Target:
    return Target(str(world.folder))


def fresh_model(relative: str) -> Aim:
    """A model of this run's own, in which `relative` mustn't change."""

    def aim(world: World) -> Target:
        model = fmu.install(world.library, world.folder / "models" / world.name())
        path = model.folder / relative
        before = _state(path)
        return Target(f"../{relative}", seen=lambda: _state(path) != before, model=model)

    return aim


def fresh_library(world: World) -> Target:
    model = fmu.install(world.library, world.folder / "models" / world.name())
    (path,) = model.folder.rglob("hostile.so")
    before = _state(path)
    return Target(seen=lambda: _state(path) != before, model=model)


def others_file(world: World) -> Target:
    path = world.others_model.folder / world.name()
    return Target(str(path), seen=path.exists, tidy=lambda: _remove(path))


def result_file(world: World) -> Target:
    folder = world.folder / "results"
    folder.mkdir(exist_ok=True)
    path = folder / world.name()
    path.write_text("rows")
    return Target(str(path), seen=lambda: path.read_text() != "rows")


def zygotes_file(world: World) -> Target:
    path = world.home / "left-by-model"
    return Target("../left-by-model", seen=path.exists, tidy=lambda: _remove(path))


def zygotes_log(world: World) -> Target:
    path = world.home / "zygote.log"
    before = path.stat().st_size
    return Target("../zygote.log", seen=lambda: path.stat().st_size != before)


def zygotes_log_by_name(world: World) -> Target:
    path = world.home / "zygote.log"
    before = path.stat().st_size
    return Target(str(path), seen=lambda: path.stat().st_size != before)


def overwritten_memory(world: World) -> Target:
    world.memory.value = SECRET.encode()

    def seen() -> bool:
        found = world.memory.value != SECRET.encode()
        world.memory.value = SECRET.encode()
        return found

    return Target("", world.address, os.getpid(), seen)


def temporary(_: World) -> Path:
    return Path(TEMPORARY)


def in_memory(_: World) -> Path:
    return Path(IN_MEMORY)


def home(_: World) -> Path:
    return Path.home()


def outside(world: World) -> Path:
    return world.folder


def group(_: World) -> Path:
    return Path(facts.cgroup())


# talking


def listener(kind: str) -> Aim:
    return lambda world: world.hearing(kind)


def unix(kind: str) -> Aim:
    return lambda world: world.hearing(f"unix {kind}", str(world.shared / kind))


def abstract(kind: str) -> Aim:
    return lambda world: world.hearing(f"abstract {kind}", f"@{world.abstract(kind)}")


# processes


def server(world: World) -> Target:
    return Target(other=world.address, number=os.getpid())


def signalled(world: World) -> Target:
    return world.signal_target()


def victim(world: World) -> Target:
    return world.victim()


def bystander(world: World) -> Target:
    """A process that may be looked at; its death isn't the point."""
    made = world.victim()
    return Target(number=made.number, tidy=made.tidy)


def zygote(world: World) -> Target:
    return Target(number=world.zygote)


def threads(_: World) -> Target:
    tasks = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[1]
    return Target(number=int(tasks) + 1000)


def loader(_: World) -> Target:
    return Target(_LOADER.get(os.uname().machine, ""))


# as soon as the library is loaded


def at_load(call: str, aim: Aim = nothing) -> Aim:
    """The target of `aim`, told by a file of the model."""

    def made(world: World) -> Target:
        found = aim(world)
        told = f"{call}\n{found.path}\n{found.other}\n"
        folder = world.folder / "models" / world.name()
        model = fmu.install(world.library, folder, at_load=told)
        return Target(seen=found.seen, model=model, tidy=found.tidy)

    return made


def _state(path: Path) -> object:
    try:
        found = path.lstat()
        attributes = tuple(os.listxattr(path))
    except OSError:
        return None
    content = path.read_bytes() if path.is_file() else b""
    return (
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_nlink,
        found.st_mtime_ns,
        found.st_ctime_ns,
        content,
        attributes,
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
