/* A cell as Chen and Rincon-Mora's circuit: a source, a resistor and two RC pairs in series, all
   depending on the state of charge; one temperature. Discharging currents are positive. */
#include <math.h>

#include "model.h"

#define GAS_CONSTANT 8.314462618 /* J/(mol K) */
#define ZERO_CELSIUS 273.15      /* K */
#define REFERENCE 298.15         /* K: the temperature that the resistances are given for */
#define HOUR 3600.               /* s */
#define COLDEST 100.             /* K: so that nothing overflows */
#define LEAST_CHARGE 0.03        /* below it the fits of the capacitances turn negative */

typedef struct {
    double R0, R1, C1, R2, C2;
} Circuit;

/* Shaped like the published fits: each is divided by its plateau at a high charge. */
static Circuit circuit(const Variables *m, double soc)
{
    double kelvin = fmax(m->T + ZERO_CELSIUS, COLDEST);
    double slower = exp(m->E_a / GAS_CONSTANT * (1 / kelvin - 1 / REFERENCE));
    double fitted = fmax(soc, LEAST_CHARGE);
    return (Circuit){
        .R0 = m->R0 * slower * (1 + 0.1562 / 0.07446 * exp(-24.37 * soc)),
        .R1 = m->R1 * slower * (1 + 0.3208 / 0.04669 * exp(-29.14 * soc)),
        .C1 = m->C1 * (1 - 752.9 / 703.6 * exp(-13.51 * fitted)),
        .R2 = m->R2 * slower * (1 + 6.603 / 0.04984 * exp(-155.2 * soc)),
        .C2 = m->C2 * (1 - 6056. / 4475 * exp(-27.12 * fitted)),
    };
}

static double open_circuit(const Variables *m, double soc)
{
    return m->ocv_a0 + soc * (m->ocv_a1 + soc * (m->ocv_a2 + soc * m->ocv_a3)) +
           m->ocv_b * exp(-m->ocv_c * soc);
}

/* Positive while the cell may go on; the current asked for, while it is blocked. */
static double may_discharge(const Variables *m)
{
    if (m->discharge_blocked)
        return m->I;
    return m->I > 0 ? fmin(m->V - m->V_min, m->SOC) : 1;
}

static double may_charge(const Variables *m)
{
    if (m->charge_blocked)
        return -m->I;
    return m->I < 0 ? fmin(m->V_max - m->V, 1 - m->SOC) : 1;
}

void equations(Variables *m)
{
    double soc = fmax(0, fmin(1, m->SOC));
    const Circuit c = circuit(m, soc);
    bool blocked = (m->I > 0 && m->discharge_blocked) || (m->I < 0 && m->charge_blocked);
    double i = blocked ? 0 : m->I;

    m->i = i;
    m->OCV = open_circuit(m, soc);
    m->V = m->OCV - m->v1 - m->v2 - c.R0 * i;
    m->P = m->V * i;
    m->Q_heat = c.R0 * i * i + m->v1 * m->v1 / c.R1 + m->v2 * m->v2 / c.R2 -
                i * (m->T + ZERO_CELSIUS) * m->dU_dT;

    m->der_SOC = -(i < 0 ? m->efficiency : 1) * i / (m->capacity * HOUR);
    m->der_v1 = (i - m->v1 / c.R1) / c.C1;
    m->der_v2 = (i - m->v2 / c.R2) / c.C2;
    m->der_T = (m->Q_heat - (m->T - m->T_ambient) / m->R_th) / m->C_th;

    m->until_empty = may_discharge(m);
    m->until_full = may_charge(m);
}

void event(Variables *m, Event *e)
{
    (void)e;
    m->discharge_blocked = m->discharge_blocked ? m->I > 0 : may_discharge(m) <= 0;
    m->charge_blocked = m->charge_blocked ? m->I < 0 : may_charge(m) <= 0;
}
