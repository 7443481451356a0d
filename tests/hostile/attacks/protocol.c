/* Lying about a run, leaving it in the middle, spoiling what comes after. */
#include <fenv.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

#include "attack.h"
#include "layout.h"

/* The block of the result: the native engine lets models write their outputs into its rows. */
static Result *result;
static RunRecord *record;

static int found(void) {
    enum { COLUMNS = 2 };
    size_t before = sizeof(Result) + LOG_LINES * LOG_LENGTH + sizeof(RunRecord) +
                    MAX_EVENTS * sizeof(double) + sizeof(double);
    result = (Result *)((char *)given - before);
    record = (RunRecord *)((char *)result + sizeof(Result) + LOG_LINES * LOG_LENGTH);
    if (!given || (uintptr_t)result % 4096 || !memcmp(result->magic, MAGIC, 8)) return 0;
    record->rows = 1; /* that of the start, which is there */
    return 1;
}

/* Whatever the record says, it is said to be true, and the process ends well. */
static int swear(void) {
    result->runs = 1;
    memcpy(record->magic, MAGIC, sizeof record->magic);
    memcpy(result->magic, MAGIC, sizeof result->magic);
    _exit(0);
}

ATTACK_IN(STEP, forges_magic) {
    if (!found()) return 0;
    record->rows = 0;
    return swear();
}

ATTACK_IN(STEP, forges_short_run) { return found() && swear(); }

ATTACK_IN(STEP, forges_whole_run) {
    if (!found()) return 0;
    double *rows = given - 1;
    for (int i = 0; i < 11; i++) rows[3 * i] = i * 0.1, rows[3 * i + 1] = rows[3 * i + 2] = 42;
    rows[30] = 1;
    record->rows = 11, record->steps = 10;
    return swear();
}

ATTACK_IN(STEP, forges_sparse_run) {
    if (!found()) return 0;
    double *rows = given - 1;
    rows[3] = 1, rows[4] = rows[5] = 42;
    record->rows = 2, record->steps = 10;
    return swear();
}

ATTACK_IN(STEP, forges_long_run) {
    if (!found()) return 0;
    double *rows = given - 1;
    for (int i = 0; i < 11; i++) rows[3 * i] = i, rows[3 * i + 1] = rows[3 * i + 2] = 42;
    record->rows = 11, record->steps = 10;
    return swear();
}

ATTACK_IN(STEP, forges_other_end) {
    if (!found()) return 0;
    record->terminated = 1, record->time = 0.5;
    return swear();
}

ATTACK_IN(STEP, forges_late_event) {
    if (!found()) return 0;
    double *events = (double *)(record + 1);
    events[0] = 1e6;
    record->terminated = 1, record->time = 0, record->events = 1;
    return swear();
}

ATTACK_IN(STEP, forges_steps) {
    if (!found()) return 0;
    record->terminated = 1, record->time = 0, record->steps = ULLONG_MAX;
    return swear();
}

ATTACK_IN(STEP, forges_rows) {
    if (!found()) return 0;
    record->rows = ULLONG_MAX;
    return swear();
}

ATTACK_IN(STEP, forges_first_row) {
    if (!found()) return 0;
    record->first_row = 1ULL << 63;
    return swear();
}

ATTACK_IN(STEP, forges_first_event) {
    if (!found()) return 0;
    record->first_event = ULLONG_MAX, record->events = 1;
    return swear();
}

ATTACK_IN(STEP, forges_not_a_number) {
    if (!found()) return 0;
    given[0] = NAN;
    return swear();
}

ATTACK_IN(STEP, forges_time) {
    if (!found()) return 0;
    double *rows = given - 1;
    rows[3] = -1, record->rows = 2;
    return swear();
}

ATTACK_IN(STEP, forges_end) {
    if (!found()) return 0;
    record->terminated = 1, record->time = NAN;
    return swear();
}

ATTACK_IN(STEP, forges_statistics) {
    if (!found()) return 0;
    record->terminated = 1, record->time = 0;
    record->steps = record->evaluations = record->events = ULLONG_MAX;
    return swear();
}

ATTACK_IN(STEP, forges_status) {
    if (!found()) return 0;
    record->status = 999;
    return swear();
}

/* as if the gateway had failed, not the model: such a run is never charged */
ATTACK_IN(STEP, forges_our_failure) {
    if (!found()) return 0;
    record->status = STATUS_ENGINE_FAILED;
    return swear();
}

ATTACK_IN(STEP, forges_words) {
    if (!found()) return 0;
    result->messages = ULLONG_MAX;
    record->status = STATUS_MODEL_FAILED, record->quantity = 77, record->index = ULLONG_MAX;
    record->fmi_status = INT_MIN, record->bound = NAN, record->time = INFINITY;
    memset(record->function, '\n', sizeof record->function);
    memset(record->reason, 0x9b, sizeof record->reason);
    memset((char *)result + sizeof(Result), '\x1b', LOG_LINES * LOG_LENGTH);
    return swear();
}

