"""Every attack: its family, what it aims at, and how it has to end.

An *attack* has an effect where nothing holds it back: its control in tier `development` must
succeed wherever this machine and user fulfil what it `needs`, and nowhere else may it have one.
A *misbehaviour* (`ends`) is held by every tier alike: it must end in one of these ways, in time,
and do no harm. What is `held` by every tier has no control that could succeed, and counts for
nothing; it is tried all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hostile import fmu
from hostile import targets as t

from gateway_simulation.trajectory import Trajectory

DONE: Final = "done"
PATIENCE_S: Final = 5.0
IMPATIENCE_S: Final = 0.4
_LARGEST: Final = 2**53
_TAKEN_OVER: Final = 42


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `done`, or the class of its error."""

    outcome: str
    details: dict[str, Any]
    trajectory: Trajectory | None
    effect: bool
    code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Attack:
    """One row. `call` is the C function; `says` whether its own word counts.

    `engine` is the only one that it can be tried with.
    """

    family: str
    name: str
    call: str
    aim: t.Aim = t.nothing
    needs: tuple[str, ...] = ()
    seen: Callable[[Ended], bool] | None = None
    ends: frozenset[str] = frozenset()
    held: str = ""
    deadline_s: float = PATIENCE_S
    says: bool = True
    engine: str = ""

    @property
    def id(self) -> str:
        return f"{self.family}: {self.name}"


def _taken_over(ended: Ended) -> bool:
    return ended.details.get("exit_status") == _TAKEN_OVER


def _lost(ended: Ended) -> bool:
    return ended.outcome == "RunnerLostError"


def _short(ended: Ended) -> bool:
    found = ended.trajectory
    return found is not None and found.terminated_at is None and found.rows < fmu.ROWS


def _long(ended: Ended) -> bool:
    found = ended.trajectory
    return found is not None and found.time[-1] > 1


def _endless(ended: Ended) -> bool:
    at = ended.trajectory.terminated_at if ended.trajectory else None
    return at is not None and not math.isfinite(at)


def _absurd(ended: Ended) -> bool:
    found = ended.trajectory
    return found is not None and any(n > _LARGEST for n in found.statistics.values())


def _unprintable(ended: Ended) -> bool:
    return not all(c.isprintable() for c in str(ended.details) if c != "\n")


_root = ("root",)
_admin = ("CAP_SYS_ADMIN",)
_trace = ("tracing",)
_nice = ("CAP_SYS_NICE",)

_read = partial(Attack, "read")
_write = partial(Attack, "write")
_talk = partial(Attack, "network")
_process = partial(Attack, "processes")
_kernel = partial(Attack, "kernel")

