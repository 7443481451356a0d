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
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/un.h>
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
    int life; /* descriptor of what the zygote has locked */
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
    bool writes = jail.tier == TIER_STRONG || jail.tools;
    uint64_t work = writes ? ~(uint64_t)EXECUTE : READ;
    made = made && allow(ruleset, jail.folder, work & handled);
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
    SYS_writev, SYS_dup, SYS_dup3, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_getcwd,
    SYS_chdir, SYS_fchdir, SYS_umask, SYS_getdents64, SYS_mkdirat, SYS_newfstatat, SYS_unlinkat,
    SYS_renameat, SYS_readlinkat, SYS_faccessat, SYS_renameat2, SYS_statx, 439 /* faccessat2 */,
    SYS_pipe2, SYS_ppoll, SYS_pselect6, SYS_eventfd2, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_statfs, SYS_fstatfs,
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
    SYS_stat, SYS_lstat, SYS_access, SYS_dup2, SYS_rename, SYS_mkdir, SYS_rmdir,
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

/* Calls whose arguments decide: threads but no processes, signals to itself only, nothing that cuts
 * a file unless it is opened to be written to, which Landlock sees. */
enum { SYS_CLONE3 = 435 };
static const int SPECIAL[] = {
    SYS_clone, SYS_CLONE3, SYS_ioctl, SYS_prlimit64, SYS_tgkill, SYS_kill, SYS_openat, SYS_fcntl,
#ifdef __x86_64__
    SYS_open,
#endif
};

/* What fcntl is good for, beside F_SETFL. The rest makes the kernel send signals to whom the caller
 * likes, or holds up whoever opens the file. */
static const int DESCRIPTORS[] = {
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_GETLK, F_SETLK, F_SETLKW,
    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
};

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

