/* Changing what isn't the model's: `path` is the place. */
#include <dlfcn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

#include "attack.h"

static const char MARK[] = "hostile";

static int marks(int descriptor) {
    if (!did(descriptor)) return 0;
    int done = did(write(descriptor, MARK, sizeof MARK - 1));
    close(descriptor);
    return done;
}

static int appends(const char *file, int more) {
    return marks(open(file, O_WRONLY | O_APPEND | more, 0600));
}

ATTACK(writes) { return appends(path, 0); }

ATTACK(creates) { return appends(path, O_CREAT); }

ATTACK(creates_unnamed) { return marks(open(path, O_TMPFILE | O_RDWR, 0600)); }

ATTACK(writes_beside_model) { return appends(in_resources(path), O_CREAT); }

ATTACK(writes_library) {
    Dl_info self;
    return dladdr(MARK, &self) && appends(self.dli_fname, 0);
}

ATTACK(replaces_library) {
    Dl_info self;
    char aside[TEXT];
    if (!dladdr(MARK, &self)) return 0;
    snprintf(aside, sizeof aside, "%s.aside", self.dli_fname);
    return did(rename(self.dli_fname, aside));
}

ATTACK(truncates) { return did(truncate(path, 0)); }

ATTACK(truncates_by_opening) { return did(open(path, O_RDONLY | O_TRUNC)); }

ATTACK(truncates_beside_model) { return did(truncate(in_resources(path), 0)); }

ATTACK(truncates_beside_model_by_opening) {
    return did(open(in_resources(path), O_RDONLY | O_TRUNC));
}

ATTACK(removes) { return did(unlink(path)); }

ATTACK(renames) { return did(rename(path, other)); }

ATTACK(exchanges) { return did(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE)); }

ATTACK(makes_folder) { return did(mkdir(path, 0700)); }

ATTACK(removes_folder) { return did(rmdir(path)); }

ATTACK(makes_link) { return did(link(path, other)); }

ATTACK(makes_symlink) { return did(symlink(path, other)); }

ATTACK(makes_fifo) { return did(mkfifo(path, 0600)); }

ATTACK(makes_device) { return did(mknod(path, S_IFCHR | 0600, 1 << 8 | 3)); }

ATTACK(changes_mode) { return did(chmod(path, 0777)); }

ATTACK(changes_owner) { return did(chown(path, geteuid(), getegid())); }

ATTACK(changes_times) { return did(utime(path, &(struct utimbuf){1, 1})); }

ATTACK(changes_attributes) { return did(setxattr(path, "user.hostile", MARK, sizeof MARK, 0)); }

ATTACK(locks) {
    struct flock all = {.l_type = F_WRLCK};
    int file = open(path, O_RDWR);
    return did(file) && did(fcntl(file, F_SETLK, &all));
}

ATTACK(renames_own_folder) {
    char here[TEXT], there[TEXT + 16];
    if (!getcwd(here, sizeof here)) return did(-1);
    snprintf(there, sizeof there, "%s-moved", here);
    return did(rename(here, there));
}

/* a file of the kernel: what is in it is written back */
ATTACK(writes_setting) {
    char value[256];
    int file = open(path, O_RDWR);
    ssize_t n = file < 0 ? -1 : read(file, value, sizeof value);
    return did(n) && did(pwrite(file, value, n, 0));
}

ATTACK(writes_memory_file) {
    char place[64];
    snprintf(place, sizeof place, "/proc/%d/mem", number);
    int memory = open(place, O_RDWR);
    off_t where = (off_t)strtoull(other, NULL, 16);
    return did(memory) && did(pwrite(memory, MARK, sizeof MARK, where));
}

ATTACK(writes_memory_by_call) {
    void *where = (void *)(uintptr_t)strtoull(other, NULL, 16);
    struct iovec ours = {(void *)MARK, sizeof MARK}, theirs = {where, sizeof MARK};
    return did(process_vm_writev(number, &ours, 1, &theirs, 1, 0));
}

ATTACK(remounts_model) {
    return heard(mount(NULL, in_resources(".."), NULL, MS_REMOUNT | MS_BIND, NULL));
}

ATTACK(unmounts_model) { return heard(umount2(in_resources(".."), 0)); }

/* The engine's block has a size that nobody may change. */
ATTACK(cuts_result) {
    int done = 0;
    for (int i = 1; i < 64; i++) done |= did(ftruncate(i, 0)) || did(ftruncate(i, 1L << 30));
    return done;
}

/* What is hard to remove afterwards. */
ATTACK(leaves_deep_folders) {
    int depth = 0;
    while (depth < 1500 && mkdir("d", 0700) == 0 && chdir("d") == 0) depth++;
    return did(depth == 1500 ? 0 : -1);
}

ATTACK(leaves_locked_folder) { return did(mkdir("locked", 0)) && did(mkdir("locked2", 0100)); }

ATTACK(leaves_many_files) {
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        if (!did(file)) return 0;
        close(file);
    }
    return 1;
}

/* 160 MiB, more than the run may have of memory */
ATTACK(leaves_large_files) {
    static char block[MIB];
    long written = 0;
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "large%d", i);
        int file = open(name, O_CREAT | O_WRONLY, 0600);
        for (int j = 0; j < 8 && file >= 0; j++) written += write(file, block, MIB) == MIB;
        close(file);
    }
    return did(written == 160 ? 0 : -1);
}

ATTACK(leaves_one_large_file) {
    static char block[MIB];
    int file = open("large", O_CREAT | O_WRONLY, 0600), written = 0;
    for (int i = 0; i < 64 && file >= 0; i++) written += write(file, block, MIB) == MIB;
    return did(written == 64 ? 0 : -1);
}