READ: Final = (
    _read("/etc/passwd", "reads", t.at("/etc/passwd", "root:")),
    _read("/etc/shadow", "reads", t.at("/etc/shadow", "root:"), ("/etc/shadow",)),
    _read("a file of the server", "reads", t.secret_file),
    _read("a file of the server, in memory", "reads", t.shared_file),
    _read("the database", "reads", t.database),
    _read("another model", "reads", t.others_model),
    _read("another model, through its own folder", "reads_beside_model", t.beside_model),
    _read("../ up to the root", "reads", t.climbing),
    _read("after chdir", "reads_after_chdir", t.secret_file),
    _read("by openat2", "reads_by_openat2", t.secret_file),
    _read("by a symbolic link", "reads_by_symlink", t.secret_file),
    _read("by a hard link", "reads_by_hard_link", t.shared_file),
    _read("by an O_PATH descriptor", "reads_by_path_descriptor", t.secret_file),
    _read("by a handle", "reads_by_handle", t.secret_file, ("CAP_DAC_READ_SEARCH",)),
    _read("by the Python in its process", "reads_by_python", t.secret_file, engine="fmpy"),
    _read("by a 32-bit call", "reads_by_32_bit_call", t.secret_file, ("32-bit calls",)),
    _read("as the library is loaded", "nothing", t.at_load("reads", t.secret_file)),
    _read("/proc/self/root", "reads", t.self_root),
    _read("/proc/thread-self/root", "reads", t.thread_root),
    _read("/proc/self/exe", "reads", t.at("/proc/self/exe", "ELF")),
    _read("/proc/self/maps", "reads", t.at("/proc/self/maps", "hostile.so"), _root),
    _read("/proc/self/environ", "reads", t.at("/proc/self/environ", "PATH="), _root),
    _read("/proc/self/environ, made dumpable", "dumps_own_environment"),
    _read("/proc/self/auxv", "reads", t.at("/proc/self/auxv"), _root),
    _read("/proc/self/mountinfo", "reads", t.at("/proc/self/mountinfo", "/")),
    _read("/proc/self/fd", "lists", t.at("/proc/self/fd", "1")),
    _read("/proc of the server: root", "reads", t.server_root, _trace),
    _read("/proc of the server: environment", "reads", t.of_server("environ", "sk_live"), _trace),
    _read("/proc of the server: auxv", "reads", t.of_server("auxv"), _trace),
    _read("/proc of the server: maps", "reads", t.of_server("maps", "python"), _trace),
    _read("/proc of the server: command line", "reads", t.of_server("cmdline", "python")),
    _read("/proc of the server: open database", "reads", t.server_database, _trace),
    _read("/proc of the server: executable", "sees_link", t.of_server("exe", "python"), _trace),
    _read("/proc of the zygote: environment", "reads", t.of_zygote("environ", "PATH"), _root),
    _read("/proc of the zygote: maps", "reads", t.of_zygote("maps", "python"), _root),
    _read("/proc of the zygote: folder", "lists", t.of_zygote("cwd", "zygote.log"), _root),
    _read("the server's memory by /proc", "reads_memory_file", t.server_memory, _trace),
    _read("the server's memory by a call", "reads_memory_by_call", t.server_memory, _trace),
    _read("the server's memory by ptrace", "reads_memory_by_ptrace", t.server_memory, _trace),
    _read("the server's shared memory", "reads_shared_memory", t.server_segment),
    _read("list /", "lists", t.at("/", "etc")),
    _read("list /home", "lists", t.at("/home"), ("something in /home",)),
    _read("list /root", "lists", t.at("/root"), ("something in /root",)),
    _read("list /tmp", "lists", t.at(t.TEMPORARY)),
    _read("list /dev/shm", "lists", t.at(t.IN_MEMORY)),
    _read("list /proc", "lists", t.at("/proc", "self")),
    _read("list the server's folder", "lists", t.servers_folder),
    _read("list beside its own folder", "lists", t.at("..", "zygote.log")),
    _read("/proc/version", "reads", t.at("/proc/version", "Linux")),
    _read("/proc/net/unix", "reads", t.at("/proc/net/unix", "Path")),
    _read("/sys", "lists", t.at("/sys", "kernel")),
    _read("/dev/kmsg", "reads", t.at("/dev/kmsg"), ("kernel log", "/dev/kmsg")),
    _read("the kernel's log by a call", "reads_kernel_log", needs=("kernel log",)),
    _read("/dev/mem", "reads", t.at("/dev/mem"), ("/dev/mem",)),
    _read("a disk", "reads", t.disk, ("a readable disk",)),
    _read("how large a file is", "sees_size", t.secret_file),
    _read("that a file exists", "sees_existence", t.secret_file),
    _read("where a link leads", "sees_link", t.link_to_secret),
    _read("which model ran before it", "finds_in_own_memory", t.earlier_model_backwards,
        held="a zygote keeps nothing of an order once its process runs"),
    _read("the server's key in its environment", "finds_in_environment", t.own_secret,
          held="the zygote starts with an environment made for it"),
    _read("the server's key in its own memory", "finds_in_own_memory", t.own_secret_backwards,
          held="the zygote is executed afresh, no fork of the server"),
    _read("inherited descriptors", "finds_descriptors",
          held="a run's process closes all but its own"),
)  # fmt: skip

