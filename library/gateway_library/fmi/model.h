/* What a model is to the wrapper: variables (made from model.toml) and one to three functions. */
#ifndef GATEWAY_MODEL_H
#define GATEWAY_MODEL_H

#include <stdbool.h>

enum Type { REAL = 1, INTEGER = 2, BOOLEAN = 4, ENUMERATION = 8, STRING = 16 };

#define TEXT_SIZE 256 /* of a string, its end included */

enum {
    IS_INPUT = 1,
    IS_TUNABLE = 2,   /* may change between steps or at events */
    HAS_START = 4,    /* may be set before the initialization is over */
    IS_DISCRETE = 8
};

typedef struct {
    enum Type type;
    int flags;
    double start;
} Declared;

#include "description.h"

/* What an event leaves behind. */
typedef struct {
    bool again;          /* call `event` once more at this time */
    bool states_changed; /* continuous states jumped */
    bool terminate;      /* the model ends here */
    double next_time;    /* when the next time event is due; INFINITY if none */
} Event;

/* Compute derivatives, outputs and event indicators from time, states, inputs and parameters.
   Discrete variables are constant here, so that what a solver sees is smooth. */
void equations(Variables *m);

#if HAS_INITIAL
/* Compute the states that have no start value from the parameters and the other states: in steady
   state, say. Called before `equations` until the initialization is over. */
void initial(Variables *m);
#endif

#if HAS_EVENTS
/* Bring discrete variables in line with time, states and inputs; called once at the start, at each
   sign change of an event indicator, at each `next_time` and after inputs changed. Does nothing
   where nothing is to be done. */
void event(Variables *m, Event *e);
#endif

#endif
