/* x' = A x + gain B u, y = C x + gain D u, with N states, M inputs and P outputs.
 *
 * Where x[1] crosses `level` upwards, `count` goes up and x[1] goes back to `back`. At multiples of
 * `period` (0: none) from the start, `tick` goes up and `gain` changes its sign. One instance per
 * process; value references are positions in `cell`, of an array its first element's. */
#ifndef LINEAR_H
#define LINEAR_H
#include "fmu.h"
#include <stdbool.h>

enum { COUNT, TICK, TIME, GAIN, LEVEL, BACK, PERIOD, Z, X };
enum {
    DX = X + N,
    U = DX + N,
    Y = U + M,
    A = Y + P,
    B = A + N * N,
    C = B + N * M,
    D = C + P * N,
    X0 = D + P * M,
    CELLS = X0 + N
};

extern double cell[CELLS];
extern double slope[M + 1]; /* of the inputs, within a communication step */

/* leave initialization, which ends at `now` */
void begin(void);
/* bring what follows from states and inputs up to date */
void refresh(void);
/* at an event: whether a state jumped */
bool update(void);
/* whether `update` would change something */
bool due(void);
/* when `tick` next goes up; INFINITY if never */
double next_tick(void);
/* Co-Simulation: come to `end`, or to a tick before it where `stop_at_ticks` */
void solve(double end, bool stop_at_ticks);
#endif