WRITE: Final = (
    _write("append to a file", "writes", t.changed()),
    _write("append to a file in memory", "writes", t.changed(shared=True)),
    _write("append as the library is loaded", "nothing", t.at_load("writes", t.changed())),
    _write("cut a file", "truncates", t.changed()),
    _write("cut a file by opening it", "truncates_by_opening", t.changed()),
    _write("remove a file", "removes", t.changed()),
    _write("rename a file", "renames", t.changed(other=True)),
    _write("exchange two files", "exchanges", t.exchanged),
    _write("take a file into its own folder", "reads_by_hard_link", t.changed(shared=True)),
    _write("link a file", "makes_link", t.changed(other=True)),
    _write("make a symbolic link", "makes_symlink", t.added_link),
    _write("make a named pipe", "makes_fifo", t.added(t.outside)),
    _write("make a device", "makes_device", t.added(t.outside), ("CAP_MKNOD",)),
    _write("make a folder", "makes_folder", t.added(t.outside)),
    _write("remove a folder", "removes_folder", t.removed_folder),
    _write("make an unnamed file", "creates_unnamed", t.unnamed),
    _write("change a file's mode", "changes_mode", t.changed()),
    _write("change a file's owner", "changes_owner", t.changed()),
    _write("change a file's times", "changes_times", t.changed()),
    _write("change a file's attributes", "changes_attributes", t.changed(), ("user attributes",)),
    _write("lock the database", "locks", t.database),
    _write("write to the database", "writes", t.changed()),
    _write("write to a result", "writes", t.result_file),
    _write("write to another model", "creates", t.others_file),
    _write("write to its own model", "writes_beside_model", t.fresh_model("modelDescription.xml")),
    _write("cut its own model", "truncates_beside_model", t.fresh_model("modelDescription.xml")),
    _write(
        "cut its own model by opening it",
        "truncates_beside_model_by_opening",
        t.fresh_model("modelDescription.xml"),
    ),
    _write("add to its own model", "writes_beside_model", t.fresh_model("resources/added")),
    _write("write to its own library", "writes_library", t.fresh_library),
    _write("rename its own library", "replaces_library", t.fresh_library),
    _write("make a file in /tmp", "creates", t.added(t.temporary)),
    _write("make a file in /dev/shm", "creates", t.added(t.in_memory)),
    _write("make a file at home", "creates", t.added(t.home)),
    _write("the zygote's folder", "creates", t.zygotes_file),
    _write("the zygote's log", "writes", t.zygotes_log),
    _write("the zygote's log by its name", "writes", t.zygotes_log_by_name),
    _write("rename its own folder", "renames_own_folder", says=False),
    _write("a control group", "makes_folder", t.added(t.group), ("writable cgroups",)),
    _write("a setting of the kernel", "writes_setting", t.at("/proc/sys/fs/pipe-max-size"), _root),
    _write("the server's place in line to be killed", "writes_setting",
           t.of_server("oom_score_adj")),
    _write("the server's core dumps", "writes_setting", t.of_server("coredump_filter")),
    _write("the server's memory by /proc", "writes_memory_file", t.overwritten_memory, _trace),
    _write("the server's memory by a call", "writes_memory_by_call", t.overwritten_memory, _trace),
    _write("remount its own model", "remounts_model", needs=_admin),
    _write("unmount its own model", "unmounts_model", needs=_admin),
    _write("3000 files", "leaves_many_files"),
    _write("more in files than it may have of memory", "leaves_large_files",
        needs=("room in memory",)),
    _write("cut the block of its result", "cuts_result", held="the block's size is sealed"),
)  # fmt: skip

NETWORK: Final = (
    _talk("connect to TCP", "connects_tcp", t.listener("tcp")),
    _talk("connect to TCP, IPv6", "connects_tcp6", t.listener("tcp6"), ("IPv6",)),
    _talk("connect to MPTCP", "connects_mptcp", t.listener("mptcp"), ("MPTCP",)),
    _talk("connect to TCP by sending", "connects_by_sending", t.listener("tcp")),
    _talk("connect as the library is loaded", "nothing",
          t.at_load("connects_unix", t.unix("stream"))),
    _talk("listen on TCP", "listens_tcp"),
    _talk("send UDP", "sends_udp", t.listener("udp")),
    _talk("ask a name server", "asks_dns", t.listener("udp")),
    _talk("resolve localhost", "resolves_localhost"),
    _talk("connect to a unix socket", "connects_unix", t.unix("stream")),
    _talk("send to a unix socket", "sends_unix", t.unix("dgram")),
    _talk("connect to an abstract socket", "connects_unix", t.abstract("stream")),
    _talk("send to an abstract socket", "sends_unix", t.abstract("dgram")),
    _talk("listen on an abstract socket", "listens_abstract"),
    _talk("ask netlink for interfaces", "asks_netlink"),
    _talk("raw socket", "opens_raw", needs=("CAP_NET_RAW",)),
    _talk("packet socket", "opens_packet", needs=("CAP_NET_RAW",)),
    _talk("socket to the host", "opens_vsock", needs=("vsock",)),
    _talk("socket of the kernel's ciphers", "opens_crypto", needs=("crypto sockets",)),
    _talk("socket by a 32-bit call", "opens_socket_by_32_bit_call", needs=("32-bit calls",)),
    _talk("io_uring", "opens_io_uring", needs=("io_uring",)),
    _talk("message queue", "opens_message_queue"),
    _talk("watch a folder", "watches_folder", t.servers_folder),
)  # fmt: skip

