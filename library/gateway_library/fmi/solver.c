/* The solver inside Co-Simulation: Dormand and Prince's 5(4) pair, events located by bisection.

   Source: Dormand, Prince: A family of embedded Runge-Kutta formulae. J. Comp. Appl. Math. 6 (1980).
   A step is only ever halved or doubled, so that no rounding of `pow` decides where a step ends:
   the same numbers on every machine. */
#include <math.h>

#include "instance.h"

#define NX AT_LEAST_ONE(N_STATES)
#define NZ AT_LEAST_ONE(N_INDICATORS)
#define STAGES 7
#define EVENTS_PER_STEP 100000
#define FIRST_STEP 1e-3    /* of the way to the end */
#define DOUBLE_BELOW (1. / 64) /* doubling a step multiplies its error by 2^5 */

static const double C[STAGES] = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};

static const double A[STAGES][STAGES - 1] = {
    {0},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
};

/* The fifth order's weights less the fourth's. */
static const double E[STAGES] = {71. / 57600,       0,           -71. / 16695, 71. / 1920,
                                 -17253. / 339200, 22. / 525, -1. / 40};

typedef struct {
    double time;
    double x[NX];
    double z[NZ];
} Point;

static Point here(const Variables *m)
{
    Point p = {.time = m->time};
    for (int i = 0; i < N_STATES; i++)
        p.x[i] = m->value[STATES[i]];
    for (int i = 0; i < N_INDICATORS; i++)
        p.z[i] = m->value[INDICATORS[i]];
    return p;
}

/* One step of size h from p. Leaves `m` evaluated at its end; returns the error in tolerances. */
static double attempt(Variables *m, const Point *p, double h, double tolerance)
{
    double k[STAGES][NX] = {{0}};
    double error = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        m->time = p->time + C[stage] * h;
        for (int i = 0; i < N_STATES; i++) {
            double slope = 0;
            for (int j = 0; j < stage; j++)
                slope += A[stage][j] * k[j][i];
            m->value[STATES[i]] = p->x[i] + h * slope;
        }
        equations(m);
        for (int i = 0; i < N_STATES; i++)
            k[stage][i] = m->value[DERIVATIVES[i]];
    }
    for (int i = 0; i < N_STATES; i++) {
        double size = fmax(fabs(p->x[i]), fabs(m->value[STATES[i]])) + NOMINALS[i];
        double e = 0;
        for (int stage = 0; stage < STAGES; stage++)
            e += E[stage] * k[stage][i];
        e = fabs(h * e) / (tolerance * size);
        if (!(e <= error)) /* also where e is not a number */
            error = e;
    }
    return error;
}

static bool crossed(const Variables *m, const Point *p)
{
    for (int i = 0; i < N_INDICATORS; i++)
        if ((p->z[i] > 0) != (m->value[INDICATORS[i]] > 0))
            return true;
    return false;
}

/* The shortest step from p, to the resolution of time, over which an indicator changes its sign. */
static void locate(Variables *m, const Point *p, double h, double tolerance)
{
    double low = 0;
    for (;;) {
        double middle = 0.5 * (low + h);
        if (p->time + middle <= p->time + low || p->time + middle >= p->time + h)
            break;
        attempt(m, p, middle, tolerance);
        if (crossed(m, p))
            h = middle;
        else
            low = middle;
    }
    attempt(m, p, h, tolerance);
}

/* One accepted step towards `target`; `*at_event` where an indicator stopped it. */
static enum Status integrate(Instance *instance, double target, bool *at_event)
{
    State *s = &instance->state;
    const Point p = here(&s->m);
    for (;;) {
        bool last = s->step >= target - p.time;
        double h = last ? target - p.time : s->step;
        double error = attempt(&s->m, &p, h, s->tolerance);
        if (error <= 1) {
            *at_event = crossed(&s->m, &p);
            if (*at_event)
                locate(&s->m, &p, h, s->tolerance);
            else if (last)
                s->m.time = target;
            if (error <= DOUBLE_BELOW)
                s->step = fmax(s->step, 2 * h);
            return OK;
        }
        s->step = h / 2;
        if (!(p.time + s->step > p.time))
            return fail(instance, "the solver cannot go on: the solution is not finite or smooth");
    }
}

enum Status advance(Instance *instance, double end, bool *pending)
{
    State *s = &instance->state;
    int events = 0;
    if (!(s->step > 0))
        s->step = FIRST_STEP * (end - s->m.time);
    refresh(instance);
    while (s->m.time < end) {
        bool at_event = false;
        double target = fmin(end, s->next_event);
        if (s->m.time < target && integrate(instance, target, &at_event) != OK)
            return ERROR;
        if (!at_event && s->m.time < s->next_event)
            continue;
        if (instance->returns_early) {
            *pending = true;
            return OK;
        }
        if (++events > EVENTS_PER_STEP)
            return fail(instance, "too many events in one step");
        if (settle(instance) != OK)
            return ERROR;
    }
    return OK;
}
