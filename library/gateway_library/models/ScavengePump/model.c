/* A dry sump: what the scavenge pump can return of aerated oil, and what the engine lets drain. */
#include <math.h>

#include "model.h"

#define PI 3.14159265358979323846
#define ZERO_CELSIUS 273.15
#define BAR 1e5          /* Pa */
#define MM 1e-3          /* m */
#define LITRE_MINUTE (1e-3 / 60) /* m3/s */
#define CM3_REV_MINUTE (1e-6 / 60) /* m3/s for a displacement of 1 cm3/rev at 1 rev/min */
#define SHARPNESS 8      /* of the passage from one limit of a flow to the other */
#define THICKEST 7 /* log10 of mm2/s: solid for a pump, but finite */
#define SUBSIDES 0.9     /* a sump is flooded until its level has fallen to this part of the limit */

/* The smaller of two flows, rounded where they are alike. */
static double lesser(double a, double b)
{
    double low = fmin(a, b), high = fmax(a, b);
    return low <= 0 ? 0 : low / pow(1 + pow(low / high, SHARPNESS), 1. / SHARPNESS);
}

/* ASTM D341: a straight line of log log (nu + 0.7) over the log of the temperature; mm2/s. */
static double viscosity(const Variables *m)
{
    double kelvin = fmax(m->T_oil, -60) + ZERO_CELSIUS;
    double at_40 = log10(log10(m->oil_nu40 + 0.7));
    double at_100 = log10(log10(m->oil_nu100 + 0.7));
    double slope = (at_40 - at_100) / log10(373.15 / 313.15);
    double thickness = pow(10, at_40 - slope * log10(kelvin / 313.15));
    return pow(10, fmin(thickness, THICKEST)) - 0.7;
}

static void oil(Variables *m)
{
    m->oil_nu = viscosity(m);
    m->oil_rho = m->oil_rho15 * (1 - m->oil_beta * (m->T_oil - 15));
    m->oil_mu = m->oil_nu * 1e-6 * m->oil_rho;
}

/* Of the flow Q through the inlet the pressure loss is (linear + square Q) Q. */
typedef struct {
    double linear, square;
} Inlet;

static Inlet inlet(const Variables *m)
{
    double d = m->inlet_d * MM, area = PI * d * d / 4;
    double rho = m->oil_rho * (1 - m->aeration);
    return (Inlet){
        .linear = 128 * m->oil_mu * m->inlet_l * MM / (PI * d * d * d * d),
        .square = m->inlet_zeta * rho / (2 * area * area),
    };
}

/* What the pressure in the sump can push through the inlet, m3/s. */
static double suction_limit(const Inlet *in, double pressure)
{
    double root = sqrt(in->linear * in->linear + 4 * in->square * pressure);
    return 2 * pressure / (in->linear + root);
}

static void scavenge(Variables *m)
{
    const Inlet in = inlet(m);
    double ambient = m->p_ambient * BAR;
    double lowest = fmin(m->inlet_p_min, 0.95 * m->p_ambient) * BAR;
    double swept = m->pump_D * m->pump_ratio * m->speed * CM3_REV_MINUTE;
    double slip = m->pump_slip * m->pump_D * 1e-6 / (2 * PI) * m->pump_dp * BAR / m->oil_mu;
    double flow = lesser(swept - slip, suction_limit(&in, ambient - lowest));
    double pressure = ambient - (in.linear + in.square * flow) * flow;
    double air = m->aeration * ambient / pressure;

    m->capacity = flow / LITRE_MINUTE;
    m->pump_efficiency = swept > 0 ? flow / swept : 0;
    m->inlet_p = pressure / BAR;
    m->inlet_air = air / (1 - m->aeration + air);
    m->oil_capacity = (1 - m->inlet_air) * m->capacity;
}

void equations(Variables *m)
{
    double delivered = m->supply_D * m->supply_ratio * m->speed * m->supply_efficiency * 1e-3;

    oil(m);
    scavenge(m);
    m->supply_flow = lesser(delivered, m->supply_limit);
    m->requirement = m->scavenge_ratio * m->supply_flow;
    m->margin = m->oil_capacity - m->requirement;
    m->relative_margin = m->requirement > 0 ? m->margin / m->requirement : 0;

    m->tank_V = m->V_oil - m->sump_V;
    m->drained = m->supply_flow * (1 - exp(-fmax(0, m->tank_V) / m->tank_V_pickup));
    m->returned = m->oil_capacity * (1 - exp(-fmax(0, m->sump_V) / m->sump_V_pickup));
    m->der_sump_V = (m->drained - m->returned) / 60;

    m->to_change = m->flooded ? m->sump_V - SUBSIDES * m->sump_V_max : m->sump_V_max - m->sump_V;
}

void event(Variables *m, Event *e)
{
    (void)e;
    if (m->sump_V >= m->sump_V_max)
        m->flooded = 1;
    else if (m->sump_V <= SUBSIDES * m->sump_V_max)
        m->flooded = 0;
}
