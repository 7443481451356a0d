"""Build the image's stages without Docker: the Dockerfile's own steps, each in a root of its own.

    python scripts/build_image.py build ROOTS                  all stages below that folder
    python scripts/build_image.py run ROOTS STAGE [COMMAND…]   in one, as its USER with its ENV

Needs root, debootstrap, and the registries of Debian and Python. `FROM debian:SUITE-slim` is
debootstrap's minimal SUITE here. The steps see the machine's network and nothing else of it but its
resolver, its pip configuration and its certificates. What only an engine does is left out: layers,
labels, resource limits, the seccomp profile that Docker puts around a container.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# As an engine enters a container: a chroot would forbid the namespaces that the sandbox makes.
_MOUNTS: Final = """set -eu; mount --bind "$0" "$0"; cd "$0"
mount -t proc proc proc; mount -t tmpfs tmpfs dev -o mode=755; mkdir dev/shm
mount -t tmpfs tmpfs dev/shm -o mode=1777
for name in null zero full random urandom tty; do
    touch dev/$name; mount --bind /dev/$name dev/$name
done
touch etc/resolv.conf; mount --bind -o ro /etc/resolv.conf etc/resolv.conf
if [ -f "$PACKAGES" ]; then touch etc/pip.conf; mount --bind -o ro "$PACKAGES" etc/pip.conf; fi
cp "$CERTIFICATES" dev/certificates
mkdir dev/machine; pivot_root . dev/machine; cd /; umount --lazy dev/machine; rmdir dev/machine
exec "$@"
"""
# How a step reaches the registries of packages.
_NETWORK: Final = re.compile(r"PIP_\w+|UV_\w+|\w+_proxy", re.IGNORECASE)
_CERTIFICATES: Final = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), "/dev/certificates")
_PLAIN: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line of a Dockerfile, continued lines joined."""

    word: str
    flags: Mapping[str, str]
    text: str


@dataclass(slots=True)
class Stage:
    """A root while it is built, and what it says of the processes in it."""

    name: str
    parent: str
    steps: list[Instruction] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: dict([_PLAIN.split("=", 1)]))
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)


def main() -> int:
    """Build, or run something in what was built; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["build", "run"])
    parser.add_argument("roots", type=Path)
    parser.add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    stages = configured(read(ROOT / "Dockerfile"))
    if asked.task == "run":
        name, *command = asked.words
        return run(stages[name], asked.roots / name, command or stages[name].command)
    asked.roots.mkdir(parents=True, exist_ok=True)
    for stage in stages.values():
        build(stage, asked.roots)
    return 0


def read(dockerfile: Path) -> list[Instruction]:
    """The instructions. Raises ValueError at one that isn't understood."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [_instruction(line) for line in joined.splitlines() if line.strip()]


_WORDS: Final = {
    *("ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL"),
    *("USER", "VOLUME", "WORKDIR"),
}


