/* Asking the kernel for powers. What would change the machine is asked wrongly, so that only who
 * may do it is told of the mistake, or asked for what is the case already. */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/timex.h>
#include <unistd.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif

#include "attack.h"

static const char NOWHERE[] = "/nowhere/at/all";

/* namespaces and mounts */
ATTACK(enters_user_namespace) { return did(unshare(CLONE_NEWUSER)); }

ATTACK(enters_network_namespace) { return did(unshare(CLONE_NEWNET)); }

ATTACK(mounts_in_user_namespace) {
    return did(unshare(CLONE_NEWUSER | CLONE_NEWNS)) && did(mount("tmpfs", ".", "tmpfs", 0, ""));
}

ATTACK(joins_namespace) {
    int found = open(path, O_RDONLY);
    return did(found) && did(setns(found, 0));
}

ATTACK(joins_namespace_by_pidfd) {
    int process = syscall(SYS_pidfd_open, number, 0);
    return did(process) && did(setns(process, CLONE_NEWNET));
}

ATTACK(mounts) {
    int done = did(mount("tmpfs", ".", "tmpfs", 0, "size=4k"));
    if (done) umount2(".", MNT_DETACH);
    return done;
}

ATTACK(mounts_by_fsopen) { return did(syscall(SYS_fsopen, "tmpfs", 0)); }

ATTACK(opens_tree) { return did(syscall(SYS_open_tree, AT_FDCWD, path, 0)); }

ATTACK(moves_mount) { return heard(syscall(SYS_move_mount, -1, "", -1, "", 0)); }

ATTACK(changes_root) { return did(chroot(".")); }

ATTACK(pivots_root) { return heard(syscall(SYS_pivot_root, NOWHERE, NOWHERE)); }

/* users and capabilities */
ATTACK(becomes_root) { return did(setuid(0)) && geteuid() == 0; }

ATTACK(becomes_root_by_setresuid) { return did(setresuid(0, 0, 0)) && geteuid() == 0; }

ATTACK(becomes_somebody) { return did(setresuid(12345, 12345, 12345)); }

ATTACK(becomes_root_for_files) {
    setfsuid(0);
    return setfsuid(-1) == 0;
}

ATTACK(joins_groups) { return did(setgroups(1, (gid_t[]){0})); }

static int has_capabilities(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    syscall(SYS_capget, &head, data);
    return data[0].effective || data[1].effective;
}

ATTACK(has_capabilities) {
    /* as those who may not ask have to find out: only with one can a root be changed */
    return has_capabilities() || did(chroot("."));
}

ATTACK(raises_capabilities) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0U, ~0U, ~0U}, {511, 511, 511}};
    if (did(syscall(SYS_capset, &head, data))) return has_capabilities();
    data[0] = data[1] = (struct __user_cap_data_struct){0};
    syscall(SYS_capget, &head, data);
    data[0].inheritable = data[0].permitted;
    return did(syscall(SYS_capset, &head, data)) && data[0].inheritable;
}

ATTACK(becomes_dumpable) { return did(prctl(PR_SET_DUMPABLE, 1)); }

ATTACK(dumps_own_environment) {
    return did(prctl(PR_SET_DUMPABLE, 1)) && file_has("/proc/self/environ", "=");
}

ATTACK(outlives_parent) { return did(prctl(PR_SET_PDEATHSIG, 0)); }

/* limits and scheduling, its own and others' */
ATTACK(runs_in_real_time) {
    struct sched_param low = {.sched_priority = 1}, none = {0};
    int done = did(sched_setscheduler(0, SCHED_FIFO, &low));
    if (done) sched_setscheduler(0, SCHED_OTHER, &none);
    return done;
}

ATTACK(goes_first) { return did(setpriority(PRIO_PROCESS, 0, -5)); }

ATTACK(slows_process) {
    int now_is = getpriority(PRIO_PROCESS, number);
    return did(setpriority(PRIO_PROCESS, number, now_is));
}

ATTACK(moves_process) {
    cpu_set_t cores;
    if (!did(sched_getaffinity(number, sizeof cores, &cores))) return 0;
    return did(sched_setaffinity(number, sizeof cores, &cores));
}

ATTACK(sets_disk_priority) {
    return did(syscall(SYS_ioprio_set, 1, number, syscall(SYS_ioprio_get, 1, number)));
}

ATTACK(raises_limit) { return did(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1L << 40, 1L << 40})); }

ATTACK(limits_process) {
    struct rlimit same;
    if (!did(prlimit(number, RLIMIT_NOFILE, NULL, &same))) return 0;
    return did(prlimit(number, RLIMIT_NOFILE, &same, NULL));
}

ATTACK(locks_memory) {
    static char page[8192];
    return did(mlock(page, 4096));
}

/* interfaces with a history */
ATTACK(handles_page_faults) { return did(syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY)); }

ATTACK(loads_bpf) {
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
                          .max_entries = 1};
    return did(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
}

ATTACK(counts_events) {
    struct perf_event_attr what = {.type = PERF_TYPE_SOFTWARE, .size = sizeof what,
                                   .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1};
    return did(syscall(SYS_perf_event_open, &what, 0, -1, -1, 0));
}

ATTACK(keeps_key) {
    return did(syscall(SYS_add_key, "user", "hostile", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

ATTACK(reads_keyring) {
    return did(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

ATTACK(changes_personality) { return did(personality(ADDR_NO_RANDOMIZE)); }

ATTACK(adds_filter) {
    unsigned action = SECCOMP_RET_KILL_PROCESS;
    return did(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}

ATTACK(opens_secret_memory) { return did(syscall(447, 0)); }

ATTACK(watches_files) { return did(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)); }

ATTACK(names_file) {
    char made[136] = {128};
    int mount_id;
    return did(syscall(SYS_name_to_handle_at, AT_FDCWD, path, made, &mount_id, 0));
}

#ifdef __x86_64__
ATTACK(changes_segments) {
    char table[64];
    return did(syscall(SYS_modify_ldt, 0, table, sizeof table));
}

ATTACK(opens_ports) { return did(iopl(3)); }

ATTACK(opens_one_port) { return did(ioperm(0x80, 1, 1)); }
#else
ATTACK(changes_segments) { return 0; }
ATTACK(opens_ports) { return 0; }
ATTACK(opens_one_port) { return 0; }
#endif

/* the machine */
ATTACK(reboots) { return heard(syscall(SYS_reboot, 0, 0, 0, NULL)); }

ATTACK(loads_module) { return heard(syscall(SYS_init_module, "", 0UL, "")); }

ATTACK(loads_kernel) { return heard(syscall(SYS_kexec_load, 0, 17UL, NULL, 0)); }

ATTACK(accounts) { return heard(acct(NOWHERE)); }

ATTACK(swaps) { return heard(swapon(NOWHERE, 0)); }

ATTACK(changes_quotas) { return heard(quotactl(QCMD(Q_GETFMT, USRQUOTA), NOWHERE, 0, NULL)); }

ATTACK(names_host) {
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return did(sethostname(name, strlen(name)));
}

ATTACK(sets_clock) {
    struct timex clock = {0};
    adjtimex(&clock);
    clock.modes = ADJ_TICK;
    return did(adjtimex(&clock));
}
