/* What a model is to the wrapper: variables (made from model.toml) and one to three functions. */
#ifndef GATEWAY_MODEL_H
#define GATEWAY_MODEL_H

#include "declared.h"
#include "description.h"

/* Compute derivatives, outputs and event indicators from time, states, inputs and parameters.
   Discrete variables are constant here, so that what a solver sees is smooth. */
void equations(Variables *m);

#if HAS_INITIAL
/* Compute the states that have no start value from the parameters and the other states: in steady
   state, say. Called before `equations` until the initialization is over. */
void initial(Variables *m);
#endif

#if HAS_EVENTS
/* Bring discrete variables in line with time, states and inputs; called once at the start, at each
   sign change of an event indicator, at each `next_time` and after inputs changed. Does nothing
   where nothing is to be done. */
void event(Variables *m, Event *e);
#endif

#endif