def _instruction(line: str) -> Instruction:
    word, _, rest = line.strip().partition(" ")
    if word not in _WORDS:
        msg = f"an instruction that isn't known here: {line}"
        raise ValueError(msg)
    flags = {}
    while found := re.match(r"\s*--([\w-]+)=(\S+)\s+", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return Instruction(word, flags, rest.strip())


def configured(instructions: Sequence[Instruction]) -> dict[str, Stage]:
    """The stages in order, each with what it and its parents say of its processes."""
    stages: dict[str, Stage] = {}
    for instruction in instructions:
        if instruction.word == "FROM":
            parent, _, name = instruction.text.partition(" AS ")
            stage = Stage(name, parent)
            if parent in stages:
                above = stages[parent]
                stage.environment = dict(above.environment)
                stage.folder, stage.user, stage.command = above.folder, above.user, above.command
            stages[name] = stage
            continue
        _configure(stage, instruction)
        stage.steps.append(instruction)
    return stages


def _configure(stage: Stage, step: Instruction) -> None:
    match step.word:
        case "ENV":
            for pair in shlex.split(step.text):
                name, _, value = pair.partition("=")
                stage.environment[name] = value.replace("$PATH", stage.environment["PATH"])
        case "WORKDIR":
            stage.folder = step.text
        case "USER":
            stage.user = step.text
        case "CMD":
            stage.command = json.loads(step.text)


def build(stage: Stage, roots: Path) -> None:
    """Make the root of a stage, by its own steps."""
    root = roots / stage.name
    if root.exists():
        print(f"{stage.name}: there already")
        return
    _begin(stage.parent, roots, root)
    environment = dict([_PLAIN.split("=", 1)])
    told = Stage(stage.name, stage.parent)
    told.environment = environment if ":" in stage.parent else dict(stage.environment)
    for step in stage.steps:
        print(f"{stage.name}: {step.word} {step.text[:100]}", flush=True)
        _configure(told, step)
        if step.word == "RUN" and _in_root(root, told, ["sh", "-c", step.text]):
            shutil.move(root, f"{root}.failed")
            msg = f"{stage.name}: {step.text}"
            raise SystemExit(msg)
        if step.word == "COPY":
            _copy(step, roots, root)
        if step.word == "WORKDIR":
            (root / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _begin(parent: str, roots: Path, root: Path) -> None:
    found = re.fullmatch(r"debian:(\w+)-slim", parent)
    if not found:
        subprocess.run(["cp", "--archive", "--reflink=auto", roots / parent, root], check=True)
        return
    kept = roots / f"debian-{found[1]}"
    if not kept.exists():
        command = ["debootstrap", "--variant=minbase", found[1], f"{kept}.new"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shutil.move(f"{kept}.new", kept)
    subprocess.run(["cp", "--archive", "--reflink=auto", kept, root], check=True)


def _copy(step: Instruction, roots: Path, root: Path) -> None:
    *sources, target = step.text.split()
    place = root / target.lstrip("/")
    if "from" in step.flags:
        (source,) = sources
        place.parent.mkdir(parents=True, exist_ok=True)
        origin = roots / step.flags["from"] / source.lstrip("/")
        subprocess.run(["cp", "--archive", origin, place], check=True)
        return
    for source in sources:
        for file in context(ROOT, source):
            inside = Path(source).name if target.endswith("/") else ""
            to = place / inside / file.relative_to(ROOT / source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)


def context(folder: Path, source: str) -> Iterator[Path]:
    """The files below `source` that .dockerignore lets an engine see."""
    rules = [
        line for line in (folder / ".dockerignore").read_text().splitlines() if line[:1] != "#"
    ]
    start = folder / source
    for file in [start] if start.is_file() else sorted(start.rglob("*")):
        if file.is_file() and not _ignored(file.relative_to(folder), rules):
            yield file


def _ignored(path: Path, rules: Sequence[str]) -> bool:
    """The last rule that fits the file or a folder above counts."""
    names = [str(path), *map(str, path.parents)]
    ignored = False
    for rule in filter(None, rules):
        pattern = rule.removeprefix("!")
        anywhere = pattern.removeprefix("**/")
        if any(
            fnmatch.fnmatch(Path(name).name if anywhere != pattern else name, anywhere)
            for name in names
        ):
            ignored = not rule.startswith("!")
    return ignored


def run(stage: Stage, root: Path, command: Sequence[str]) -> int:
    """A command in the stage's root as its user would find it; its exit status."""
    return _in_root(root, stage, command, os.environ.get("IMAGE_ENV", ""))


def _in_root(root: Path, stage: Stage, command: Sequence[str], more: str = "") -> int:
    user, _, group = stage.user.partition(":")
    network = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)}
    given = {**network, **_CERTIFICATES} if user == "0" else {}
    environment = {**given, **stage.environment, **dict(p.split("=", 1) for p in shlex.split(more))}
    become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    inside = ["env", "--chdir", stage.folder, "-i"]
    inside += [f"{name}={value}" for name, value in environment.items()]
    inside += [*(become if user != "0" else []), *command]
    outside = {
        "PATH": os.environ["PATH"],
        "PACKAGES": "/etc/pip.conf" if user == "0" else "",
        "CERTIFICATES": os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
    }
    begin = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        _MOUNTS,
        str(root),
    ]
    return subprocess.run([*begin, *inside], env=outside, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
