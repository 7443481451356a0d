/* The balance of volumes of a common rail: dp/dt = K(p) / V * (pump - injectors - leak - valve). */
#include <math.h>

#include "model.h"

#define STARVED 10.     /* bar: below it what leaves the rail falls with the pressure, to nothing */
#define NEAR 1e-9       /* firings: by which an event may be found too early */
#define MM3_TO_CM3 1e-3

static double limited(double value)
{
    return fmax(0, fmin(1, value));
}

/* What the controller asks of the pump's metering valve. */
static double opening(Variables *m)
{
    double error = m->p_set - m->rail_p;
    double asked = m->controller_K * error + m->controller_I;
    m->der_controller_I = 0;
    if (!m->controlled)
        return m->pump_u_fixed;
    m->der_controller_I =
        (m->controller_K * error + (limited(asked) - asked)) / m->controller_Ti;
    return limited(asked);
}

static double injection(const Variables *m)
{
    double relative = fmax(0, m->rail_p) / m->injector_p_nominal;
    if (!m->injecting)
        return 0;
    return m->injector_q * pow(relative, m->injector_exponent) * limited(m->rail_p / STARVED);
}

/* In firings since the start. */
static double progress(const Variables *m)
{
    return m->crank * m->firings;
}

static double next_stroke(const Variables *m)
{
    return m->strokes + m->pump_start + (m->pumping ? m->pump_length : 0);
}

void equations(Variables *m)
{
    double rate = m->speed / 60 * m->firings;

    m->pump_u = opening(m);
    m->pump_q = m->pumping ? m->pump_u * m->pump_V * MM3_TO_CM3 * rate / m->pump_length : 0;
    m->injectors_q = injection(m);
    m->leak_q = m->leak_G * m->rail_p;
    m->valve_q = m->valve_G * fmax(0, m->rail_p - m->valve_p);
    m->fuel_K = m->fuel_K0 + m->fuel_slope * m->rail_p;

    m->der_rail_p =
        m->fuel_K / m->rail_V * (m->pump_q - m->injectors_q - m->leak_q - m->valve_q);
    m->der_crank = m->speed / 60;
    m->der_injected = m->injectors_q / MM3_TO_CM3;

    m->to_edge = fmin(m->shots, next_stroke(m)) - progress(m);
}

static void strokes(Variables *m, double now)
{
    while (next_stroke(m) <= now) {
        if (m->pumping)
            m->strokes++;
        m->pumping = !m->pumping;
    }
}

static void shots(Variables *m, double now)
{
    while (m->shots <= now) {
        m->shots++;
        m->injecting = 1;
        m->injection_end = m->time + m->injector_duration * 1e-3;
    }
    if (m->time >= m->injection_end)
        m->injecting = 0;
}

void event(Variables *m, Event *e)
{
    double now = progress(m) + NEAR;
    strokes(m, now);
    shots(m, now);
    if (m->injecting)
        e->next_time = m->injection_end;
}
