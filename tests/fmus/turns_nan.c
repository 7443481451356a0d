/* Its output is NaN from half a second on, and it sees nothing wrong in that. */
#include <math.h>
#include "fmu.h"
int fmi2DoStep(void *c, double time, double step, int no_set) {
    v[0] = time + step > 0.45 ? NAN : 1;
    return OK;
}
