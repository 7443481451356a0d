/* What a model's card declares of a variable, and what an event leaves behind: the same for all. */
#ifndef GATEWAY_DECLARED_H
#define GATEWAY_DECLARED_H

#include <stdbool.h>
#include <stddef.h>

enum Type { REAL = 1, INTEGER = 2, BOOLEAN = 4, ENUMERATION = 8, STRING = 16, SIZE = 32 };

#define TEXT_SIZE 256 /* of a string, its end included */
#define RANK 2        /* of a matrix, which has the most dimensions */

enum {
    IS_INPUT = 1,
    IS_TUNABLE = 2,   /* may change between steps or at events */
    HAS_START = 4,    /* may be set before the initialization is over */
    IS_DISCRETE = 8,
    IS_STRUCTURAL = 16 /* decides the size of arrays; set in configuration mode */
};

typedef struct {
    enum Type type;
    int flags;
    size_t slot;              /* where its values begin among all numbers; an array's by rows */
    size_t room;              /* how many there may be */
    int rank;                 /* 0 for one number */
    unsigned dimensions[RANK]; /* references of the structural parameters that hold them */
} Declared;

/* What an event leaves behind. */
typedef struct {
    bool again;          /* call `event` once more at this time */
    bool states_changed; /* continuous states jumped */
    bool terminate;      /* the model ends here */
    double next_time;    /* when the next time event is due; INFINITY if none */
} Event;

#endif
