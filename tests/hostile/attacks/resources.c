/* Taking too much of the machine, or never ending. */
#include <alloca.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "attack.h"

static volatile double busy;

static void spin(void) {
    for (;;) busy += 1;
}

ATTACK(takes_memory) {
    for (;;) {
        char *more = malloc(MIB);
        if (!more) abort();
        memset(more, 1, MIB);
    }
}

ATTACK(takes_mappings) {
    for (;;) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) abort();
        memset(more, 1, MIB);
    }
}

ATTACK(takes_shared_mappings) {
    for (;;) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) abort();
        memset(more, 1, MIB);
    }
}

ATTACK(takes_locked_memory) {
    for (;;) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
        if (more == MAP_FAILED) abort();
        memset(more, 1, MIB);
    }
}

static int deeper(int n) {
    volatile char frame[4096];
    frame[0] = (char)n;
    return deeper(n + 1) + frame[0];
}

ATTACK(takes_stack) { return deeper(0); }

ATTACK(takes_descriptors) {
    int made = 0;
    while (made < 5000 && open("/dev/null", O_RDONLY) >= 0) made++;
    return did(made >= 1000 ? 0 : -1);
}

ATTACK(takes_pipes) {
    static char block[MIB];
    int pipes[2];
    for (int i = 0; i < 200 && pipe2(pipes, O_NONBLOCK) == 0; i++) {
        fcntl(pipes[1], F_SETPIPE_SZ, MIB);
        write(pipes[1], block, MIB);
    }
    return 0;
}

static int sleeper(void *unused) {
    for (;;) pause();
}

/* threads on stacks of two pages, as few as the address space can limit: stops at `number` */
ATTACK(takes_threads) {
    enum { STACK = 8192 };
    char *stacks = mmap(NULL, (size_t)STACK * number, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    for (int i = 0; i < number; i++)
        if (!did(clone(sleeper, stacks + (i + 1) * STACK, flags, NULL))) return 0;
    return 1;
}

ATTACK(spins) { spin(); }

static void *spin_in_thread(void *unused) {
    spin();
    return NULL;
}

ATTACK(spins_in_threads) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, spin_in_thread, NULL);
    spin();
}

ATTACK(spins_yielding) {
    for (;;) sched_yield();
}

ATTACK(sleeps) {
    for (;;) pause();
}

ATTACK(waits_for_itself) {
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    for (;;) pthread_mutex_lock(&lock);
}

ATTACK(waits_on_pipe) {
    int pipes[2];
    char nothing;
    pipe(pipes);
    for (;;) read(pipes[0], &nothing, 1);
}

static void ignore(int signal_number) {}

/* deaf to all that can be ignored */
ATTACK(spins_deaf) {
    sigset_t all;
    sigfillset(&all);
    for (int i = 1; i < 65; i++) signal(i, ignore);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    sigprocmask(SIG_BLOCK, &all, NULL);
    spin();
}

ATTACK(faults_for_ever) {
    signal(SIGSEGV, ignore);
    *(volatile int *)8 = 1;
    return 1;
}

/* the first thread is gone, another goes on */
ATTACK(leaves_thread_alone) {
    pthread_t thread;
    pthread_create(&thread, NULL, spin_in_thread, NULL);
    syscall(SYS_exit, 0);
    return 1;
}

ATTACK_IN(STEP, floods_log) {
    for (int i = 0; i < 50000; i++) callbacks->logger(0, "model", OK, "all", "message %d %0500d", i, 0);
    return 0;
}

ATTACK_IN(STEP, floods_output) {
    static char noise[MIB];
    memset(noise, 'x', MIB);
    for (int i = 0; i < 64; i++) write(1 + i % 2, noise, MIB);
    for (int i = 0; i < 20000; i++) fprintf(stderr, "{\"jsonrpc\": \"2.0\", \"id\": %d}\n", i);
    return 0;
}
