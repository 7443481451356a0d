/* Starting processes and reaching others: `number` is one that the test made, or the server. */
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "attack.h"

static int born(long child) {
    if (child == 0) _exit(0);
    return did(child);
}

ATTACK(forks) { return born(fork()); }

ATTACK(vforks) { return born(vfork()); }

ATTACK(clones) { return born(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }

ATTACK(clones_by_clone3) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.exit_signal = SIGCHLD};
    return born(syscall(SYS_clone3, &arguments, sizeof arguments));
}

#ifdef __x86_64__
ATTACK(forks_by_32_bit_call) {
    enum { FORK = 2 };
    long child;
    __asm__ volatile("int $0x80" : "=a"(child) : "a"((long)FORK) : "memory", "r8", "r9", "r10", "r11");
    if (child < 0) errno = (int)-child, child = -1;
    return born(child);
}

ATTACK(forks_by_x32_call) { return born(syscall(0x40000000 + SYS_fork)); }
#else
ATTACK(forks_by_32_bit_call) { return 0; }
ATTACK(forks_by_x32_call) { return 0; }
#endif

/* a bomb that stops at 40 */
ATTACK(forks_many) {
    int made = 0;
    for (; made < 40; made++) {
        pid_t child = fork();
        if (child == 0)
            for (;;) pause();
        if (!did(child)) return 0;
    }
    return 1;
}

/* out of the session, its parent gone */
ATTACK(leaves_daemon) {
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0)
            for (;;) pause();
        _exit(0);
    }
    return did(child) && did(waitpid(child, NULL, 0));
}

/* A program that ends with 42 took the process over. */
static char *const SHELL[] = {"sh", "-c", "exit 42", NULL};

ATTACK(executes) { return did(execv("/bin/sh", SHELL)); }

ATTACK(executes_by_execveat) {
    int shell = open("/bin/sh", O_PATH);
    return did(shell) && did(syscall(SYS_execveat, shell, "", SHELL, NULL, AT_EMPTY_PATH));
}

ATTACK(executes_by_loader) {
    char *const loaded[] = {"ld.so", "/bin/sh", "-c", "exit 42", NULL};
    return did(execv(path, loaded));
}

ATTACK(executes_from_memory) {
    static char program[2 * MIB];
    int shell = open("/bin/sh", O_RDONLY), made = memfd_create("program", 0);
    ssize_t size = read(shell, program, sizeof program);
    if (!did(made) || !did(size) || !did(write(made, program, size))) return 0;
    return did(fexecve(made, SHELL, (char *const[]){NULL}));
}

ATTACK(makes_memory_file) { return did(memfd_create("hostile", MFD_CLOEXEC)); }

ATTACK(spawns) {
    pid_t child;
    int status = 0;
    int failed = posix_spawn(&child, "/bin/sh", NULL, NULL, SHELL, (char *const[]){NULL});
    code = failed;
    return !failed && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42;
}

ATTACK(runs_shell) { return WEXITSTATUS(system("exit 42")) == 42; }

ATTACK(opens_pipe_to_shell) {
    char said[16] = "";
    FILE *shell = popen("echo 42", "r");
    if (!shell) return did(-1);
    int heard_it = fgets(said, sizeof said, shell) && strcmp(said, "42\n") == 0;
    pclose(shell);
    return heard_it;
}

/* signals */
ATTACK(kills) { return did(kill(number, SIGKILL)); }

ATTACK(signals) { return did(kill(number, SIGUSR1)); }

ATTACK(signals_everybody) { return did(kill(-1, 0)); }

ATTACK(signals_by_tgkill) { return did(syscall(SYS_tgkill, number, number, SIGUSR1)); }

ATTACK(signals_by_tkill) { return did(syscall(SYS_tkill, number, SIGUSR1)); }

ATTACK(signals_by_queue) { return did(sigqueue(number, SIGUSR1, (union sigval){.sival_int = 1})); }

ATTACK(signals_by_pidfd) {
    int process = syscall(SYS_pidfd_open, number, 0);
    return did(process) && did(syscall(SYS_pidfd_send_signal, process, SIGUSR1, NULL, 0));
}

/* the kernel sends a signal of our choice when a pipe of ours can be read */
ATTACK(signals_by_pipe) {
    int pipes[2];
    if (!did(pipe(pipes)) || !did(fcntl(pipes[0], F_SETOWN, number))) return 0;
    if (!did(fcntl(pipes[0], F_SETSIG, SIGUSR1)) || !did(fcntl(pipes[0], F_SETFL, O_ASYNC))) return 0;
    return did(write(pipes[1], "x", 1)) - 1; /* seen from outside */
}

/* other processes: looked at, held, slowed, moved */
ATTACK(opens_pidfd) { return did(syscall(SYS_pidfd_open, number, 0)); }

/* a descriptor of the server: its number is in `path` */
ATTACK(takes_descriptor) {
    int process = syscall(SYS_pidfd_open, number, 0);
    return did(process) && finds(syscall(SYS_pidfd_getfd, process, atoi(path), 0), other);
}

ATTACK(attaches) {
    if (!did(ptrace(PTRACE_ATTACH, number, NULL, NULL))) return 0;
    waitpid(number, NULL, __WALL);
    return did(ptrace(PTRACE_DETACH, number, NULL, NULL));
}

ATTACK(seizes) {
    return did(ptrace(PTRACE_SEIZE, number, NULL, NULL)) || heard(-1);
}

ATTACK(asks_to_be_traced) { return did(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }

ATTACK(compares_processes) { return did(syscall(SYS_kcmp, number, number, 1, 0, 0)); }

ATTACK(advises_process) {
    static char page[4096];
    struct {
        void *base;
        size_t size;
    } range = {(void *)(strtoull(other, NULL, 16) & ~4095ULL), sizeof page};
    int process = syscall(SYS_pidfd_open, number, 0);
    return did(process) && did(syscall(SYS_process_madvise, process, &range, 1, 20, 0));
}
