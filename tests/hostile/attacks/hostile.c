/* The FMU around the attacks: parameters `attack`, `path`, `other`, `number`; outputs `effect`
 * and `code`. */
#include "attack.h"

#include <dlfcn.h>

enum { ATTACK_NAME, PATH, OTHER, NUMBER, EFFECT, CODE };

char path[TEXT], other[TEXT];
int number;
double effect, code;
double *given;

extern const attack_t *const __start_attacks[], *const __stop_attacks[];
static const attack_t *chosen;

int did(long result) {
    code = result < 0 ? errno : 0;
    return result >= 0;
}

int heard(long result) {
    code = result < 0 ? errno : 0;
    return result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS);
}

int finds(int descriptor, const char *text) {
    if (!did(descriptor)) return 0;
    char *content = calloc(1, MIB + 1);
    size_t used = 0;
    for (ssize_t n = 1; n > 0 && used < MIB; used += n > 0 ? n : 0) {
        n = read(descriptor, content + used, MIB - used);
        if (n < 0) code = errno;
    }
    int found = used > 0 && memmem(content, used, text, strlen(text)) != NULL;
    free(content);
    close(descriptor);
    return found;
}

int file_has(const char *file, const char *text) {
    return finds(open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC), text);
}

static char folder[TEXT];

/* the location is ours during the call only */
void started(void) {
    snprintf(folder, sizeof folder, "%s", resources + (strncmp(resources, "file://", 7) ? 0 : 7));
}

const char *in_resources(const char *relative) {
    static char made[2 * TEXT];
    snprintf(made, sizeof made, "%s/%s", folder, relative);
    return made;
}

static const attack_t *find(const char *name) {
    for (const attack_t *const *it = __start_attacks; it < __stop_attacks; it++)
        if (strcmp((*it)->name, name) == 0) return *it;
    return NULL;
}

static int act(phase_t phase) {
    if (!chosen) return ERROR;
    if (chosen->phase == phase) effect = chosen->call();
    return OK;
}

ATTACK(nothing) { return (int)effect; }

/* An archive with the file resources/at_load attacks as soon as its library is loaded: lines of
 * attack, path and other. */
__attribute__((constructor)) static void loaded(void) {
    Dl_info self;
    char file[TEXT], line[3][TEXT] = {"", "", ""};
    if (!dladdr(find, &self) || strlen(self.dli_fname) > TEXT - 64) return;
    strcpy(file, self.dli_fname);
    strcpy(strrchr(file, '/'), "/../../resources/at_load");
    FILE *order = fopen(file, "re");
    if (!order) return;
    for (int i = 0; i < 3 && fgets(line[i], TEXT, order); i++) line[i][strcspn(line[i], "\n")] = 0;
    fclose(order);
    strcpy(path, line[1]);
    strcpy(other, line[2]);
    if ((chosen = find(line[0]))) effect = chosen->call();
}

int fmi2SetString(void *c, const vr_t *vr, size_t n, const char *const *value) {
    for (size_t i = 0; i < n; i++) {
        if (vr[i] == ATTACK_NAME) chosen = find(value[i]);
        if (vr[i] == PATH) snprintf(path, sizeof path, "%s", value[i]);
        if (vr[i] == OTHER) snprintf(other, sizeof other, "%s", value[i]);
    }
    return OK;
}

int fmi2ExitInitializationMode(void *c) {
    number = (int)v[NUMBER];
    return act(INITIAL);
}

int fmi2DoStep(void *c, double time, double step, int no_set) {
    now = time + step;
    return act(STEP);
}

int fmi2Terminate(void *c) { return act(LAST); }

int fmi2GetReal(void *c, const vr_t *vr, size_t n, double *value) {
    if (!given) given = value;
    for (size_t i = 0; i < n; i++) value[i] = vr[i] == EFFECT ? effect : code;
    return OK;
}
