/* The program that compiles a model's sources where only the compiler and they can be seen.
 *
 *     compile_jail TIER INPUT WORK LIBRARY REPORT SECONDS BYTES COMPILER TOOL... -- WORD... ; ...
 *
 * It prepares the jail, lets a process attack it, and only then runs the commands, each ended by a
 * `;`, one after another in INPUT/sources until one fails; they see INPUT and may write to WORK alone,
 * which is JAIL_WORK where the tier is STRONG. What is WORK/library.so then is copied to the descriptor
 * LIBRARY: nothing else comes out but what the compiler says on the standard output. SECONDS bound
 * everything on the wall and each process's computing, BYTES each process's memory.
 *
 * To the descriptor REPORT it writes the tier's number or "!" and why there is no jail, then a blank
 * and what became of the commands. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "layout.h"

enum { MOST_BYTES = 64 << 20, OPEN_FILES = 256, FAILED = 70 };
enum { MADE = 0, REFUSED = 1, NO_LIBRARY = 2 };

typedef struct {
    int tier;
    const char *input, *work;
    int library, report;
    rlim_t seconds, bytes;
    const char *compiler;
    char **tools, **words;
} Task;

static void limit(int what, rlim_t most) {
    if (setrlimit(what, &(struct rlimit){most, most})) _exit(FAILED);
}

/* Whether the command ended well. `words` ends with NULL. */
static bool run(char **words) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(words[0], words);
        fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
        _exit(FAILED);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return false;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_all(char **words) {
    for (char **word = words; *word; word++) {
        if (strcmp(*word, ";")) continue;
        *word = NULL;
        if (!run(words)) return false;
        words = word + 1;
    }
    return true;
}

/* Hand out what was linked, if it is a file of decent size. */
static bool copy_library(const char *work, int target) {
    char place[2048], buffer[1 << 16];
    struct stat status;
    snprintf(place, sizeof place, "%s/library.so", work);
    int file = open(place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0 || fstat(file, &status) || !S_ISREG(status.st_mode)) return false;
    if (status.st_size > MOST_BYTES) return false;
    for (ssize_t size; (size = read(file, buffer, sizeof buffer)) != 0;)
        if (size < 0 || write(target, buffer, (size_t)size) != size) return false;
    return true;
}

static _Noreturn void build(const Task *task) {
    char work[1024];
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!jail_enter(task->input, task->work) || !getcwd(work, sizeof work)) _exit(FAILED);
    if (chdir(jail_tier() == TIER_STRONG ? JAIL_MODEL : task->input) || chdir("sources"))
        _exit(FAILED);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, MOST_BYTES);
    limit(RLIMIT_NOFILE, OPEN_FILES);
    limit(RLIMIT_CPU, task->seconds);
    limit(RLIMIT_AS, task->bytes);
    if (!jail_confine(task->input)) _exit(FAILED);
    if (!run_all(task->words)) _exit(REFUSED);
    _exit(copy_library(work, task->library) ? MADE : NO_LIBRARY);
}

/* What became of the commands, in a word. */
static const char *wait_for(pid_t child, rlim_t seconds) {
    int status, handle = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd watched = {.fd = handle, .events = POLLIN};
    int ready = handle < 0 ? -1 : poll(&watched, 1, (int)seconds * 1000);
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    if (waitpid(child, &status, 0) < 0 || ready < 0) return "lost";
    while (wait(NULL) > 0) {
    }
    if (ready == 0) return "late";
    if (!WIFEXITED(status)) return "lost";
    switch (WEXITSTATUS(status)) {
    case MADE: return "made";
    case REFUSED: return "refused";
    case NO_LIBRARY: return "none";
    default: return "lost";
    }
}

static void tell(int report, const char *text) {
    if (write(report, text, strlen(text)) < 0) _exit(FAILED);
}

static int serve(const Task *task) {
    char home[1024], told[600];
    jail_for_building(task->compiler, (const char *const *)task->tools);
    const char *problem = getcwd(home, sizeof home) ? jail_prepare(task->tier, home) : "no folder";
    const char *hole = problem ? NULL : jail_attack(home);
    if (problem)
        snprintf(told, sizeof told, "!%s", problem);
    else if (hole)
        snprintf(told, sizeof told, "!the compile jail does not hold: a process in it %s", hole);
    else
        snprintf(told, sizeof told, "%d ", jail_tier());
    tell(task->report, told);
    if (*told == '!') return FAILED;
    pid_t child = jail_fork();
    if (child == 0) build(task);
    tell(task->report, child < 0 ? "lost" : wait_for(child, task->seconds));
    return 0;
}

int main(int count, char **arguments) {
    enum { TIER_AT = 1, INPUT, WORK, LIBRARY, REPORT, SECONDS, BYTES, COMPILER, TOOLS };
    if (count < TOOLS) return FAILED;
    char **end = arguments + TOOLS;
    while (*end && strcmp(*end, "--")) end++;
    if (!*end) return FAILED;
    *end = NULL;
    Task task = {.tier = atoi(arguments[TIER_AT]), .input = arguments[INPUT],
                 .work = arguments[WORK], .library = atoi(arguments[LIBRARY]),
                 .report = atoi(arguments[REPORT]), .seconds = (rlim_t)atoi(arguments[SECONDS]),
                 .bytes = (rlim_t)strtoull(arguments[BYTES], NULL, 10),
                 .compiler = arguments[COMPILER], .tools = arguments + TOOLS, .words = end + 1};
    fcntl(task.library, F_SETFD, FD_CLOEXEC);
    fcntl(task.report, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGXFSZ, SIG_IGN);
    return serve(&task);
}
