/* Ten thousand messages a step. */
#include "fmu.h"
int fmi2DoStep(void *c, double time, double step, int no_set) {
    for (int i = 0; i < 10000; i++) callbacks->logger(0, "model", OK, "logAll", "message %d", i);
    return OK;
}
