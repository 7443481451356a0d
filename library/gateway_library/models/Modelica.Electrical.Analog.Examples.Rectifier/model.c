/* Three sources in star, each behind a coil, feed a bridge of six diodes; two capacitors, grounded
   between them, and a current are its load.

   A leg is the coil's end with the diode above, to the positive rail, and the one below, from the
   negative rail. Its voltage follows from the coil's current and the rails alone. */
#include <math.h>

#include "ideal_diode.h"
#include "model.h"

#define PHASES 3
#define PI 3.14159265358979323846

typedef struct {
    double v;            /* V, of the coil's end */
    double above, below; /* V, of the diodes, forward */
} Leg;

/* The coil's current is the diode's above less the one's below, both linear in the leg's voltage. */
static Leg leg(Diode d, bool above_conducts, bool below_conducts, double coil, double positive,
               double negative)
{
    double slope = diode_slope(d, above_conducts) + diode_slope(d, below_conducts);
    double at_zero = diode_current(d, above_conducts, -positive)
                     - diode_current(d, below_conducts, negative);
    double v = (coil - at_zero) / slope;
    return (Leg){.v = v, .above = v - positive, .below = negative - v};
}

/* The rails begin at the peak of the line-to-line voltage. */
void initial(Variables *m)
{
    m->Capacitor1_v = m->Capacitor2_v = m->VAC * sqrt(2) / 2;
}

void equations(Variables *m)
{
    const Diode diode = {m->Ron, m->Goff, m->Vknee};
    const double coil[PHASES] = {-m->Inductor2_i - m->Inductor3_i, m->Inductor2_i, m->Inductor3_i};
    const double off[2 * PHASES] = {m->IdealDiode1_off, m->IdealDiode2_off, m->IdealDiode3_off,
                                    m->IdealDiode4_off, m->IdealDiode5_off, m->IdealDiode6_off};
    double *changes[2 * PHASES] = {&m->IdealDiode1_changes, &m->IdealDiode2_changes,
                                   &m->IdealDiode3_changes, &m->IdealDiode4_changes,
                                   &m->IdealDiode5_changes, &m->IdealDiode6_changes};
    double across[PHASES]; /* V, of a source and its coil, without the star point */
    double star = 0, into_positive = 0, out_of_negative = 0, losses = 0;
    Leg legs[PHASES];

    for (int k = 0; k < PHASES; k++) {
        bool above = !off[k], below = !off[k + PHASES];
        double source = m->VAC * sqrt(2. / 3) * sin(2 * PI * (m->f * m->time - k / 3.));
        legs[k] = leg(diode, above, below, coil[k], m->Capacitor1_v, -m->Capacitor2_v);
        double i_above = diode_current(diode, above, legs[k].above);
        double i_below = diode_current(diode, below, legs[k].below);
        into_positive += i_above;
        out_of_negative += i_below;
        losses += i_above * legs[k].above + i_below * legs[k].below;
        *changes[k] = diode_changes(diode, above, legs[k].above);
        *changes[k + PHASES] = diode_changes(diode, below, legs[k].below);
        across[k] = source - legs[k].v;
        star -= across[k] / PHASES; /* the coils' currents, thus their voltages, add up to zero */
    }
    m->der_Inductor2_i = (star + across[1]) / m->LAC;
    m->der_Inductor3_i = (star + across[2]) / m->LAC;
    m->der_Capacitor1_v = (into_positive - m->IDC) / (2 * m->CDC);
    m->der_Capacitor2_v = (out_of_negative - m->IDC) / (2 * m->CDC);

    m->uDC = m->Capacitor1_v + m->Capacitor2_v;
    m->Losses = losses;
    m->iAC_1 = coil[0];
    m->iAC_2 = coil[1];
    m->iAC_3 = coil[2];
    m->uAC_1 = legs[0].v - legs[1].v;
    m->uAC_2 = legs[1].v - legs[2].v;
    m->uAC_3 = legs[2].v - legs[0].v;
}

void event(Variables *m, Event *e)
{
    const double changes[2 * PHASES] = {m->IdealDiode1_changes, m->IdealDiode2_changes,
                                        m->IdealDiode3_changes, m->IdealDiode4_changes,
                                        m->IdealDiode5_changes, m->IdealDiode6_changes};
    double *off[2 * PHASES] = {&m->IdealDiode1_off, &m->IdealDiode2_off, &m->IdealDiode3_off,
                               &m->IdealDiode4_off, &m->IdealDiode5_off, &m->IdealDiode6_off};
    for (int n = 0; n < 2 * PHASES; n++)
        if (changes[n] > 0) {
            *off[n] = !*off[n];
            e->again = true;
        }
}
