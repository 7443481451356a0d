/* Discards its step at half a second and asks to end there. */
#include "fmu.h"
int fmi2DoStep(void *c, double time, double step, int no_set) {
    now = time;
    return time < 0.45 ? OK : DISCARD;
}
int fmi2GetBooleanStatus(void *c, int kind, int *value) { *value = 1; return OK; }
int fmi2GetRealStatus(void *c, int kind, double *value) { *value = now; return OK; }
