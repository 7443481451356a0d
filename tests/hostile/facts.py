"""What a control needs to succeed: facts of this machine and user, looked up, never assumed."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_CAPABILITIES: Final = {
    "CAP_CHOWN": 0, "CAP_DAC_READ_SEARCH": 2, "CAP_SETUID": 7, "CAP_NET_RAW": 13,
    "CAP_IPC_LOCK": 14, "CAP_SYS_RAWIO": 17, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19,
    "CAP_SYS_PACCT": 20, "CAP_SYS_ADMIN": 21, "CAP_SYS_BOOT": 22, "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24, "CAP_SYS_TIME": 25, "CAP_MKNOD": 27, "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38, "CAP_BPF": 39,
}  # fmt: skip
_GETPID_BY_X32: Final = 0x40000000 + 39
_MEMFD_SECRET: Final = 447
_IOPERM: Final = 173
_UNTIL_PARANOID: Final = 2
_ROOM: Final = 2**29
_IN_MEMORY: Final = "/dev/shm"  # noqa: S108 - looked at only


def missing(needs: tuple[str, ...]) -> str:
    """The first of `needs` that isn't so here, in words; empty where all are."""
    return next((f"needs {need}" for need in needs if not holds(need)), "")


@cache
def holds(need: str) -> bool:
    """Whether a fact, a capability or the existence of a readable path is given."""
    if need in _CAPABILITIES:
        return bool(_effective() >> _CAPABILITIES[need] & 1)
    if need.startswith("/"):
        return os.access(need, os.R_OK)
    return _FACTS[need]()


def _effective() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("CapEff:")[1].split()[0], 16)


def _setting(path: str, default: int) -> int:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except OSError:
        return default


def _offers(family: str, kind: socket.SocketKind) -> bool:
    try:
        socket.socket(getattr(socket, family), kind).close()
    except (OSError, AttributeError):
        return False
    return True


def _loopback_6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as made:
            made.bind(("::1", 0))
    except OSError:
        return False
    return True


def _user_namespaces() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([unshare, "-U", "true"], check=False, capture_output=True).returncode == 0


def _answers(number: int) -> bool:
    """Whether a harmless system call without arguments succeeds."""
    found: int = ctypes.CDLL(None).syscall(ctypes.c_long(number), 0)
    if found >= 0 and number == _MEMFD_SECRET:
        os.close(found)
    return found >= 0


def _knows(number: int) -> bool:
    """Whether the kernel was built with a system call, asked for nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    found: int = libc.syscall(ctypes.c_long(number), 0, 0, 0)
    return found >= 0 or ctypes.get_errno() != errno.ENOSYS


def _intel() -> bool:
    return platform.machine() == "x86_64"


@cache
def cgroup() -> str:
    """A folder of control groups, if possible one in which this user can make a group."""
    places = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids")
    there = [place for place in places if Path(place, "cgroup.procs").exists()]
    return next((place for place in there if os.access(place, os.W_OK)), places[0])


@cache
def disk() -> str:
    """A block device, if possible one that this user can read."""
    there = [str(path) for path in sorted(Path("/dev").iterdir()) if path.is_block_device()]
    return next((device for device in there if _has_content(device)), "/dev/sda")


def _has_content(device: str) -> bool:
    try:
        with Path(device).open("rb") as file:
            return bool(file.read(512))
    except OSError:
        return False


def _has_entries(folder: str) -> bool:
    try:
        return any(Path(folder).iterdir())
    except OSError:
        return False


def _user_attributes() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.setxattr(file.name, "user.hostile", b"")
        except OSError:
            return False
    return True


_PROC: Final = "/proc/sys/kernel"
_FACTS: Final[dict[str, Callable[[], bool]]] = {
    "root": lambda: os.geteuid() == 0,
    "ordinary user": lambda: os.geteuid() != 0,
    "x86_64": _intel,
    "ports": lambda: _intel() and _knows(_IOPERM),
    "32-bit calls": lambda: _intel() and Path("/proc/sys/abi/vsyscall32").exists(),
    "x32 calls": lambda: _intel() and _answers(_GETPID_BY_X32),
    "secret memory": lambda: _answers(_MEMFD_SECRET),
    "user namespaces": _user_namespaces,
    "tracing": lambda: holds("CAP_SYS_PTRACE") or not _setting(f"{_PROC}/yama/ptrace_scope", 0),
    "bpf": lambda: holds("CAP_BPF") or not _setting(f"{_PROC}/unprivileged_bpf_disabled", 0),
    "perf": lambda: (
        holds("CAP_PERFMON")
        or _setting(f"{_PROC}/perf_event_paranoid", 2) <= _UNTIL_PARANOID
    ),
    "io_uring": lambda: not _setting(f"{_PROC}/io_uring_disabled", 1),
    "kernel log": lambda: holds("CAP_SYSLOG") or not _setting(f"{_PROC}/dmesg_restrict", 1),
    "modules": lambda: Path("/proc/modules").exists(),
    "kexec": lambda: Path("/sys/kernel/kexec_loaded").exists(),
    "IPv6": _loopback_6,
    "vsock": lambda: _offers("AF_VSOCK", socket.SOCK_STREAM),
    "crypto sockets": lambda: _offers("AF_ALG", socket.SOCK_SEQPACKET),
    "MPTCP": lambda: bool(_setting("/proc/sys/net/mptcp/enabled", 0)),
    "writable cgroups": lambda: os.access(cgroup(), os.W_OK),
    "room in memory": lambda: shutil.disk_usage(_IN_MEMORY).free > _ROOM,
    "a readable disk": lambda: os.access(disk(), os.R_OK),
    "user attributes": _user_attributes,
    "something in /home": lambda: _has_entries("/home"),
    "something in /root": lambda: _has_entries("/root"),
}  # fmt: skip
