/* A megabyte on stdout and stderr each step, some of it like a protocol. */
#include <stdio.h>
#include "fmu.h"
int fmi2DoStep(void *c, double time, double step, int no_set) {
    for (int i = 0; i < 20000; i++) {
        printf("{\"jsonrpc\": \"2.0\", \"id\": %d}\n", i);
        fprintf(stderr, "noise\n");
    }
    fflush(stdout);
    return OK;
}