PROCESSES: Final = (
    _process("fork", "forks"),
    _process("vfork", "vforks"),
    _process("clone", "clones"),
    _process("clone3", "clones_by_clone3"),
    _process("fork by a 32-bit call", "forks_by_32_bit_call", needs=("32-bit calls",)),
    _process("fork by an x32 call", "forks_by_x32_call", needs=("x32 calls",)),
    _process("fork as the library is loaded", "nothing", t.at_load("forks")),
    _process("fork 40 times", "forks_many"),
    _process("leave a daemon", "leaves_daemon"),
    _process("execute", "executes", seen=_taken_over),
    _process("execute as the library is loaded", "nothing", t.at_load("executes"),
             seen=_taken_over),
    _process("execute by execveat", "executes_by_execveat", seen=_taken_over),
    _process("execute by the loader", "executes_by_loader", t.loader, seen=_taken_over),
    _process("execute from memory", "executes_from_memory", seen=_taken_over),
    _process("file in memory", "makes_memory_file"),
    _process("posix_spawn", "spawns"),
    _process("system", "runs_shell"),
    _process("popen", "opens_pipe_to_shell"),
    _process("1000 threads more than the machine has", "takes_threads", t.threads),
    _process("kill a process", "kills", t.victim),
    _process("kill the zygote", "kills", t.zygote, seen=_lost, says=False),
    _process("signal the server", "signals", t.signalled),
    _process("signal everybody", "signals_everybody"),
    _process("signal the server by tgkill", "signals_by_tgkill", t.signalled),
    _process("signal the server by tkill", "signals_by_tkill", t.signalled),
    _process("signal the server by sigqueue", "signals_by_queue", t.signalled),
    _process("signal the server by pidfd", "signals_by_pidfd", t.signalled),
    _process("signal the server by a pipe", "signals_by_pipe", t.signalled, says=False),
    _process("hold the server by pidfd", "opens_pidfd", t.server),
    _process("take the server's descriptor", "takes_descriptor", t.taken_database, _trace),
    _process("trace a process", "attaches", t.bystander, _trace),
    _process("seize a process", "seizes", t.bystander, _trace),
    _process("ask to be traced", "asks_to_be_traced"),
    _process("compare with the server", "compares_processes", t.server, _trace),
    _process("advise the server's memory", "advises_process", t.server, _nice),
    _process("slow the server", "slows_process", t.server),
    _process("move the server to a core", "moves_process", t.server),
    _process("set the server's disk priority", "sets_disk_priority", t.server),
    _process("limit the server", "limits_process", t.server),
    _process("outlive its parent", "outlives_parent"),
)  # fmt: skip

