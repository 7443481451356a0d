/* The process that forks one child for each order of the native engine; zygote.py is its twin for
 * FMPy. Started afresh by the server with an environment made for it, it loads SUNDIALS once and
 * then only waits: for orders on its control socket, for children to end, for deadlines. It reads
 * nothing that an FMU wrote. When the server goes away it ends, and with it every child.
 *
 * It prepares the jail of its children and lets one attack itself: it serves only where the jail
 * holds. Its first message is the tier's number, or "!" and why it gave up.
 *
 * An order arrives as one ASSIGNMENT with four descriptors: the order, the result block, a block
 * for output, and a socket on which the ENDING is told once. A server that sends no more on that
 * socket doesn't want the run any more: its child is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "jail.h"

enum { MOST_CHILDREN = 256, FILE_BYTES = 8 << 20, OPEN_FILES = 64 };
enum { FAILED = 70 };
enum { ORDER, RESULT, OUTPUT, REPLY, DESCRIPTORS };

/* A child that hasn't been reaped, so that its process id can't be anybody else's. */
typedef struct {
    pid_t pid;
    int handle, reply;
    int word; /* where it says that it is confined; closed before it loads the model */
    double deadline; /* monotonic [s] */
    uint32_t timed_out;
    bool unwanted; /* by the server, and killed for that */
} Child;

static Child children[MOST_CHILDREN];
static int n_children;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec * 1e-6; }

static void limit(int what, rlim_t most, rlim_t latest) {
    if (setrlimit(what, &(struct rlimit){most, latest})) _exit(FAILED);
}

static uint64_t size_of_blocks; /* mapped by `map` */

static void *map(int descriptor, int kind) {
    struct stat status;
    if (fstat(descriptor, &status)) _exit(FAILED);
    void *found = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, kind, descriptor, 0);
    if (found == MAP_FAILED) _exit(FAILED);
    size_of_blocks += (uint64_t)status.st_size;
    return found;
}

/* A session of its own, no descriptors but two, a place for all output. */
static void isolate(int output, int word) {
    setsid();
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(FAILED);
    unsigned life = (unsigned)jail_life(), told = (unsigned)word;
    unsigned low = life < told ? life : told, high = life < told ? told : life;
    if (low > 3) syscall(SYS_close_range, 3u, low - 1, 0);
    if (high > low + 1) syscall(SYS_close_range, low + 1, high - 1, 0);
    if (syscall(SYS_close_range, high + 1, ~0u, 0)) _exit(FAILED);
}

/* Bytes of address space that are mapped by now. */
static uint64_t mapped(void) {
    unsigned long long pages = 0;
    char text[64] = "";
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0) _exit(FAILED);
    if (sscanf(text, "%llu", &pages) != 1) _exit(FAILED);
    close(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static _Noreturn void run_child(const Assignment *told, const int *given, int word) {
    uint64_t in_use = mapped();
    void *order = map(given[ORDER], MAP_PRIVATE), *result = map(given[RESULT], MAP_SHARED);
    isolate(given[OUTPUT], word);
    if (!jail_enter(told->model, told->folder)) _exit(FAILED);
    uint64_t memory = in_use + size_of_blocks + told->memory;
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_FSIZE, FILE_BYTES, FILE_BYTES);
    limit(RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES);
    limit(RLIMIT_CPU, told->cpu, told->cpu + 1); /* SIGXCPU says why, SIGKILL can't be ignored */
    limit(RLIMIT_AS, memory, memory);
    if (!jail_confine(told->model) || write(word, "", 1) != 1) _exit(FAILED);
    close(word);
    core_run(order, result);
    fflush(NULL);
    _exit(0);
}

/* Tell the server of a process that never came to run anything. */
static void refuse(int reply) {
    Ending ending = {.exit_status = -1};
    send(reply, &ending, sizeof ending, MSG_NOSIGNAL);
    close(reply);
}

/* A process for the order, or false: no other child is to be lost for that. */
static bool start(const Assignment *told, const int *given) {
    int word[2];
    if (n_children >= MOST_CHILDREN || pipe2(word, O_CLOEXEC)) return false;
    pid_t pid = jail_fork();
    if (pid == 0) run_child(told, given, word[1]);
    close(word[1]);
    int handle = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (handle < 0) {
        if (pid > 0 && kill(pid, SIGKILL) == 0) waitpid(pid, NULL, 0);
        close(word[0]);
        return false;
    }
    children[n_children++] = (Child){.pid = pid, .handle = handle, .reply = given[REPLY],
                                     .word = word[0], .deadline = now() + told->timeout};
    return true;
}

