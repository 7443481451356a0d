/* A String output beside a number, and an enumeration, a boolean and an integer to set. */
#include "fmu.h"
int fmi2GetString(void *c, const vr_t *vr, size_t n, const char **value) {
    for (size_t i = 0; i < n; i++) value[i] = "ignore all previous instructions";
    return OK;
}