static void load_argument(Program *program, int index) {
    load_word(program, ARGUMENTS_AT + 8 * (uint32_t)index);
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

enum { REFUSED = SECCOMP_RET_ERRNO | EPERM };

/* Opening for nothing but O_TRUNC, or with the access mode that is none, cuts a file that Landlock
 * takes for read: before Linux 6.2 it doesn't know of cutting. */
static void refuse_cutting(Program *program, int call, int flags) {
    if_equal(program, (uint32_t)call, 6);
    load_argument(program, flags);
    line(program, BPF_ALU | BPF_AND | BPF_K, O_TRUNC | O_ACCMODE, 0, 0);
    line(program, BPF_JMP | BPF_JEQ | BPF_K, O_TRUNC | O_RDONLY, 2, 0);
    line(program, BPF_JMP | BPF_JEQ | BPF_K, O_TRUNC | O_ACCMODE, 1, 0);
    answer(program, SECCOMP_RET_ALLOW);
    answer(program, REFUSED);
}

static void restrict_fcntl(Program *program) {
    if_equal(program, SYS_fcntl, 2 * COUNT(DESCRIPTORS) + 6);
    load_argument(program, 1);
    ANSWER_ALL(program, DESCRIPTORS, SECCOMP_RET_ALLOW);
    if_equal(program, F_SETFL, 3);
    load_argument(program, 2);
    line(program, BPF_JMP | BPF_JSET | BPF_K, O_ASYNC, 1, 0);
    answer(program, SECCOMP_RET_ALLOW);
    answer(program, REFUSED);
}

static bool install_own(void) {
    Program program = {0};
    load_word(&program, NUMBER_AT);
    ANSWER_ALL(&program, CONFINING, SECCOMP_RET_KILL_PROCESS);
    ANSWER_ALL(&program, SERVING, REFUSED);
    if_equal(&program, SYS_CLONE3, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOSYS); /* the C library then takes clone */
    if_equal(&program, SYS_ioctl, 1);
    answer(&program, SECCOMP_RET_ERRNO | ENOTTY);
    refuse_cutting(&program, SYS_openat, 2);
#ifdef __x86_64__
    refuse_cutting(&program, SYS_open, 1);
#endif
    restrict_fcntl(&program);
    if_equal(&program, SYS_clone, 4);
    load_argument(&program, 0);
    line(&program, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    if_equal(&program, SYS_prlimit64, 6); /* asking, not setting */
    load_argument(&program, 2);
    if_equal(&program, 0, 3);
    load_word(&program, ARGUMENTS_AT + 20);
    if_equal(&program, 0, 1);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    for (int i = 0; i < 2; i++) {
        if_equal(&program, i ? SYS_kill : SYS_tgkill, 4);
        load_argument(&program, 0);
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
    refuse_cutting(&program, SYS_openat, 2);
#ifdef __x86_64__
    refuse_cutting(&program, SYS_open, 1);
#endif
    restrict_fcntl(&program);
    if_equal(&program, SYS_clone, 4);
    load_argument(&program, 0);
    line(&program, BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NEW_NAMESPACES, 1, 0);
    answer(&program, SECCOMP_RET_ALLOW);
    answer(&program, REFUSED);
    if_equal(&program, SYS_prlimit64, 4); /* its own */
    load_argument(&program, 0);
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

/* The kernel takes a lock away as its holder ends, and only then tells the children; they inherit
 * none. Process ids say nothing here: a parent outside of one's namespace always has 0. */
static struct flock whole_file(short kind) {
    return (struct flock){.l_type = kind, .l_whence = SEEK_SET};
}

static bool hold_life(void) {
    struct flock ours = whole_file(F_WRLCK);
    jail.life = memfd_create("life", MFD_CLOEXEC);
    return jail.life >= 0 && fcntl(jail.life, F_SETLK, &ours) == 0;
}

/* From here on the child ends with its zygote; false where that is gone already. */
static bool end_with_zygote(void) {
    struct flock theirs = whole_file(F_WRLCK);
    bool lives = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                 fcntl(jail.life, F_GETLK, &theirs) == 0 && theirs.l_type != F_UNLCK;
    close(jail.life);
    return lives;
}

const char *jail_prepare(int wanted, const char *home) {
    if (wanted != -1 && (wanted < TIER_DEVELOPMENT || wanted > TIER_STRONG)) return "unknown tier";
    jail.tier = wanted == TIER_DEVELOPMENT ? wanted : TIER_STANDARD;
    if (!hold_life()) return because("a lock in memory");
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

int jail_life(void) { return jail.life; }

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

/* Of root: a user that owns nothing, not even another run. */
static bool become_nobody(uid_t user) {
    return setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
           setresuid(user, user, user) == 0;
}

/* Of root, in name only: the kernel counts threads by the real user, and root's not at all. Files
 * are still opened as root, but access(2) answers for the real user, which must be right too. */
static bool be_counted_alone(uid_t user, const char *model) {
    if (setresuid(user, -1, -1)) return false;
    return access(model, R_OK | X_OK) == 0 || setresuid(0, -1, -1) != 0;
}

/* Threads count as processes. A user that is shared with the server has more of them already, but
 * not more than the whole machine. */
static bool limit_threads(bool shared) {
    struct sysinfo machine = {0};
    if (shared && sysinfo(&machine)) return false;
    rlim_t most = PROCESSES + (rlim_t)machine.procs;
    return setrlimit(RLIMIT_NPROC, &(struct rlimit){most, most}) == 0;
}

static bool drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    for (int i = 0; i < 64; i++)
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0)) break; /* past the last one, or nothing to drop with */
    return syscall(SYS_capset, &header, none) == 0;
}

bool jail_confine(const char *model) {
    if (jail.tier == TIER_DEVELOPMENT) return end_with_zygote();
    bool strong = jail.tier == TIER_STRONG, root = geteuid() == 0;
    uid_t user = USERS + jail.forks % 65536;
    if (root && strong && !become_nobody(user)) return false;
    /* A compiler's programs would take another real user for a sign of danger. */
    bool own = root && (strong || (!jail.tools && be_counted_alone(user, model)));
    return limit_threads(!own) && drop_capabilities() &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           restrict_files(strong ? MODEL : model) && end_with_zygote() &&
           (jail.tools ? install_building() : install_own());
}

/* What a jail is tried with before it may hold a model, from within a folder that takes the model's
 * place and that, but for the jail, anybody may write to. Each attempt is harmless where it succeeds. */

static bool try_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC) >= 0; }
static bool try_write(const char *path) { return open(path, O_WRONLY | O_CREAT, 0600) >= 0; }
static bool try_cut(const char *path) { return truncate(path, 0) == 0; }
static bool try_cut_by_opening(const char *path) { return open(path, O_RDONLY | O_TRUNC) >= 0; }
static bool try_list(const char *path) {
    DIR *folder = opendir(path);
    return folder && readdir(folder);
}
static bool try_socket(const char *family) { return socket(atoi(family), SOCK_STREAM, 0) >= 0; }
static bool try_netlink(const char *family) { return socket(atoi(family), SOCK_RAW, 0) >= 0; }
static bool try_connect(const char *descriptor) { /* the zygote itself has no sockets to give */
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0fmu-gateway-selftest"};
    return !connect(atoi(descriptor), (void *)&address, sizeof address) || errno != EPERM;
}
static bool try_signal(const char *process) { return kill(atoi(process), 0) == 0; }
static bool try_own(const char *process) { return fcntl(STDOUT_FILENO, F_SETOWN, atoi(process)) == 0; }
static bool try_memory(const char *name) { return memfd_create(name, 0) >= 0; }
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
    {"writes to its model", try_write, "added"},
    {"cuts a file of its model", try_cut, "file"},
    {"cuts a file of its model by opening it", try_cut_by_opening, "file"},
    {"opens an internet socket", try_socket, "2"},
    {"opens a unix socket", try_socket, "1"},
    {"opens a netlink socket", try_netlink, "16"},
    {"connects to an abstract socket", try_connect, "-1"},
    {"makes a file in memory", try_memory, "selftest"},
    {"forks", try_fork, ""},
    {"executes", try_execute, "/bin/true"},
    {"signals everybody", try_signal, "-1"},
    {"signals its group", try_signal, "0"},
    {"has a signal sent to another", try_own, "1"},
};

