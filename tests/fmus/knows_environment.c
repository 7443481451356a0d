/* Tells whether a secret of the server reached it: 1 if the variable is set. */
#include <stdlib.h>
#include "fmu.h"
void started(void) { v[0] = getenv("STRIPE_SECRET_KEY") != 0; }
