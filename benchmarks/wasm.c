/* For wasm.py: what the native core needs to stand in one module with a model, and the functions of
 * the C library over many arguments, which are also compiled for this machine. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define OF_X(f) \
    EXPORT void all_##f(const double *x, const double *y, double *to, int n) { \
        (void)y; \
        for (int i = 0; i < n; i++) to[i] = f(x[i]); \
    }
#define OF_X_Y(f) \
    EXPORT void all_##f(const double *x, const double *y, double *to, int n) { \
        for (int i = 0; i < n; i++) to[i] = f(x[i], y[i]); \
    }

OF_X(sin) OF_X(cos) OF_X(tan) OF_X(asin) OF_X(acos) OF_X(atan) OF_X(sinh) OF_X(cosh) OF_X(tanh)
OF_X(exp) OF_X(log) OF_X(log10) OF_X(sqrt) OF_X(floor) OF_X_Y(pow) OF_X_Y(atan2) OF_X_Y(hypot)
OF_X_Y(fmod)

#ifdef __wasm__
#include "names.h" /* NAMES: the functions of FMI */
#include "core.h"

/* Where each stands in the module's table of functions; the host fills it in. */
static void *places[sizeof NAMES / sizeof *NAMES];

EXPORT void **symbol_places(void) { return places; }
EXPORT void *room(size_t size) { return calloc(size, 1); }

void core_run(const void *order, void *result);
EXPORT void run(const void *order, void *result) { core_run(order, result); }

void *dlopen(const char *name, int how) {
    (void)name, (void)how;
    return places;
}

char *dlerror(void) { return ""; }

void *dlsym(void *library, const char *name) {
    (void)library;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (!strcmp(NAMES[i], name)) return places[i];
    return NULL;
}

Solver *cvode(Core *core) { fail_text(core, STATUS_ENGINE_FAILED, "", "there is no CVODE here"); }
#endif