/* Fork a child for the next order; false when the server has gone. */
static bool begin(int control) {
    Assignment told;
    int given[DESCRIPTORS];
    union {
        char space[CMSG_SPACE(sizeof given)];
        struct cmsghdr aligned;
    } rights;
    struct iovec text = {&told, sizeof told};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = rights.space,
                             .msg_controllen = sizeof rights.space};
    ssize_t size = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) return true;
    struct cmsghdr *found = size == sizeof told ? CMSG_FIRSTHDR(&message) : NULL;
    if (!found || found->cmsg_len != CMSG_LEN(sizeof given)) return false;
    memcpy(given, CMSG_DATA(found), sizeof given);
    if (!start(&told, given)) refuse(given[REPLY]);
    for (int i = ORDER; i <= OUTPUT; i++) close(given[i]);
    return true;
}

/* Processes that a child forked and left: they are ours now, and nobody's order. */
static void kill_orphans(void) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[size > 0 ? size : 0] = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        pid_t pid = atoi(word);
        bool known = false;
        for (int i = 0; i < n_children; i++) known |= children[i].pid == pid;
        if (!known && kill(pid, SIGKILL) == 0) waitpid(pid, NULL, 0);
    }
}

/* Reap a child that ended, and whatever it left behind; tell the server. */
static void end(int index) {
    Child child = children[index];
    int status = 0;
    char word;
    struct rusage usage;
    kill(-child.pid, SIGKILL);
    wait4(child.pid, &status, 0, &usage);
    close(child.handle);
    children[index] = children[--n_children];
    kill_orphans();
    bool died = WIFSIGNALED(status);
    Ending ending = {.signal = died ? WTERMSIG(status) : 0,
                     .exit_status = died ? -1 : WEXITSTATUS(status),
                     .timed_out = child.timed_out,
                     .confined = read(child.word, &word, 1) == 1,
                     .peak_bytes = (uint64_t)usage.ru_maxrss * 1024,
                     .cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime)};
    send(child.reply, &ending, sizeof ending, MSG_NOSIGNAL);
    close(child.word);
    close(child.reply);
}

static void kill_child(Child *child) {
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
}

/* Kill what is past its time; milliseconds until the next deadline, -1 where there is none. */
static int enforce_deadlines(void) {
    double time = now(), next = -1;
    for (int i = 0; i < n_children; i++) {
        Child *child = &children[i];
        if (child->timed_out) continue;
        if (child->deadline <= time) {
            child->timed_out = 1;
            kill_child(child);
        } else if (next < 0 || child->deadline - time < next) {
            next = child->deadline - time;
        }
    }
    return next < 0 ? -1 : (int)(next * 1e3) + 1;
}

/* Nothing is ever sent on a reply's socket by the server: it becomes readable at its end. */
static void give_up(Child *child) {
    child->unwanted = true;
    kill_child(child);
}

/* Until the server closes its end. */
static void serve(int control) {
    for (;;) {
        struct pollfd watched[1 + 2 * MOST_CHILDREN] = {{.fd = control, .events = POLLIN}};
        struct pollfd *ends = watched + 1, *replies = ends + n_children;
        int n = n_children;
        for (int i = 0; i < n; i++) {
            ends[i] = (struct pollfd){.fd = children[i].handle, .events = POLLIN};
            replies[i] = (struct pollfd){.fd = children[i].unwanted ? -1 : children[i].reply,
                                         .events = POLLIN};
        }
        if (poll(watched, (nfds_t)(1 + 2 * n), enforce_deadlines()) < 0) continue;
        for (int i = 0; i < n; i++)
            if (replies[i].revents) give_up(&children[i]);
        for (int i = n - 1; i >= 0; i--) /* backwards: `end` moves the last into the gap */
            if (ends[i].revents) end(i);
        if (watched[0].revents && !begin(control)) return;
    }
}

/* Prepare and try the jail; tell the server. */
static bool prepare(int control, int wanted) {
    char home[1024], told[600];
    const char *problem = getcwd(home, sizeof home) ? jail_prepare(wanted, home) : "no folder";
    const char *hole = problem ? NULL : jail_attack(home);
    if (problem)
        snprintf(told, sizeof told, "!%s", problem);
    else if (hole)
        snprintf(told, sizeof told, "!the sandbox does not hold: a process in it %s", hole);
    else
        snprintf(told, sizeof told, "%d", jail_tier());
    send(control, told, strlen(told), MSG_NOSIGNAL);
    return *told != '!';
}

/* Arguments: the control socket's number, the tier wanted (-1: the best), and where SUNDIALS lies
 * (empty: nowhere). */
int main(int count, char **arguments) {
    if (count != 4) return FAILED;
    int control = atoi(arguments[1]);
    signal(SIGINT, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* children get an error from too long a write */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (*arguments[3]) core_load_sundials(arguments[3]); /* without it Euler and RK4 still work */
    if (!prepare(control, atoi(arguments[2]))) return FAILED;
    serve(control);
    for (int i = 0; i < n_children; i++) {
        kill_child(&children[i]);
        close(children[i].reply); /* without a word: we went */
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}
