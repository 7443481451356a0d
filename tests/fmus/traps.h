/* FMUs that do one thing wrong: what, and where, is their name, such as DoStep_crashes.
 *
 * Places are called as FMI 3.0 calls its functions, in FMI 2.0 too. Otherwise the model is
 * x' = 1, y = x, with an event indicator x - 0.55, a time event at 0.5 s and an input u.
 * Value references: 0 y, 1 x, 2 x', 3 u. */
#ifndef TRAPS_H
#define TRAPS_H
#include "fmu.h"
#include <stdbool.h>

enum { PENDING = 5, Y = 0, X, DX, U, VARIABLES };

/* the instance has this name and was given this token: whether it agrees to live */
bool agrees(const char *name, const char *token);
bool is(const char *name);
/* what a call comes to: goes wrong from half a second on, or `at_once` */
int trap(const char *where);
int trap_at_once(const char *where);
/* `value`, or what the place spoils it to */
double spoilt(const char *where, double value);
/* read and write variables: a status */
int get(const vr_t *vr, size_t n, double *value);
int set(const vr_t *vr, size_t n, const double *value);
/* at an event: whether it never settles, ends the run, when the next time event is */
bool again(void);
bool ends(const char *where);
bool next_event(double *when);
/* a message to the importer; each version has its own way */
void say(const char *category, const char *message);
#endif
