/* Coulomb friction between two surfaces as a machine of modes.

   While the surfaces slide, friction is known from the direction. While they are stuck, it is the
   force that keeps them so, found from the balance of the whole system, and the element gives way
   as soon as that is more than they can hold. An element that gives way is still at rest: for a
   moment it is stuck and yet starts to slide in a known direction. Source: Otter, Elmqvist,
   Mattsson: Hybrid Modeling in Modelica based on the Synchronous Data Flow Principle. CACSD 1999.

   In its `event` a model calls `follow_speed` for each element, then solves its balance of forces
   and calls `give_way` and `hold_again` until no element changes. Forces (N or N.m) are positive
   where they oppose a positive speed (m/s or rad/s). The speed must be a state, or be made of
   states, so that a stuck element's can be exactly zero. */
#ifndef GATEWAY_FRICTION_H
#define GATEWAY_FRICTION_H

#include <math.h>
#include <stdbool.h>

#include "crossing.h"

#define SLIDING_SPEED 1e-10     /* an element that starts has begun to slide at this speed */
#define HOLDING_TOLERANCE 1e-12 /* relative: rounding alone makes no element give way */

enum { BACKWARD = -1, STUCK = 0, FORWARD = 1, FREE = 2 };

typedef struct {
    int mode;
    int start;    /* of a stuck element: the direction in which it starts to slide, else zero */
    double speed; /* of one surface relative to the other */
} Friction;

/* What stuck surfaces can withstand: lowest < 0 < highest; -INFINITY is a stop. */
typedef struct {
    double lowest, highest;
} Hold;

static inline bool is_held(const Friction *f)
{
    return f->mode == STUCK && f->start == 0;
}

/* The sign of the friction of an element that isn't held; zero where nothing rubs. */
static inline int sliding_direction(const Friction *f)
{
    return f->mode == FREE ? 0 : f->mode == STUCK ? f->start : f->mode;
}

/* Bring the mode in line with the speed, which becomes zero where the element is held. Surfaces rub
   only where they are `pressed` together: what they can hold is more than zero. */
static inline void follow_speed(Friction *f, bool pressed)
{
    int direction = (f->speed > 0) - (f->speed < 0);
    bool slides = f->mode == STUCK || f->mode == FREE ? fabs(f->speed) > SLIDING_SPEED
                                                      : f->mode == direction;
    if (!pressed) {
        f->mode = FREE;
        f->start = 0;
    } else if (slides) {
        f->mode = direction;
        f->start = 0;
    } else {
        f->mode = STUCK;
        if (f->start == 0)
            f->speed = 0;
    }
}

static inline double reserve(double force, Hold hold)
{
    double above = hold.highest * (1 + HOLDING_TOLERANCE) - force;
    double below = force - hold.lowest * (1 + HOLDING_TOLERANCE);
    return fmin(above, below);
}

/* A held element starts to slide where `force` is more than it withstands. True where it does. */
static inline bool give_way(Friction *f, double force, Hold hold)
{
    if (!is_held(f) || reserve(force, hold) > 0)
        return false;
    f->start = force > 0 ? FORWARD : BACKWARD;
    return true;
}

/* An element that starts to slide is held after all where it would go the other way. */
static inline bool hold_again(Friction *f, double acceleration)
{
    if (f->mode != STUCK || f->start * acceleration >= 0)
        return false;
    f->start = 0;
    f->speed = 0;
    return true;
}

/* Positive, and not so where `event` has something to do for this element's speed or force. */
static inline double friction_indicator(const Friction *f, double force, Hold hold)
{
    if (f->mode == FREE)
        return 1;
    if (is_held(f))
        return signed_indicator(reserve(force, hold));
    if (f->mode == STUCK)
        return signed_indicator(SLIDING_SPEED - fabs(f->speed));
    return signed_indicator(f->mode * f->speed);
}

#endif
