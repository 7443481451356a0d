#define _GNU_SOURCE
#include "jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layout.h"

#define MODEL JAIL_MODEL
#define WORK JAIL_WORK
#define ROOM_TO_RUN "size=16m,nr_inodes=1k,mode=777"
#define ROOM_TO_BUILD "size=512m,nr_inodes=16k,mode=777"

enum { PROCESSES = 64, NOBODY = 65534, USERS = 1600000000 };

static const char *const FOLDERS[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"};
static const char *const FILES[] = {"/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom"};

static struct {
    int tier, abi;
    unsigned forks; /* so far */
    char root[1024], folder[1024];
    char reason[512];
    const char *compiler;
    const char *const *tools; /* of the compiler that the jail is to hold; NULL: of none */
} jail;

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *because(const char *what) {
    snprintf(jail.reason, sizeof jail.reason, "%s: %s", what, strerror(errno));
    return jail.reason;
}

/* Landlock, Linux 5.13 and later: https://docs.kernel.org/userspace-api/landlock.html
 * Spelt out here, since the headers of many systems are older than their kernels. */

enum { SYS_CREATE_RULESET = 444, SYS_ADD_RULE = 445, SYS_RESTRICT_SELF = 446 };
enum { EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3,
       TRUNCATE = 1 << 14, OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE,
       READ = READ_FILE | READ_DIR | EXECUTE };

typedef struct {
    uint64_t files, tcp, scopes;
} Ruleset;

typedef struct __attribute__((packed)) {
    uint64_t allowed;
    int32_t place;
} Rule;

static int landlock_version(void) {
    long found = syscall(SYS_CREATE_RULESET, NULL, 0, 1);
    return found < 0 ? 0 : (int)found;
}

/* A path that isn't there needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t access) {
    struct stat status;
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return errno == ENOENT;
    if (fstat(place, &status) == 0 && !S_ISDIR(status.st_mode)) access &= OF_FILES;
    Rule rule = {access, place};
    bool made = syscall(SYS_ADD_RULE, ruleset, 1, &rule, 0) == 0;
    close(place);
    return made;
}

/* What isn't allowed is denied: files, TCP, and what leaves the process's own domain (signals,
 * abstract sockets), as far as the kernel's version knows of them. */
static bool restrict_files(const char *model) {
    int abi = jail.abi;
    uint64_t handled = abi >= 5 ? 0xffff : abi >= 3 ? 0x7fff : abi == 2 ? 0x3fff : 0x1fff;
    Ruleset rules = {handled, abi >= 4 ? 3 : 0, abi >= 6 ? 3 : 0};
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_CREATE_RULESET, &rules, size, 0);
    if (ruleset < 0) return false;
    bool made = allow(ruleset, model, jail.tools ? READ_FILE | READ_DIR : READ & handled);
    for (const char *const *tool = jail.tools; tool && *tool; tool++)
        made = made && allow(ruleset, *tool, READ & handled);
    for (size_t i = 0; i < COUNT(FOLDERS); i++)
        made = made && allow(ruleset, FOLDERS[i], READ & handled);
    for (size_t i = 0; i < COUNT(FILES); i++)
        made = made && allow(ruleset, FILES[i], READ & handled);
    made = made && allow(ruleset, jail.folder, handled & ~(uint64_t)EXECUTE);
    made = made && syscall(SYS_RESTRICT_SELF, ruleset, 0) == 0;
    close(ruleset);
    return made;
}

/* seccomp(2): two filters, of which the stricter counts for each call. The zygote puts the long one
 * on itself once, since that takes 0.5 ms and more: it allows what models need and what confining a
 * child takes. Each child adds a short one that takes the latter away. What attackers use and models
 * don't ends the process, so that the run says why; everything else that isn't allowed fails with
 * EPERM, which models bear. */

