/* Leaves a process behind that has nothing to do with it any more. */
#include <stdlib.h>
#include <unistd.h>
#include "fmu.h"
void started(void) {
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        for (;;) pause();
    }
    v[0] = pid;
}
