/* Two bars in a plane, in minimal coordinates: the angle of the upper one, phi1, and that of the
   lower one against it, phi2. Lagrange's equations are

       m11 phi1'' + m12 phi2'' = tau1 + c w2 (2 w1 + w2)
       m12 phi1'' + m22 phi2'' = tau2 - c w1^2

   with c = m2 l1 r2 sin(phi2), r the distance of a bar's centre of mass from its joint. */
#include <math.h>

#include "model.h"

/* A homogeneous box that turns about one end. */
typedef struct {
    double mass;
    double length;
    double arm;     /* from the joint to the centre of mass */
    double inertia; /* about the centre of mass */
} Bar;

static Bar bar(double length, double width, double height, double density)
{
    double mass = density * length * width * height;
    return (Bar){.mass = mass,
                 .length = length,
                 .arm = length / 2,
                 .inertia = mass * (length * length + width * width) / 12};
}

static void accelerate(Variables *m, Bar upper, Bar lower)
{
    double w1 = m->revolute1_w, w2 = m->revolute2_w;
    double own = lower.inertia + lower.mass * lower.arm * lower.arm;
    double reach = lower.mass * upper.length * lower.arm;
    double coupling = reach * cos(m->revolute2_phi);
    double centrifugal = reach * sin(m->revolute2_phi);

    double m22 = own;
    double m12 = own + coupling;
    double m11 = own + 2 * coupling + upper.inertia + upper.mass * upper.arm * upper.arm
                 + lower.mass * upper.length * upper.length;

    double weight2 = -m->world_g * lower.mass * lower.arm * cos(m->revolute1_phi + m->revolute2_phi);
    double weight1 = -m->world_g * (upper.mass * upper.arm + lower.mass * upper.length)
                     * cos(m->revolute1_phi);
    double f1 = weight1 + weight2 - m->damper_tau + centrifugal * w2 * (2 * w1 + w2);
    double f2 = weight2 - centrifugal * w1 * w1;

    double determinant = m11 * m22 - m12 * m12;
    m->der_revolute1_w = (m22 * f1 - m12 * f2) / determinant;
    m->der_revolute2_w = (m11 * f2 - m12 * f1) / determinant;
}

void equations(Variables *m)
{
    Bar upper = bar(m->boxBody1_length, m->boxBody1_width, m->boxBody1_height, m->boxBody1_density);
    Bar lower = bar(m->boxBody2_length, m->boxBody2_width, m->boxBody2_height, m->boxBody2_density);
    m->boxBody1_m = upper.mass;
    m->boxBody2_m = lower.mass;
    m->damper_tau = m->damper_d * m->revolute1_w;
    m->der_revolute1_phi = m->revolute1_w;
    m->der_revolute2_phi = m->revolute2_w;
    accelerate(m, upper, lower);
}