static const int COMPUTING[] = {
    /* files that are open, or that Landlock and the mounts let be opened */
    SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_readv,
    SYS_writev, SYS_dup, SYS_dup3, SYS_fcntl, SYS_fsync, SYS_fdatasync, SYS_truncate,
    SYS_ftruncate, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_umask, SYS_getdents64, SYS_openat,
    SYS_mkdirat, SYS_newfstatat, SYS_unlinkat, SYS_renameat, SYS_readlinkat, SYS_faccessat,
    SYS_renameat2, SYS_statx, 439 /* faccessat2 */, SYS_pipe2, SYS_ppoll, SYS_pselect6,
    SYS_eventfd2, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_statfs, SYS_fstatfs,
    /* memory */
    SYS_mmap, SYS_mprotect, SYS_munmap, SYS_brk, SYS_mremap, SYS_msync, SYS_mincore, SYS_madvise,
    /* its own signals and threads */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_futex, SYS_set_robust_list,
    SYS_get_robust_list, SYS_rseq, SYS_set_tid_address, SYS_membarrier, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_getcpu, SYS_exit, SYS_exit_group,
    SYS_restart_syscall,
    /* what it may know of itself, of time and of the machine */
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_getgid, SYS_geteuid, SYS_getegid,
    SYS_getpgid, SYS_getsid, SYS_getgroups, SYS_getrusage, SYS_times, SYS_sysinfo, SYS_uname,
    SYS_getrandom, SYS_gettimeofday, SYS_clock_gettime, SYS_clock_getres, SYS_nanosleep,
    SYS_clock_nanosleep,
#ifdef __x86_64__ /* the same by the names that newer machines left out */
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_dup2, SYS_rename, SYS_mkdir, SYS_rmdir,
    SYS_unlink, SYS_readlink, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_wait, SYS_pause,
    SYS_arch_prctl, SYS_getpgrp, SYS_getrlimit, SYS_time,
#endif
};

/* What attackers use and nobody here does. */
static const int FATAL[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_bpf,
    SYS_perf_event_open, SYS_userfaultfd, 425 /* io_uring_setup */, 426, 427, 428 /* open_tree */,
    429 /* move_mount */, 430 /* fsopen */, 431, 432 /* fsmount */, 438 /* pidfd_getfd */,
    440 /* process_madvise */, 447 /* memfd_secret */, 448 /* process_mrelease */, SYS_add_key,
    SYS_request_key, SYS_keyctl, SYS_unshare, SYS_setns, SYS_chroot, SYS_open_by_handle_at,
    SYS_name_to_handle_at, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot,
    SYS_swapon, SYS_acct, SYS_personality, SYS_setuid, SYS_setgid, SYS_settimeofday,
    SYS_clock_settime, SYS_adjtimex, SYS_mknodat,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_mknod,
#endif
};

/* What the zygote needs to confine a child and no model: fatal in a child. */
static const int CONFINING[] = {
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_setresuid, SYS_setresgid, SYS_setgroups,
    SYS_capset, SYS_seccomp, 434 /* pidfd_open */,
};

/* What the zygote needs to serve and no model: refused in a child. */
static const int SERVING[] = {
    SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown, SYS_getsockname,
    SYS_getsockopt, SYS_wait4, SYS_waitid, 424 /* pidfd_send_signal */, SYS_setsid, SYS_prctl,
    SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF, SYS_fchownat, SYS_memfd_create,
    436 /* close_range */,
#ifdef __x86_64__
    SYS_chown,
#endif
};

/* Calls whose arguments decide: threads but no processes, signals to itself only. */
enum { SYS_CLONE3 = 435 };
static const int SPECIAL[] = {SYS_clone, SYS_CLONE3, SYS_ioctl, SYS_prlimit64, SYS_tgkill, SYS_kill};

#ifdef __x86_64__
enum { ARCHITECTURE = AUDIT_ARCH_X86_64, X32 = 0x40000000 };
#else
enum { ARCHITECTURE = AUDIT_ARCH_AARCH64 };
#endif

enum { NUMBER_AT = offsetof(struct seccomp_data, nr), ARCH_AT = offsetof(struct seccomp_data, arch),
       ARGUMENTS_AT = offsetof(struct seccomp_data, args) };
enum { MOST_LINES = 1024 };

typedef struct {
    struct sock_filter lines[MOST_LINES];
    unsigned short count;
} Program;

static void line(Program *program, uint16_t code, uint32_t value, uint8_t yes, uint8_t no) {
    program->lines[program->count++] = (struct sock_filter){code, yes, no, value};
}

