/* Values of FMI's types, set and got in groups. */
#include "core.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *two, *three;
    size_t size;
} TYPES[] = {
    [TYPE_FLOAT64] = {"Real", "Float64", 8},  [TYPE_FLOAT32] = {0, "Float32", 4},
    [TYPE_INT8] = {0, "Int8", 1},             [TYPE_UINT8] = {0, "UInt8", 1},
    [TYPE_INT16] = {0, "Int16", 2},           [TYPE_UINT16] = {0, "UInt16", 2},
    [TYPE_INT32] = {"Integer", "Int32", 4},   [TYPE_UINT32] = {0, "UInt32", 4},
    [TYPE_INT64] = {0, "Int64", 8},           [TYPE_UINT64] = {0, "UInt64", 8},
    [TYPE_BOOLEAN] = {"Boolean", "Boolean", 1}, [TYPE_STRING] = {"String", "String", 8},
};

typedef int Access2(void *, const uint32_t *, size_t, void *);
typedef int Access3(void *, const uint32_t *, size_t, void *, size_t);

enum { GET, SET };
_Static_assert(sizeof TYPES / sizeof *TYPES == N_TYPES, "types");
static char names[N_TYPES][2][24];

static size_t size_of(const Core *core, uint32_t type) {
    if (type == TYPE_BOOLEAN) return core->fmu.three ? sizeof(bool) : sizeof(int);
    return TYPES[type].size;
}

/* Find the functions of a type, once. */
static void open_type(Core *core, uint32_t type) {
    static const char *const VERBS[] = {"Get", "Set"};
    void **functions = core->fmu.access[type];
    for (int i = GET; i <= SET && !functions[SET]; i++) {
        char *name = names[type][i];
        snprintf(name, sizeof names[0][0], "fmi%d%s%s", core->fmu.three ? 3 : 2, VERBS[i],
                 core->fmu.three ? TYPES[type].three : TYPES[type].two);
        functions[i] = dlsym(core->fmu.library, name);
        if (!functions[i])
            fail_text(core, STATUS_LOAD_FAILED, name, "the library lacks this function");
    }
}

/* Find the functions of the group's type and make room for its values. */
void open_values(Core *core, Values *values) {
    open_type(core, values->type);
    values->buffer = allocate(core, values->n_values, size_of(core, values->type));
}

static int access(Core *core, const Values *values, int verb) {
    void *function = core->fmu.access[values->type][verb], *instance = core->fmu.instance;
    if (core->fmu.three)
        return ((Access3 *)function)(instance, values->references, values->n_references,
                                     values->buffer, values->n_values);
    return ((Access2 *)function)(instance, values->references, values->n_references,
                                 values->buffer);
}

void get_values(Core *core, Values *values) {
    check(core, names[values->type][GET], access(core, values, GET));
}

int try_set_values(Core *core, const Values *values) { return access(core, values, SET); }

const char *setter_name(Core *core, const Values *values) {
    (void)core;
    return names[values->type][SET];
}

void set_values(Core *core, Values *values) {
    check(core, setter_name(core, values), try_set_values(core, values));
}

/* The types of numbers: an expression of `T *p` for each. */
#define FOR_TYPE(core, values, expression)                                                  \
    switch ((values)->type) {                                                               \
        case TYPE_FLOAT64: { double *p = (values)->buffer; expression; break; }             \
        case TYPE_FLOAT32: { float *p = (values)->buffer; expression; break; }              \
        case TYPE_INT8: { int8_t *p = (values)->buffer; expression; break; }                \
        case TYPE_UINT8: { uint8_t *p = (values)->buffer; expression; break; }              \
        case TYPE_INT16: { int16_t *p = (values)->buffer; expression; break; }              \
        case TYPE_UINT16: { uint16_t *p = (values)->buffer; expression; break; }            \
        case TYPE_INT32: { int32_t *p = (values)->buffer; expression; break; }              \
        case TYPE_UINT32: { uint32_t *p = (values)->buffer; expression; break; }            \
        case TYPE_INT64: { int64_t *p = (values)->buffer; expression; break; }              \
        case TYPE_UINT64: { uint64_t *p = (values)->buffer; expression; break; }            \
        case TYPE_BOOLEAN:                                                                  \
            if ((core)->fmu.three) { bool *p = (values)->buffer; expression; break; }       \
            else { int *p = (values)->buffer; expression; break; }                          \
    }

/* The largest integers of 64 bits are rounded to doubles just beyond them. */
void store(const Core *core, Values *values, size_t element, double value) {
    if (values->type == TYPE_INT64 && value >= 0x1p63)
        ((int64_t *)values->buffer)[element] = INT64_MAX;
    else if (values->type == TYPE_UINT64 && value >= 0x1p64)
        ((uint64_t *)values->buffer)[element] = UINT64_MAX;
    else
        FOR_TYPE(core, values, p[element] = value)
}

void read_values(const Core *core, const Values *values, const uint32_t *elements,
                 const uint32_t *columns, size_t n, double *row) {
    FOR_TYPE(core, values, for (size_t i = 0; i < n; i++) row[columns[i]] = (double)p[elements[i]])
}

/* Values are set from where they stand in the order. Of texts only their places stand there; FMI
 * wants pointers. */
static void set_one(Core *core, const Setting *setting) {
    void *given = (void *)(core->values + setting->offset);
    Values values = {.type = setting->type, .references = &setting->reference,
                     .n_references = 1, .n_values = setting->count, .buffer = given};
    open_type(core, setting->type);
    if (setting->type != TYPE_STRING) {
        set_values(core, &values);
        return;
    }
    open_values(core, &values);
    for (size_t i = 0; i < values.n_values; i++)
        ((const char **)values.buffer)[i] = at(core, ((const uint64_t *)given)[i]);
    set_values(core, &values);
    free(values.buffer);
}

/* Set the run's start values: the structural ones in configuration mode, or the others. */
void apply_settings(Core *core, bool structural) {
    const Setting *settings = at(core, core->order->settings);
    Fmu *fmu = &core->fmu;
    bool configuring = false;
    for (uint64_t i = 0; i < core->order->n_settings; i++) {
        if ((settings[i].structural && fmu->three) != structural) continue;
        if (structural && !configuring)
            check(core, "fmi3EnterConfigurationMode", fmu->enter_configuration(fmu->instance));
        configuring = structural;
        set_one(core, &settings[i]);
    }
    if (configuring)
        check(core, "fmi3ExitConfigurationMode", fmu->exit_configuration(fmu->instance));
}
