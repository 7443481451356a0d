/* What the step loop in solver.c and a one-step method have in common. */
#ifndef GATEWAY_METHOD_H
#define GATEWAY_METHOD_H

#include "state.h"

#define NX AT_LEAST_ONE(N_STATES)
#define NZ AT_LEAST_ONE(N_INDICATORS)

/* Where a step begins. */
typedef struct {
    double time;
    double x[NX];
    double z[NZ];
} Point;

/* The method, one of which goes into an FMU (the card's `solver`): one step of size h from p.
   Leaves `m` evaluated at its end; returns the error in tolerances, INFINITY for a step that could
   not be made. What it returns depends on the arguments only. */
double attempt(Variables *m, const Point *p, double h, double tolerance);

/* A step is doubled where its error was below: the error doubles with some power of the step. */
extern const double DOUBLE_BELOW;

/* For methods: the derivatives k at a time and states x. */
void slope(Variables *m, double time, const double x[], double k[]);

/* For methods: the largest of e, in tolerances, for a step from p to x; INFINITY where one is NaN. */
double in_tolerances(const double e[], const Point *p, const double x[], double tolerance);

#endif