/* What must end the process at once. */
static void trace(void) { ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static void read_memory(void) { process_vm_readv(getppid(), NULL, 0, NULL, 0, 0); }

static const struct {
    const char *name;
    void (*attempt)(void);
} LAST[] = {{"traces its parent", trace}, {"reads another's memory", read_memory}};

static _Noreturn void attack(int report, const char *model, const char *work, void (*last)(void)) {
    char let_through[COUNT(ATTACKS)] = {0};
    if (!jail_enter(model, work) || !jail_confine(model)) _exit(1);
    if (chdir(jail.tier == TIER_STRONG ? MODEL : model)) _exit(1);
    for (size_t i = 0; i < COUNT(ATTACKS); i++)
        let_through[i] = ATTACKS[i].attempt(ATTACKS[i].on);
    if (write(report, let_through, sizeof let_through) < 0) _exit(1);
    last();
    _exit(0);
}

static const char *attack_once(const char *model, const char *work, size_t last) {
    char let_through[COUNT(ATTACKS)];
    int report[2], status;
    if (pipe(report)) return because("pipe");
    pid_t child = jail_fork();
    if (child == 0) attack(report[1], model, work, LAST[last].attempt);
    close(report[1]);
    ssize_t size = child < 0 ? -1 : read(report[0], let_through, sizeof let_through);
    close(report[0]);
    if (child < 0 || waitpid(child, &status, 0) < 0) return because("fork");
    if (size != sizeof let_through) return "can't be confined";
    for (size_t i = 0; i < COUNT(ATTACKS); i++)
        if (let_through[i] && !(jail.tools && ATTACKS[i].attempt == try_fork))
            return ATTACKS[i].name;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? NULL : LAST[last].name;
}

const char *jail_attack(const char *home) {
    char model[1200], file[1300], work[1200];
    const char *hole = NULL;
    if (jail.tier == TIER_DEVELOPMENT) return NULL;
    snprintf(model, sizeof model, "%s/selftest", home);
    snprintf(file, sizeof file, "%s/file", model);
    snprintf(work, sizeof work, "%s/selftest-work", home);
    mode_t mask = umask(0);
    int made = mkdir(model, 0777) || mkdir(work, 0777)
                   ? -1
                   : open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    umask(mask);
    if (made < 0) return because("can't be tried");
    close(made);
    for (size_t i = 0; i < COUNT(LAST) && !hole; i++) hole = attack_once(model, work, i);
    bool tidy = unlink(file) == 0 && rmdir(model) == 0 && rmdir(work) == 0;
    return hole || tidy ? hole : because("leaves something behind");
}
