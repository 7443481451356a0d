/* The calls of Co-Simulation runs, FMI 2.0, with nothing around them: no engine can be faster.
 *
 * Statuses are taken together and looked at once, at the end of a run. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    const char *library, *identifier, *guid, *resources;
    const uint32_t *references; /* recorded */
    size_t n_references;
    double stop, step; /* [s] */
    size_t steps, every; /* a row after each `every` steps */
    const uint32_t *varied;
    const double *values; /* one for each run, of `varied` */
    size_t runs;
    double *rows; /* time and values; one run's after another's */
} Loop;

typedef struct {
    void *log, *allocate, *release, *step_finished, *environment;
} Callbacks;

static void silent(void *environment) { (void)environment; }

__attribute__((visibility("default"))) int bare_loop(const Loop *loop) {
    static Callbacks callbacks = {(void *)silent, (void *)calloc, (void *)free, 0, 0};
    void *library = dlopen(loop->library, RTLD_NOW | RTLD_LOCAL);
    if (!library) return -1;
    void *(*instantiate)(const char *, int, const char *, const char *, void *, int, int) =
        dlsym(library, "fmi2Instantiate");
    int (*setup)(void *, int, double, double, int, double) = dlsym(library, "fmi2SetupExperiment");
    int (*enter)(void *) = dlsym(library, "fmi2EnterInitializationMode");
    int (*leave)(void *) = dlsym(library, "fmi2ExitInitializationMode");
    int (*set)(void *, const uint32_t *, size_t, const double *) = dlsym(library, "fmi2SetReal");
    int (*get)(void *, const uint32_t *, size_t, double *) = dlsym(library, "fmi2GetReal");
    int (*advance)(void *, double, double, int) = dlsym(library, "fmi2DoStep");
    int (*terminate)(void *) = dlsym(library, "fmi2Terminate");
    int (*reset)(void *) = dlsym(library, "fmi2Reset");
    void (*release)(void *) = dlsym(library, "fmi2FreeInstance");
    void *instance =
        instantiate(loop->identifier, 1, loop->guid, loop->resources, &callbacks, 0, 0);
    if (!instance) return -2;
    int status = 0;
    double *row = loop->rows;
    for (size_t run = 0; run < loop->runs; run++) {
        if (run) status |= reset(instance);
        status |= setup(instance, 0, 0, 0, 1, loop->stop);
        if (loop->varied) status |= set(instance, loop->varied, 1, &loop->values[run]);
        status |= enter(instance) | leave(instance);
        row[0] = 0;
        status |= get(instance, loop->references, loop->n_references, row + 1);
        row += 1 + loop->n_references;
        double time = 0;
        for (size_t i = 1; i <= loop->steps; i++) {
            double end = (double)i * loop->step;
            status |= advance(instance, time, end - time, 1);
            time = end;
            if (i % loop->every) continue;
            row[0] = time;
            status |= get(instance, loop->references, loop->n_references, row + 1);
            row += 1 + loop->n_references;
        }
        status |= terminate(instance);
    }
    release(instance);
    dlclose(library);
    return status;
}
