/* A resistor is heated by a voltage that a two-point controller switches. */
#include "crossing.h"
#include "model.h"
#include "sources.h"

#define CELSIUS 273.15
#define VOLTAGE 10.0     /* V */
#define R_REF 10.0       /* Ohm, at T_REF */
#define T_REF 293.15     /* K */
#define CLOSED 1e-5      /* Ohm */
#define OPEN (1 / 1e-5)  /* Ohm */

static double reference(const Variables *m)
{
    return m->ramp_offset
           + ramp(m->time, m->ramp_phase, m->ramp_startTime, m->ramp_duration, m->ramp_height);
}

/* Up to this temperature the controller heats. */
static double limit(const Variables *m)
{
    return reference(m) + (m->onOffController_y ? m->TDif : -m->TDif) / 2;
}

/* The resistor is as warm as the ambient. */
void initial(Variables *m)
{
    m->heatCapacitor_T = m->TAmb;
}

void equations(Variables *m)
{
    double R = R_REF * (1 + m->resistor_alpha * (m->heatCapacitor_T - T_REF));
    double i = VOLTAGE / (R + (m->onOffController_y ? CLOSED : OPEN));

    m->resistor_R_actual = R;
    m->resistor_i = i;
    m->resistor_LossPower = R * i * i;
    m->der_heatCapacitor_T = (m->resistor_LossPower
                              - m->thermalConductor_G * (m->heatCapacitor_T - m->TAmb))
                             / m->heatCapacitor_C;
    m->temperatureSensor_T = m->heatCapacitor_T - CELSIUS;
    m->ramp_y = reference(m);
    m->onOffController_margin = signed_indicator(limit(m) - m->temperatureSensor_T);
}

void event(Variables *m, Event *e)
{
    m->ramp_phase = ramp_phase(m->time, m->ramp_startTime, m->ramp_duration);
    e->next_time = ramp_corner(m->ramp_phase, m->ramp_startTime, m->ramp_duration);
    m->onOffController_y = m->heatCapacitor_T - CELSIUS < limit(m);
}