static void load_word(Program *program, uint32_t offset) {
    line(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

/* Go on if equal, else skip some lines. */
static void if_equal(Program *program, uint32_t value, uint8_t skipped) {
    line(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
}

static void answer(Program *program, uint32_t action) {
    line(program, BPF_RET | BPF_K, action, 0, 0);
}

static void answer_all(Program *program, const int *calls, size_t count, uint32_t action) {
    for (size_t i = 0; i < count; i++) {
        if_equal(program, (uint32_t)calls[i], 1);
        answer(program, action);
    }
}
#define ANSWER_ALL(program, calls, action) answer_all(program, calls, COUNT(calls), action)

static bool install(Program *program) {
    struct sock_fprog given = {program->count, program->lines};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &given, 0, 0) == 0;
}

static bool install_shared(void) {
    Program program = {0};
    load_word(&program, ARCH_AT);
    line(&program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    answer(&program, SECCOMP_RET_KILL_PROCESS);
    load_word(&program, NUMBER_AT);
#ifdef __x86_64__
    line(&program, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
    answer(&program, SECCOMP_RET_KILL_PROCESS);
#endif
    ANSWER_ALL(&program, COMPUTING, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, CONFINING, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, SERVING, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, SPECIAL, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, FATAL, SECCOMP_RET_KILL_PROCESS);
    answer(&program, SECCOMP_RET_ERRNO | EPERM);
    return install(&program);
}

static bool install_own(void) {
    enum { REFUSED = SECCOMP_RET_ERRNO | EPERM };
    Program program = {0};
    load_word(&program, NUMBER_AT);
    ANSWER_ALL(&program, CONFINING, SECCOMP_RET_KILL_PROCESS);
    ANSWER_ALL(&program, SERVING, REFUSED);
    if_equal(&program, SYS_CLONE3, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOSYS); /* the C library then takes clone */
    if_equal(&program, SYS_ioctl, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOTTY);
    if_equal(&program, SYS_clone, 4);
    load_word(&program, ARGUMENTS_AT);
    line(&program, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    if_equal(&program, SYS_prlimit64, 6); /* asking, not setting */
    load_word(&program, ARGUMENTS_AT + 16);
    if_equal(&program, 0, 3);
    load_word(&program, ARGUMENTS_AT + 20);
    if_equal(&program, 0, 1);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    for (int i = 0; i < 2; i++) {
        if_equal(&program, i ? SYS_kill : SYS_tgkill, 4);
        load_word(&program, ARGUMENTS_AT);
        if_equal(&program, (uint32_t)getpid(), 1);
        answer(&program, SECCOMP_RET_ALLOW);
        answer(&program, REFUSED);
    }
    answer(&program, SECCOMP_RET_ALLOW);
    return install(&program);
}

/* What a compiler needs and no model: it starts the programs that it is made of. */
static const int BUILDING[] = {
    SYS_execve, SYS_wait4, SYS_waitid, SYS_flock, SYS_fallocate, SYS_copy_file_range, SYS_sendfile,
    SYS_preadv, SYS_pwritev, SYS_linkat, SYS_symlinkat, SYS_prctl, 436 /* close_range */,
#ifdef __x86_64__
    SYS_fork, SYS_vfork, SYS_link, SYS_symlink, SYS_creat,
#endif
};

enum { NEW_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET };

/* The only filter of a compiler, which no zygote's is above. No signals, not even to its own: their
 * process ids aren't known beforehand. */
static bool install_building(void) {
    enum { REFUSED = SECCOMP_RET_ERRNO | EPERM };
    Program program = {0};
    load_word(&program, ARCH_AT);
    line(&program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    answer(&program, SECCOMP_RET_KILL_PROCESS);
    load_word(&program, NUMBER_AT);
#ifdef __x86_64__
    line(&program, BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
    answer(&program, SECCOMP_RET_KILL_PROCESS);
#endif
    ANSWER_ALL(&program, COMPUTING, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, BUILDING, SECCOMP_RET_ALLOW);
    ANSWER_ALL(&program, CONFINING, SECCOMP_RET_KILL_PROCESS);
    ANSWER_ALL(&program, FATAL, SECCOMP_RET_KILL_PROCESS);
    if_equal(&program, SYS_CLONE3, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOSYS);
    if_equal(&program, SYS_ioctl, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOTTY);
    if_equal(&program, SYS_clone, 4);
    load_word(&program, ARGUMENTS_AT);
    line(&program, BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NEW_NAMESPACES, 1, 0);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    if_equal(&program, SYS_prlimit64, 4); /* its own */
    load_word(&program, ARGUMENTS_AT);
    if_equal(&program, 0, 1);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    answer(&program, REFUSED);
    return install(&program);
}

/* Namespaces and the root that children see. */

static bool bind_to(const char *source, const char *target, unsigned long flags) {
    return mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0 &&
           mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL) == 0;
}

static bool write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) close(file);
    return written;
}

/* As root directly, so that children can get a user of their own; else by a user namespace. */
static bool leave_namespaces(void) {
    int shared = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    uid_t user = geteuid();
    gid_t group = getegid();
    if (user == 0) return unshare(shared) == 0;
    char users[64], groups[64];
    snprintf(users, sizeof users, "%d %u 1", NOBODY, user);
    snprintf(groups, sizeof groups, "%d %u 1", NOBODY, group);
    return unshare(CLONE_NEWUSER | shared) == 0 && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups);
}

static bool make_folders(const char *path) {
    char part[2048];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + strlen(jail.root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(part, 0755) && errno != EEXIST) return false;
        *slash = '/';
    }
    return true;
}

/* Show a file or folder of the machine below the root, read-only; links stay links. */
static bool show(const char *path) {
    char place[2048], link[1024];
    struct stat status;
    if (lstat(path, &status)) return errno == ENOENT;
    snprintf(place, sizeof place, "%s%s", jail.root, path);
    if (!make_folders(place)) return false;
    if (S_ISLNK(status.st_mode)) {
        ssize_t size = readlink(path, link, sizeof link - 1);
        if (size < 0) return false;
        link[size] = 0;
        return symlink(link, place) == 0;
    }
    if (S_ISDIR(status.st_mode))
        return mkdir(place, 0755) == 0 && bind_to(path, place, MS_RDONLY | MS_NOSUID | MS_NODEV);
    int file = open(place, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
    if (file < 0) return false;
    close(file);
    return bind_to(path, place, MS_NOSUID | (S_ISREG(status.st_mode) ? MS_RDONLY : 0));
}

/* Some compilers look for themselves in /proc, which isn't there. */
static bool name_itself(void) {
    char place[2048];
    snprintf(place, sizeof place, "%s/proc/self/exe", jail.root);
    return make_folders(place) && symlink(jail.compiler, place) == 0;
}

static bool prepare_root(const char *home) {
    char place[2048];
    if (!leave_namespaces()) return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return false;
    snprintf(jail.root, sizeof jail.root, "%s/root", home);
    if (mkdir(jail.root, 0755)) return false;
    if (mount("tmpfs", jail.root, "tmpfs", MS_NOSUID, "size=1m,mode=755")) return false;
    for (size_t i = 0; i < COUNT(FOLDERS); i++)
        if (!show(FOLDERS[i])) return false;
    for (size_t i = 0; i < COUNT(FILES); i++)
        if (!show(FILES[i])) return false;
    for (const char *const *tool = jail.tools; tool && *tool; tool++)
        if (!show(*tool)) return false;
    if (jail.tools && !name_itself()) return false;
    snprintf(place, sizeof place, "%s" MODEL, jail.root);
    if (mkdir(place, 0755)) return false;
    snprintf(place, sizeof place, "%s" WORK, jail.root);
    return mkdir(place, 0755) == 0;
}

void jail_for_building(const char *compiler, const char *const *tools) {
    jail.compiler = compiler;
    jail.tools = tools;
}

const char *jail_prepare(int wanted, const char *home) {
    if (wanted != -1 && (wanted < TIER_DEVELOPMENT || wanted > TIER_STRONG)) return "unknown tier";
    jail.tier = wanted == TIER_DEVELOPMENT ? wanted : TIER_STANDARD;
    if (wanted == TIER_DEVELOPMENT) return NULL;
    jail.abi = landlock_version();
    if (!jail.abi) return "the kernel has no Landlock (Linux 5.13 or later, enabled)";
    if (wanted != TIER_STANDARD) {
        if (prepare_root(home))
            jail.tier = TIER_STRONG;
        else if (wanted == TIER_STRONG)
            return because("the kernel forbids namespaces");
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        (!jail.tools && !install_shared()))
        return because("the kernel has no seccomp filters");
    return NULL;
}

int jail_tier(void) { return jail.tier; }

pid_t jail_fork(void) {
    jail.forks++;
    if (jail.tier != TIER_STRONG) return fork();
    return (pid_t)syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

bool jail_enter(const char *model, const char *folder) {
    char place[2048];
    snprintf(jail.folder, sizeof jail.folder, "%s", jail.tier == TIER_STRONG ? WORK : folder);
    if (jail.tier != TIER_STRONG) return chdir(folder) == 0;
    snprintf(place, sizeof place, "%s" MODEL, jail.root);
    unsigned long as_data = jail.tools ? MS_NOEXEC : 0; /* sources; a model is code */
    if (!bind_to(model, place, MS_RDONLY | MS_NOSUID | MS_NODEV | as_data)) return false;
    snprintf(place, sizeof place, "%s" WORK, jail.root);
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("tmpfs", place, "tmpfs", flags, jail.tools ? ROOM_TO_BUILD : ROOM_TO_RUN))
        return false;
    return chdir(jail.root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
           umount2(".", MNT_DETACH) == 0 && chdir(WORK) == 0;
}

/* A user that owns nothing, not even another run: root can give each its own. */
static bool become_nobody(void) {
    if (geteuid() != 0) return true;
    uid_t user = USERS + jail.forks % 65536;
    struct rlimit processes = {PROCESSES, PROCESSES};
    return setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
           setresuid(user, user, user) == 0 && setrlimit(RLIMIT_NPROC, &processes) == 0;
}

static bool drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    for (int i = 0; i < 64; i++)
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0)) break; /* past the last one, or nothing to drop with */
    return syscall(SYS_capset, &header, none) == 0;
}

bool jail_confine(const char *model) {
    if (jail.tier == TIER_DEVELOPMENT) return true;
    const char *seen = jail.tier == TIER_STRONG ? MODEL : model;
    if (jail.tier == TIER_STRONG && !become_nobody()) return false;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* another user's process has none */
    return drop_capabilities() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && restrict_files(seen) &&
           (jail.tools ? install_building() : install_own());
}

/* What a jail is tried with before it may hold a model. Each attempt is harmless where it succeeds;
 * the last one must end the process. */

static bool try_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC) >= 0; }
static bool try_write(const char *path) { return open(path, O_WRONLY | O_CREAT, 0600) >= 0; }
static bool try_list(const char *path) {
    DIR *folder = opendir(path);
    return folder && readdir(folder);
}
static bool try_socket(const char *family) { return socket(atoi(family), SOCK_STREAM, 0) >= 0; }
static bool try_netlink(const char *family) { return socket(atoi(family), SOCK_RAW, 0) >= 0; }
static bool try_signal(const char *process) { return kill(atoi(process), 0) == 0; }
static bool try_execute(const char *path) { return execl(path, path, (char *)NULL) == 0; }
static bool try_fork(const char *nothing) {
    (void)nothing;
    pid_t child = fork();
    if (child == 0) _exit(0);
    return child > 0;
}

