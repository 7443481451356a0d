/* What goes wrong, whatever the version of FMI. */
#define _GNU_SOURCE
#include "traps.h"
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HUGE_MESSAGE = 10 << 20 };

static const char *own_name = "";

bool is(const char *name) { return strcmp(own_name, name) == 0; }

bool agrees(const char *name, const char *token) {
    own_name = strdup(name);
    if (strcmp(token, "{test}") != 0) {
        say("logStatusError", "the token is another model's");
        return false;
    }
    return trap_at_once("Instantiate") == OK;
}

/* The name is known before there is an instance, too: the file has it. */
__attribute__((constructor)) static void loaded(void) {
    Dl_info info;
    if (!dladdr((void *)loaded, &info) || !info.dli_fname) return;
    const char *file = strrchr(info.dli_fname, '/');
    if (file && strncmp(file, "/Constructor_", 13) == 0) {
        static char name[100];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(file + 1, "."), file + 1);
        own_name = name;
        trap_at_once("Constructor");
    }
}

static const char *what_happens(const char *where) {
    size_t length = strlen(where);
    bool here = strncmp(own_name, where, length) == 0 && own_name[length] == '_';
    return here ? own_name + length + 1 : "";
}

static int recurse(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return recurse(depth + 1) + frame[0];
}

static void *wait_for_ever(void *data) {
    for (;;) pause();
    return data;
}

/* Calls `change` for the block that the result goes to. */
static void change_result(void (*change)(char *, size_t)) {
    char line[500];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (strstr(line, "memfd:result") && sscanf(line, "%lx-%lx", &from, &to) == 2)
            change((char *)from, to - from);
    }
    fclose(maps);
}

static void fill(char *block, size_t size) { memset(block, 0xff, size); }
static void erase(char *block, size_t size) { memset(block, 0, size); }
static void fill_head(char *block, size_t size) { memset(block, 0xff, 4096); }

/* As if all had ended well, with one row of its own. */
static void forge(char *block, size_t size) {
    memset(block, 0, size);
    memcpy(block, "FMUGATE2", 8);
    memcpy(block + RUN, "FMUGATE2", 8);
    *(unsigned long *)(block + RUN + ROWS) = 1;
    _exit(0);
}

static void say_what_is_no_text(const char *what) {
    if (!strcmp(what, "logs_formats")) say("%n%s", "100 %s %d %n %5$n");
    if (!strcmp(what, "logs_percents")) say("logAll", "100 %% sure");
    if (!strcmp(what, "logs_nothing")) say(NULL, NULL);
    if (!strcmp(what, "logs_bytes")) say("\xff\xfe", "\x1b[31m\xc3\x28\n\a");
    if (!strcmp(what, "logs_much")) {
        char *much = malloc(HUGE_MESSAGE + 1);
        memset(much, 'a', HUGE_MESSAGE);
        much[HUGE_MESSAGE] = 0;
        say("logAll", much);
        say(much, "a category");
        free(much);
    }
}

int trap_at_once(const char *where) {
    static const struct {
        const char *what;
        int status;
    } statuses[] = {{"discards", DISCARD}, {"fails", ERROR},        {"dies", FATAL},
                    {"pends", PENDING},    {"returns_77", 77},      {"returns_minus_1", -1},
                    {"warns", WARNING},    {"returns_least", 1 << 31}};
    const char *what = what_happens(where);
    if (!*what) return OK;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (!strcmp(what, statuses[i].what)) return statuses[i].status;
    if (!strcmp(what, "crashes")) *(volatile int *)0 = 1;
    if (!strcmp(what, "exits")) exit(0);
    if (!strcmp(what, "spins"))
        for (volatile int i = 0;; i++) {}
    if (!strcmp(what, "stops")) raise(SIGSTOP);
    if (!strcmp(what, "signals")) raise(SIGRTMIN + 6);
    if (!strcmp(what, "kills_parent")) kill(getppid(), SIGKILL);
    if (!strcmp(what, "recurses")) return recurse(0) & 1;
    if (!strcmp(what, "closes"))
        for (int i = 0; i < 64; i++) close(i);
    if (!strcmp(what, "leaves_threads")) {
        pthread_t thread;
        for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, wait_for_ever, NULL);
    }
    if (!strcmp(what, "prints")) {
        printf("{\"jsonrpc\": \"2.0\", \"id\": 1}\n");
        fflush(stdout);
    }
    if (!strcmp(what, "fills")) change_result(fill);
    if (!strcmp(what, "erases")) change_result(erase);
    if (!strcmp(what, "fills_head")) change_result(fill_head);
    if (!strcmp(what, "forges")) change_result(forge);
    say_what_is_no_text(what);
    return OK;
}

int trap(const char *where) { return now < 0.45 ? OK : trap_at_once(where); }

double spoilt(const char *where, double value) {
    const char *what = now < 0.45 ? "" : what_happens(where);
    if (!strcmp(what, "nan")) return NAN;
    if (!strcmp(what, "inf")) return -INFINITY;
    return value;
}

int get(const vr_t *vr, size_t n, double *value) {
    v[Y] = spoilt("GetFloat64", v[X]);
    v[DX] = 1;
    for (size_t i = 0; i < n; i++) {
        if (vr[i] >= VARIABLES) return ERROR;
        value[i] = v[vr[i]];
    }
    return trap("GetFloat64");
}

int set(const vr_t *vr, size_t n, const double *value) {
    for (size_t i = 0; i < n; i++) {
        if (vr[i] >= VARIABLES) return ERROR;
        v[vr[i]] = value[i];
    }
    return trap("SetFloat64");
}

bool again(void) { return is("Events_never_settle"); }

bool ends(const char *where) {
    const char *what = what_happens(where);
    return !strcmp(what, "ends_at_once") || (!strcmp(what, "ends") && now > 0.45);
}

bool next_event(double *when) {
    *when = now < 0.45 ? 0.5 : INFINITY;
    if (is("Events_are_past") && now > 0.45) *when = 0.2;
    if (is("Events_are_now") && now > 0.45) *when = now;
    if (is("Events_are_nan")) *when = NAN;
    if (is("Events_are_long_past")) *when = -INFINITY;
    return *when != INFINITY;
}
