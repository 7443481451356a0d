/* What our test FMUs share: FMI 2.0's functions with harmless defaults, which a test overrides.
 * One instance per process; variables live in `v` by value reference. */
#ifndef FMU_H
#define FMU_H
#include <stddef.h>

typedef unsigned int vr_t;
typedef void (*logger_t)(void *, const char *, int, const char *, const char *, ...);
typedef struct {
    logger_t logger;
    void *(*allocate)(size_t, size_t);
    void (*release)(void *);
    void (*finished)(void *, int);
    void *environment;
} callbacks_t;
typedef struct {
    int again, terminate, nominals_changed, values_changed, next_defined;
    double next;
} event_info_t;

enum { OK = 0, WARNING = 1, DISCARD = 2, ERROR = 3, FATAL = 4 };

extern double v[16];
extern double now;
extern const callbacks_t *callbacks;
extern const char *resources;

/* called at the end of fmi2Instantiate */
void started(void);
#endif
