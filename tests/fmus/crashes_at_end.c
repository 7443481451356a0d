/* Runs well and crashes in fmi2Terminate. */
#include <stdlib.h>
#include "fmu.h"
int fmi2Terminate(void *c) { abort(); }