KERNEL: Final = (
    _kernel("user namespace", "enters_user_namespace", needs=("user namespaces",)),
    _kernel("network namespace", "enters_network_namespace", needs=_admin),
    _kernel("mount in a user namespace", "mounts_in_user_namespace", needs=("user namespaces",)),
    _kernel("join the server's namespace", "joins_namespace", t.of_server("ns/net"), _admin),
    _kernel("join it by pidfd", "joins_namespace_by_pidfd", t.server, _admin),
    _kernel("mount", "mounts", needs=_admin),
    _kernel("fsopen", "mounts_by_fsopen", needs=_admin),
    _kernel("open_tree", "opens_tree", t.servers_folder),
    _kernel("move_mount", "moves_mount", needs=_admin),
    _kernel("chroot", "changes_root", needs=("CAP_SYS_CHROOT",)),
    _kernel("pivot_root", "pivots_root", needs=_admin),
    _kernel("setuid(0)", "becomes_root", needs=_root),
    _kernel("setresuid(0)", "becomes_root_by_setresuid", needs=_root),
    _kernel("setresuid to somebody", "becomes_somebody", needs=("CAP_SETUID",)),
    _kernel("setfsuid(0)", "becomes_root_for_files", needs=_root),
    _kernel("setgroups", "joins_groups", needs=_root),
    _kernel("have capabilities", "has_capabilities", needs=("CAP_SYS_CHROOT",)),
    _kernel("raise capabilities", "raises_capabilities", needs=("CAP_SYS_CHROOT",)),
    _kernel("become dumpable", "becomes_dumpable"),
    _kernel("real-time priority", "runs_in_real_time", needs=_nice),
    _kernel("negative nice", "goes_first", needs=_nice),
    _kernel("raise a limit", "raises_limit", needs=("CAP_SYS_RESOURCE",)),
    _kernel("mlock", "locks_memory"),
    _kernel("userfaultfd", "handles_page_faults"),
    _kernel("bpf", "loads_bpf", needs=("bpf",)),
    _kernel("perf_event_open", "counts_events", needs=("perf",)),
    _kernel("add_key", "keeps_key"),
    _kernel("keyctl", "reads_keyring"),
    _kernel("personality", "changes_personality"),
    _kernel("seccomp", "adds_filter"),
    _kernel("memfd_secret", "opens_secret_memory", needs=("secret memory",)),
    _kernel("fanotify", "watches_files", needs=_admin),
    _kernel("name_to_handle_at", "names_file", t.secret_file),
    _kernel("modify_ldt", "changes_segments", needs=("x86_64",)),
    _kernel("iopl", "opens_ports", needs=("ports", "CAP_SYS_RAWIO")),
    _kernel("ioperm", "opens_one_port", needs=("ports", "CAP_SYS_RAWIO")),
    _kernel("reboot", "reboots", needs=("CAP_SYS_BOOT",)),
    _kernel("init_module", "loads_module", needs=("modules", "CAP_SYS_ADMIN")),
    _kernel("kexec_load", "loads_kernel", needs=("kexec", "CAP_SYS_BOOT")),
    _kernel("acct", "accounts", needs=("CAP_SYS_PACCT",)),
    _kernel("swapon", "swaps", needs=_admin),
    _kernel("quotactl", "changes_quotas"),
    _kernel("sethostname", "names_host", needs=_admin),
    _kernel("adjtimex", "sets_clock", needs=("CAP_SYS_TIME",)),
)  # fmt: skip


def _ends(family: str, name: str, call: str, *ends: str, **more: Any) -> Attack:  # noqa: ANN401
    return Attack(family, name, call, ends=frozenset(ends), says=False, **more)


def _forge(name: str, call: str, *ends: str, **more: Any) -> Attack:  # noqa: ANN401
    """The native engine lets models write into the block of the result; FMPy copies."""
    return _ends("protocol", f"forge {name}", call, *ends, engine="native", **more)


_take = partial(_ends, "resources")
_lie = partial(_ends, "protocol")
_TIMEOUT: Final = "RunTimeoutError"
_MEMORY: Final = "OutOfMemoryError"
_CRASH: Final = "ModelCrashedError"
_EXIT: Final = "ModelExitedError"
_FAILED: Final = "ModelFailedError"
_INVALID: Final = "InvalidResultError"
_ENGINE: Final = "EngineFailedError"
_FORBIDDEN: Final = "ForbiddenCallError"
_never = {"deadline_s": IMPATIENCE_S}

RESOURCES: Final = (
    _take("malloc", "takes_memory", _MEMORY),
    _take("mmap", "takes_mappings", _MEMORY),
    _take("shared mmap", "takes_shared_mappings", _MEMORY),
    _take("locked mmap", "takes_locked_memory", _MEMORY, _CRASH),
    _take("stack", "takes_stack", _CRASH),
    _take("descriptors", "takes_descriptors", DONE),
    _take("pipes", "takes_pipes", DONE),
    _take("one large file", "leaves_one_large_file", DONE),
    _take("deep folders", "leaves_deep_folders", DONE),
    _take("a locked folder", "leaves_locked_folder", DONE),
    _take("spin", "spins", _TIMEOUT, **_never),
    _take("spin as the library is loaded", "nothing", _TIMEOUT, aim=t.at_load("spins"), **_never),
    _take("spin in threads", "spins_in_threads", _TIMEOUT, **_never),
    _take("spin yielding", "spins_yielding", _TIMEOUT, **_never),
    _take("spin deaf to signals", "spins_deaf", _TIMEOUT, **_never),
    _take("sleep", "sleeps", _TIMEOUT, **_never),
    _take("wait for itself", "waits_for_itself", _TIMEOUT, **_never),
    _take("wait on a pipe", "waits_on_pipe", _TIMEOUT, **_never),
    _take("fault for ever", "faults_for_ever", _TIMEOUT, **_never),
    _take("leave a thread alone", "leaves_thread_alone", _TIMEOUT, **_never),
    _take("flood the log", "floods_log", DONE),
    _take("flood the output", "floods_output", DONE),
)  # fmt: skip

