/* Each output is its input; the continuous one has the parameters added. */
#include <string.h>

#include "model.h"

void equations(Variables *m)
{
    m->Float64_continuous_output =
        m->Float64_continuous_input + m->Float64_fixed_parameter + m->Float64_tunable_parameter;
    m->Float64_discrete_output = m->Float64_discrete_input;
    m->Int32_output = m->Int32_input;
    m->Boolean_output = m->Boolean_input;
    m->Enumeration_output = m->Enumeration_input;
    memcpy(m->String_output, m->String_input, TEXT_SIZE);
}

void event(Variables *m, Event *e)
{
    (void)m, (void)e; /* discrete outputs follow at once, and their inputs change at events only */
}
