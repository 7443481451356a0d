/* What changes in an instance: here the model is known. */
#ifndef GATEWAY_STATE_H
#define GATEWAY_STATE_H

#include "instance.h"
#include "model.h"

#define AT_LEAST_ONE(n) ((n) > 0 ? (n) : 1)

/* Plain data, so that it can be copied and written down. */
struct State {
    Variables m;
    double step;      /* what the solver tries next; 0 = unknown */
    double tolerance; /* relative, of the internal solver */
    double stop_time; /* INFINITY where the importer named none */
    double next_event;
    int mode;
    int stale;        /* `equations` must run before a value is read */
    int touched;      /* an input or tunable parameter changed since the last step */
    int terminated;   /* an event ended the simulation */
};

/* Integrate to `end`, or with `returns_early` to an event not yet handled: `*pending`. */
enum Status advance(Instance *instance, double end, bool *pending);

#endif
