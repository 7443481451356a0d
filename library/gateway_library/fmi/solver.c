/* The solver inside Co-Simulation: steps of a method with error control, events found by bisection.

   A step is only ever halved or doubled, so that no rounding of `pow` decides where a step ends:
   the same numbers on every machine. */
#include <math.h>

#include "method.h"

#define EVENTS_PER_STEP 100000
#define STEPS_PER_STEP 5000000 /* of the method, in one of the importer's */
#define FIRST_STEP 1e-3         /* of the way to the end */

void slope(Variables *m, double time, const double x[], double k[])
{
    m->time = time;
    for (int i = 0; i < N_STATES; i++)
        m->value[STATES[i]] = x[i];
    equations(m);
    for (int i = 0; i < N_STATES; i++)
        k[i] = m->value[DERIVATIVES[i]];
}

double in_tolerances(const double e[], const Point *p, const double x[], double tolerance)
{
    double error = 0;
    for (int i = 0; i < N_STATES; i++) {
        double size = fmax(fabs(p->x[i]), fabs(x[i])) + NOMINALS[i];
        double scaled = fabs(e[i]) / (tolerance * size);
        if (isnan(scaled))
            return INFINITY;
        error = fmax(error, scaled);
    }
    return error;
}

static Point here(const Variables *m)
{
    Point p = {.time = m->time};
    for (int i = 0; i < N_STATES; i++)
        p.x[i] = m->value[STATES[i]];
    for (int i = 0; i < N_INDICATORS; i++)
        p.z[i] = m->value[INDICATORS[i]];
    return p;
}

static bool crossed(const Variables *m, const Point *p)
{
    for (int i = 0; i < N_INDICATORS; i++)
        if ((p->z[i] > 0) != (m->value[INDICATORS[i]] > 0))
            return true;
    return false;
}

/* The shortest step from p, to the resolution of time, over which an indicator changes its sign.
   False where the method fails on the way. */
static bool locate(Variables *m, const Point *p, double h, double tolerance)
{
    double low = 0;
    for (;;) {
        double middle = 0.5 * (low + h);
        if (p->time + middle <= p->time + low || p->time + middle >= p->time + h)
            return isfinite(attempt(m, p, h, tolerance));
        if (!isfinite(attempt(m, p, middle, tolerance)))
            return false;
        if (crossed(m, p))
            h = middle;
        else
            low = middle;
    }
}

/* One accepted step towards `target`; `*at_event` where an indicator stopped it. */
static enum Status integrate(Instance *instance, double target, bool *at_event)
{
    State *s = instance->state;
    const Point p = here(&s->m);
    for (;;) {
        bool last = s->step >= target - p.time;
        double h = last ? target - p.time : s->step;
        double error = attempt(&s->m, &p, h, s->tolerance);
        *at_event = error <= 1 && crossed(&s->m, &p);
        if (error <= 1 && (!*at_event || locate(&s->m, &p, h, s->tolerance))) {
            if (last && !*at_event)
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
    State *s = instance->state;
    int events = 0, steps = 0;
    if (!(s->step > 0))
        s->step = FIRST_STEP * (end - s->m.time);
    refresh(instance);
    while (s->m.time < end && !s->terminated) {
        bool at_event = false;
        double target = fmin(end, s->next_event);
        if (++steps > STEPS_PER_STEP)
            return fail(instance, "the solver cannot go on: it would take too many steps");
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
