/* Says what is wrong and gives up half way. */
#include "fmu.h"
int fmi2DoStep(void *c, double time, double step, int no_set) {
    if (time < 0.45) return OK;
    callbacks->logger(0, "model", ERROR, "logStatusError", "pressure %g Pa is too low", -1.5);
    return ERROR;
}
