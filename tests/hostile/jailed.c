/* A process in the jail, by itself: on a kernel that knows less than this one, or without a zygote.
 *
 *     jailed attack TIER LANDLOCK HOME MODEL FILE PROCESS    what of ATTEMPTS succeeded, a line each
 *     jailed orphan TIER HOME MODEL                          "confined" or "given up"
 *
 * The latter kills the zygote when its child is forked and not yet confined. */
#include "jail.c"

/* nothing that only attackers do: those calls end the process */
static const char *in_model, *outside;
static int other;

static bool cut(void) { return truncate(outside, 0) == 0; }
static bool cut_model(void) { return truncate(in_model, 0) == 0; }
static bool opens(const char *path, int flags) { return open(path, flags | O_TRUNC) >= 0; }
static bool cut_by_reading(void) { return opens(outside, O_RDONLY); }
static bool cut_model_by_reading(void) { return opens(in_model, O_RDONLY); }
static bool cut_by_no_access(void) { return opens(outside, O_ACCMODE); }
static bool cut_by_writing(void) { return opens(outside, O_WRONLY); }
#ifdef SYS_creat
static bool cut_by_creating(void) { return syscall(SYS_creat, outside, 0600) >= 0; }
#else
static bool cut_by_creating(void) { return opens(outside, O_WRONLY | O_CREAT); }
#endif
#ifdef SYS_open
static bool cut_by_old_open(void) { return syscall(SYS_open, outside, O_TRUNC) >= 0; }
#else
static bool cut_by_old_open(void) { return cut_by_reading(); }
#endif

static bool signals_by(int ends[2], int set, long argument) {
    return pipe(ends) == 0 && fcntl(ends[0], set, argument) == 0 &&
           fcntl(ends[0], F_SETSIG, SIGUSR1) == 0 && fcntl(ends[0], F_SETFL, O_ASYNC) == 0 &&
           write(ends[1], "", 1) == 1;
}
static bool signals_by_pipe(void) {
    int ends[2];
    return signals_by(ends, F_SETOWN, other);
}
static bool signals_by_owner(void) {
    int ends[2];
    struct f_owner_ex owner = {F_OWNER_PID, other};
    return signals_by(ends, F_SETOWN_EX, (long)&owner);
}
static bool once(const char *path, int set, long argument) {
    int file = open(path, O_RDONLY);
    bool done = fcntl(file, set, argument) == 0;
    close(file);
    return done;
}
static bool is_told_of_changes(void) { return once(".", F_NOTIFY, DN_CREATE); }
static bool holds_up_writers(void) { return once(in_model, F_SETLEASE, F_RDLCK); }
static bool asks_for_signals(void) {
    int ends[2];
    return pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_ASYNC) == 0;
}

static const struct {
    const char *name;
    bool (*attempt)(void);
} ATTEMPTS[] = {
#define ATTEMPT(name) {#name, name}
    ATTEMPT(signals_by_pipe), ATTEMPT(signals_by_owner), ATTEMPT(asks_for_signals),
    ATTEMPT(is_told_of_changes), ATTEMPT(holds_up_writers), ATTEMPT(cut), ATTEMPT(cut_model),
    ATTEMPT(cut_by_reading), ATTEMPT(cut_model_by_reading), ATTEMPT(cut_by_old_open),
    ATTEMPT(cut_by_no_access), ATTEMPT(cut_by_writing), ATTEMPT(cut_by_creating),
#undef ATTEMPT
};

static _Noreturn void attempt_all(const char *home, const char *model) {
    if (!jail_enter(model, home) || !jail_confine(model)) _exit(1);
    if (chdir(jail.tier == TIER_STRONG ? MODEL : model)) _exit(1);
    for (size_t i = 0; i < COUNT(ATTEMPTS); i++)
        if (ATTEMPTS[i].attempt()) dprintf(1, "%s\n", ATTEMPTS[i].name);
    _exit(0);
}

static int attacks(char **given) {
    int status;
    in_model = "modelDescription.xml", outside = given[4], other = atoi(given[5]);
    const char *problem = jail_prepare(atoi(given[0]), given[2]);
    if (problem) return fprintf(stderr, "%s\n", problem), 2;
    if (jail.abi > atoi(given[1])) jail.abi = atoi(given[1]);
    pid_t child = jail_fork();
    if (child == 0) attempt_all(given[2], given[3]);
    return waitpid(child, &status, 0) < 0 || status != 0;
}

static _Noreturn void be_zygote(char **given, int go[2], int told[2]) {
    char word;
    if (jail_prepare(atoi(given[0]), given[1]) || jail_fork() != 0) {
        for (;;) pause();
    }
    close(go[1]);
    if (write(told[1], "f", 1) != 1 || read(go[0], &word, 1) < 0) _exit(1);
    bool confined = jail_enter(given[2], given[1]) && jail_confine(given[2]);
    _exit(write(told[1], confined ? "c" : "g", 1) != 1);
}

static int orphans(char **given) {
    int go[2], told[2];
    char word = 0;
    if (pipe(go) || pipe(told)) return 1;
    pid_t zygote = fork();
    if (zygote == 0) be_zygote(given, go, told);
    close(told[1]);
    if (read(told[0], &word, 1) != 1) return 1;
    kill(zygote, SIGKILL);
    waitpid(zygote, NULL, 0);
    close(go[1]); /* nobody else has it: the child goes on */
    if (read(told[0], &word, 1) != 1) return 1;
    return puts(word == 'c' ? "confined" : "given up") < 0;
}

int main(int count, char **given) {
    if (count == 8 && strcmp(given[1], "attack") == 0) return attacks(given + 2);
    if (count == 5 && strcmp(given[1], "orphan") == 0) return orphans(given + 2);
    return 64;
}
