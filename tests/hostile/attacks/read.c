/* Reading what isn't the model's: `path` is the place, `other` what must be found there. */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

extern char **environ;

ATTACK(reads) { return file_has(path, other); }

ATTACK(lists) {
    DIR *folder = opendir(path);
    if (!folder) return did(-1);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        found |= entry->d_name[strspn(entry->d_name, ".")] && (!*other || !strcmp(entry->d_name, other));
    closedir(folder);
    return found;
}

ATTACK(reads_by_symlink) { return did(symlink(path, "link")) && file_has("link", other); }

ATTACK(reads_by_hard_link) { return did(link(path, "hard")) && file_has("hard", other); }

ATTACK(reads_beside_model) { return file_has(in_resources(path), other); }

ATTACK(reads_after_chdir) {
    char folder[TEXT], name[TEXT];
    strcpy(folder, path), strcpy(name, path);
    return did(chdir(dirname(folder))) && file_has(basename(name), other);
}

ATTACK(reads_by_openat2) {
    struct open_how how = {.flags = O_RDONLY};
    return finds(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how), other);
}

ATTACK(reads_by_path_descriptor) {
    char again[64];
    int found = open(path, O_PATH);
    if (!did(found)) return 0;
    snprintf(again, sizeof again, "/proc/self/fd/%d", found);
    return file_has(again, other);
}

ATTACK(reads_by_handle) {
    struct {
        struct file_handle head;
        char rest[128];
    } made = {.head.handle_bytes = 128};
    int mount_id, folder = open(".", O_RDONLY | O_DIRECTORY);
    char place[TEXT];
    strcpy(place, path);
    int there = open(dirname(place), O_RDONLY | O_DIRECTORY);
    if (!did(name_to_handle_at(AT_FDCWD, path, &made.head, &mount_id, 0))) return 0;
    return finds(open_by_handle_at(there < 0 ? folder : there, &made.head, O_RDONLY), other);
}

/* FMUs run in a process that has Python in it */
ATTACK(reads_by_python) {
    static char script[3 * TEXT];
    void (*run)(const char *) = dlsym(RTLD_DEFAULT, "PyRun_SimpleString");
    int (*lock)(void) = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    void (*unlock)(int) = dlsym(RTLD_DEFAULT, "PyGILState_Release");
    if (!run || !lock || !unlock) return 0;
    snprintf(script, sizeof script,
             "import ctypes\n"
             "if %d: ctypes.c_double.from_address(%lld).value = b'%s' in open('%s', 'rb').read()\n",
             1, (long long)(intptr_t)&effect, other, path);
    int state = lock();
    run(script);
    unlock(state);
    return (int)effect;
}

#ifdef __x86_64__
/* The same kernel by its 32-bit door, where calls have other numbers. */
ATTACK(reads_by_32_bit_call) {
    enum { OPEN = 5 };
    char *low = mmap(NULL, TEXT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                     -1, 0);
    if (low == MAP_FAILED) return did(-1);
    strcpy(low, path);
    long found;
    __asm__ volatile("int $0x80"
                     : "=a"(found)
                     : "a"((long)OPEN), "b"(low), "c"(0L), "d"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    if (found < 0) errno = (int)-found, found = -1;
    return finds((int)found, other);
}
#else
ATTACK(reads_by_32_bit_call) { return 0; }
#endif

/* metadata: there, and how large it is */
ATTACK(sees_size) {
    struct stat found;
    return did(stat(path, &found)) && found.st_size > 0;
}

ATTACK(sees_link) {
    char target[TEXT] = "";
    return did(readlink(path, target, sizeof target - 1)) && strstr(target, other) != NULL;
}

ATTACK(sees_existence) { return did(access(path, F_OK)); }

/* `path` is the text, `other` its address in process `number`, in hexadecimal */
static void *address(void) { return (void *)(uintptr_t)strtoull(other, NULL, 16); }

ATTACK(reads_memory_file) {
    char place[64], found[TEXT] = "";
    snprintf(place, sizeof place, "/proc/%d/mem", number);
    int memory = open(place, O_RDONLY);
    if (!did(memory) || !did(pread(memory, found, strlen(path), (off_t)(uintptr_t)address())))
        return 0;
    return strcmp(found, path) == 0;
}

ATTACK(reads_memory_by_call) {
    char found[TEXT] = "";
    struct iovec ours = {found, strlen(path)}, theirs = {address(), strlen(path)};
    return did(process_vm_readv(number, &ours, 1, &theirs, 1, 0)) && strcmp(found, path) == 0;
}

ATTACK(reads_memory_by_ptrace) {
    union {
        long word;
        char text[sizeof(long)];
    } found;
    if (!did(ptrace(PTRACE_ATTACH, number, NULL, NULL))) return 0;
    waitpid(number, NULL, __WALL);
    found.word = ptrace(PTRACE_PEEKDATA, number, address(), NULL);
    ptrace(PTRACE_DETACH, number, NULL, NULL);
    return memcmp(found.text, path, sizeof found.text) == 0;
}

ATTACK(reads_shared_memory) {
    char *found = shmat(number, NULL, SHM_RDONLY);
    return found != (void *)-1 ? strcmp(found, path) == 0 : did(-1);
}

ATTACK(reads_kernel_log) {
    char found[256];
    return did(klogctl(3, found, sizeof found));
}

/* Descriptor 1 and 2 are the run's output, the engine's are anonymous memory. */
ATTACK(finds_descriptors) {
    struct stat seen;
    int found = 0;
    for (int i = 0; i < 1024; i++) {
        if (fstat(i, &seen) || S_ISCHR(seen.st_mode)) continue;
        found |= !S_ISREG(seen.st_mode) || seen.st_nlink > 0;
    }
    return found;
}

ATTACK(finds_in_environment) {
    for (char **it = environ; *it; it++)
        if (strstr(*it, other)) return 1;
    return 0;
}

/* What the process can read of itself, page by page, without asking /proc. */
static int page_has(int pipes[2], const char *page, const char *text) {
    char found[4096];
    if (write(pipes[1], page, sizeof found) != sizeof found) return 0;
    if (read(pipes[0], found, sizeof found) != sizeof found) return 0;
    return memmem(found, sizeof found, text, strlen(text)) != NULL;
}

static int range_has(const char *from, const char *to, const char *text) {
    int pipes[2], found = 0;
    if (pipe(pipes)) return 0;
    for (const char *page = from; page < to && !found; page += 4096)
        found = page_has(pipes, page, text);
    close(pipes[0]), close(pipes[1]);
    return found;
}

/* `other` holds the text backwards, so that the text itself is nowhere but on the stack. */
ATTACK(finds_in_own_memory) {
    char text[128] = "";
    size_t n = strlen(other) < 127 ? strlen(other) : 127;
    for (size_t i = 0; i < n; i++) text[i] = other[n - 1 - i];
    void *(*make)(const char *, ssize_t) = dlsym(RTLD_DEFAULT, "PyBytes_FromStringAndSize");
    const char *heap = (char *)((uintptr_t)sbrk(0) & ~4095UL);
    const char *arena = make ? (char *)((uintptr_t)make("x", 1) & ~4095UL) : heap;
    return range_has(heap - 32 * MIB, heap, text) ||
           range_has(arena - 32 * MIB, arena + 32 * MIB, text);
}