PROTOCOL: Final = (
    _forge("the magic word only", "forges_magic", _INVALID),
    _forge("a short run", "forges_short_run", _INVALID, seen=_short),
    _forge("a run of its first and last row", "forges_sparse_run", _INVALID, seen=_short),
    _forge("a run beyond its end", "forges_long_run", _INVALID, seen=_long),
    _forge("an end that isn't its last row's", "forges_other_end", _INVALID),
    _forge("a whole run, as a model may that answers 42", "forges_whole_run", DONE),
    _forge("more rows than there are", "forges_rows", _INVALID),
    _forge("rows outside the block", "forges_first_row", _INVALID),
    _forge("events outside the block", "forges_first_event", _INVALID),
    _forge("an event beyond the end", "forges_late_event", _INVALID),
    _forge("NaN", "forges_not_a_number", _INVALID),
    _forge("time going back", "forges_time", _INVALID),
    _forge("an end at NaN", "forges_end", _INVALID, seen=_endless),
    _forge("absurd statistics", "forges_statistics", _INVALID, seen=_absurd),
    _forge("absurdly many steps", "forges_steps", _INVALID, seen=_absurd),
    _forge("an unknown status", "forges_status", _INVALID),
    _forge("a failure of ours, to run unpaid", "forges_our_failure", _ENGINE),
    _forge("words", "forges_words", _FAILED, seen=_unprintable),
    _forge("everything", "forges_everything", _INVALID, _EXIT),
    _forge("at exit", "forges_at_exit", _INVALID, seen=_short),
    _lie("leave a thread writing", "leaves_thread_writing", DONE, _INVALID, _EXIT),
    _lie("exit(0)", "exits", _EXIT),
    _lie("exit(0) as the library is loaded", "nothing", _EXIT, aim=t.at_load("exits")),
    _lie("_exit(0)", "exits_at_once", _EXIT),
    _lie("quick_exit(0)", "exits_quickly", _EXIT),
    _lie("exit as one that can't be confined", "exits_unconfined", _EXIT),
    _lie("exit(0) at the end", "exits_at_the_end", _EXIT),
    _lie("exit(0) in a thread", "exits_in_thread", _EXIT),
    _lie("abort", "aborts", _CRASH),
    _lie("abort as the library is loaded", "nothing", _CRASH, aim=t.at_load("aborts")),
    _lie("kill itself", "kills_itself", _CRASH, DONE),
    _lie("crash", "crashes", _CRASH),
    _lie("crash at the end", "crashes_at_the_end", _CRASH),
    _lie("divide by zero", "divides_by_zero", _CRASH),
    _lie("longjmp out of a call", "jumps_out", _CRASH),
    _lie("close all descriptors", "closes_descriptors", DONE),
    _lie("cover all descriptors", "covers_descriptors", DONE),
    _lie("change the rounding", "rounds_up", DONE),
    _lie("flush to zero", "flushes_to_zero", DONE),
    _lie("trap arithmetic", "traps_arithmetic", DONE, _CRASH),
    _lie("change folder, umask, locale", "changes_process", DONE),
    _lie("write past the values", "writes_past_values", _CRASH, _INVALID),
    _lie("write before the values", "writes_before_values", _CRASH, _INVALID),
    _lie("log garbage", "logs_garbage", DONE, _CRASH),
    _lie("log nothing", "logs_nothing", DONE, _CRASH),
    _lie("free garbage", "frees_garbage", _CRASH),
    _lie("unmap everything", "unmaps_everything", _CRASH),
)  # fmt: skip

ATTACKS: Final = (*READ, *WRITE, *NETWORK, *PROCESSES, *KERNEL, *RESOURCES, *PROTOCOL)
BY_ID: Final = {attack.id: attack for attack in ATTACKS}