static const struct {
    const char *name;
    bool (*attempt)(const char *);
    const char *on;
} ATTACKS[] = {
    {"reads /etc/passwd", try_read, "/etc/passwd"},
    {"reads /etc/hostname", try_read, "/etc/hostname"},
    {"reads /proc/self/environ", try_read, "/proc/self/environ"},
    {"reads /proc/1/status", try_read, "/proc/1/status"},
    {"lists /", try_list, "/"},
    {"lists /home", try_list, "/home"},
    {"lists /tmp", try_list, "/tmp"},
    {"writes to /tmp", try_write, "/tmp/fmu-gateway-selftest"},
    {"writes to /dev/shm", try_write, "/dev/shm/fmu-gateway-selftest"},
    {"writes to its model", try_write, JAIL_MODEL "/selftest"},
    {"opens an internet socket", try_socket, "2"},
    {"opens a unix socket", try_socket, "1"},
    {"opens a netlink socket", try_netlink, "16"},
    {"forks", try_fork, ""},
    {"executes", try_execute, "/bin/true"},
    {"signals everybody", try_signal, "-1"},
    {"signals its group", try_signal, "0"},
};

static _Noreturn void attack(int report, const char *home) {
    char let_through[COUNT(ATTACKS)] = {0};
    if (!jail_enter(home, home) || !jail_confine(home)) _exit(1);
    for (size_t i = 0; i < COUNT(ATTACKS); i++)
        let_through[i] = ATTACKS[i].attempt(ATTACKS[i].on);
    if (write(report, let_through, sizeof let_through) < 0) _exit(1);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    _exit(0);
}

const char *jail_attack(const char *home) {
    char let_through[COUNT(ATTACKS)];
    int report[2], status;
    if (jail.tier == TIER_DEVELOPMENT) return NULL;
    if (pipe(report)) return because("pipe");
    pid_t child = jail_fork();
    if (child == 0) attack(report[1], home);
    close(report[1]);
    ssize_t size = child < 0 ? -1 : read(report[0], let_through, sizeof let_through);
    close(report[0]);
    if (child < 0 || waitpid(child, &status, 0) < 0) return because("fork");
    if (size != sizeof let_through) return "a process can't be confined";
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) return "it traces its parent";
    for (size_t i = 0; i < COUNT(ATTACKS); i++)
        if (let_through[i] && !(jail.tools && ATTACKS[i].attempt == try_fork))
            return ATTACKS[i].name;
    return NULL;
}
