/* What attacks share. An attack is a function that says whether it had its effect: 1 or 0.
 *
 * Each works on what the parameters of the run name: `path` and `other`, text, and `number`. `code`
 * tells errno of what failed. A new attack is one more ATTACK(...) and one row in catalogue.py. */
#ifndef ATTACK_H
#define ATTACK_H
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../fmus/fmu.h"

/* At the end of the initialization, in each step, in fmi2Terminate. */
typedef enum { INITIAL, STEP, LAST } phase_t;
typedef struct {
    const char *name;
    int (*call)(void);
    phase_t phase;
} attack_t;

#define ATTACK_IN(when, name)                                                                    \
    static int attack_##name(void);                                                              \
    static const attack_t entry_##name = {#name, attack_##name, when};                           \
    static const attack_t *const listed_##name __attribute__((used, section("attacks"))) =       \
        &entry_##name;                                                                           \
    static int attack_##name(void)
#define ATTACK(name) ATTACK_IN(INITIAL, name)

enum { TEXT = 4096, MIB = 1 << 20 };
extern char path[TEXT], other[TEXT];
extern int number;
extern double effect, code;
/* where fmi2GetReal was asked to write first */
extern double *given;

/* 1 for a result that isn't negative, else 0 and its errno in `code` */
int did(long result);
/* 1 where the kernel looked at the call: it failed, but nobody forbade it */
int heard(long result);
/* 1 where what can be read from the descriptor contains `text` (anything, if that is empty) */
int finds(int descriptor, const char *text);
/* 1 where the file can be opened and contains `text` */
int file_has(const char *file, const char *text);
/* a file of the model: `relative` seen from its folder of resources */
const char *in_resources(const char *relative);
#endif