ATTACK_IN(STEP, forges_everything) {
    if (!found()) return 0;
    memset(result, 0xff, (char *)given - (char *)result + 11 * 3 * sizeof(double) - 8);
    return swear();
}

static void swear_at_exit(void) {
    if (found()) swear();
}

ATTACK_IN(STEP, forges_at_exit) {
    atexit(swear_at_exit);
    exit(0);
}

static void *scribble(void *unused) {
    for (;;) {
        given[0] = given[3] = NAN;
        memset(record->magic, 0, 1);
    }
    return NULL;
}

ATTACK_IN(STEP, leaves_thread_writing) {
    pthread_t thread;
    if (!found()) return 0;
    pthread_create(&thread, NULL, scribble, NULL);
    return 0;
}

/* leaving */
ATTACK(exits) { exit(0); }
ATTACK(exits_at_once) { _exit(0); }
ATTACK(exits_unconfined) { _exit(70); }
ATTACK(exits_quickly) { quick_exit(0); }
ATTACK_IN(LAST, exits_at_the_end) { exit(0); }
ATTACK(aborts) { abort(); }
ATTACK(kills_itself) { return did(kill(getpid(), SIGKILL)); }
ATTACK(crashes) { return *(volatile int *)8; }
ATTACK(divides_by_zero) {
    static volatile int some = 7, none;
    return some / none;
}
ATTACK_IN(LAST, crashes_at_the_end) { return *(volatile int *)8; }

static void *exit_here(void *unused) { _exit(0); }

ATTACK(exits_in_thread) {
    pthread_t thread;
    pthread_create(&thread, NULL, exit_here, NULL);
    for (;;) pause();
}

static jmp_buf back;

__attribute__((noinline)) static int remember(void) {
    volatile char frame[512] = {0};
    return setjmp(back) + frame[0];
}

ATTACK(jumps_out) {
    if (remember()) return 0;
    memset(back, 0x5a, sizeof back);
    longjmp(back, 1);
}

/* spoiling */
ATTACK(closes_descriptors) {
    for (int i = 0; i < 1024; i++) close(i);
    return 0;
}

ATTACK(covers_descriptors) {
    int null = open("/dev/null", O_RDONLY);
    for (int i = 0; i < 64; i++) dup2(null, i);
    return 0;
}

ATTACK(rounds_up) {
    fesetround(FE_UPWARD);
    return 0;
}

ATTACK(sees_arithmetic) {
    volatile double tiny = 5e-324;
    return fegetround() != FE_TONEAREST || tiny * 1 == 0 || 1 + tiny != 1;
}

ATTACK(changes_locale) {
    return setlocale(LC_ALL, "C.UTF-8") == NULL;
}

ATTACK(sees_locale) {
    static char before[512]; /* of the first run: the library stays */
    if (!*before) snprintf(before, sizeof before, "%s", setlocale(LC_ALL, NULL));
    return strcmp(before, setlocale(LC_ALL, NULL)) != 0;
}

ATTACK(flushes_to_zero) {
#ifdef __x86_64__
    __builtin_ia32_ldmxcsr(0x9fc0);
#endif
    return 0;
}

ATTACK(traps_arithmetic) {
    feenableexcept(FE_ALL_EXCEPT);
    return 0;
}

ATTACK(changes_process) {
    signal(SIGXFSZ, SIG_DFL);
    umask(0777);
    chdir("/");
    setlocale(LC_ALL, "");
    setenv("TZ", "Pacific/Kiritimati", 1);
    setenv("PATH", "", 1);
    return 0;
}

/* beyond what was given */
ATTACK_IN(STEP, writes_past_values) {
    for (size_t i = 0; i < 8 * MIB; i++) given[i] = 1e300;
    return 0;
}

ATTACK_IN(STEP, writes_before_values) {
    for (size_t i = 0; i < 8 * MIB; i++) given[-(ptrdiff_t)i] = 1e300;
    return 0;
}

ATTACK_IN(STEP, logs_garbage) {
    callbacks->logger((void *)1, NULL, 77, NULL, "%s %n %999999999d", (char *)1, 3);
    return 0;
}

ATTACK_IN(STEP, logs_nothing) {
    callbacks->logger(NULL, NULL, OK, NULL, NULL);
    return 0;
}

ATTACK_IN(STEP, frees_garbage) {
    free((void *)0x1000);
    callbacks->release((void *)0x1000);
    return 0;
}

ATTACK_IN(STEP, unmaps_everything) {
    for (uintptr_t page = (uintptr_t)given & ~4095UL; page; page -= 4096) munmap((void *)page, 4096);
    return 0;
}
