/* What a process of a run gives up before it loads a model, by tier.
 *
 * STRONG: namespaces, a root that holds only system libraries and this model, both read-only, and a
 * small folder in memory; no capabilities, where root can give it a user of its own; Landlock;
 * seccomp. STANDARD, where the kernel or a container forbids namespaces: the same without them, as
 * the gateway's own user, since another couldn't reach the model, and without a folder to write to,
 * since nothing would bound that. DEVELOPMENT: nothing but limits, for operators who said so; it is
 * no sandbox.
 *
 * The zygote prepares what all its children share, each child confines itself. */
#ifndef JAIL_H
#define JAIL_H

#include <stdbool.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

/* Before jail_prepare: the jail is to hold a compiler, and sources in place of a model. `tools`, NULL
 * at the end, are the compiler's files and folders beside the system's libraries, and all that can be
 * executed. It may start processes, has more room to work in, and the zygote's filter is left out. */
void jail_for_building(const char *compiler, const char *const *tools);

/* Prepare the best jail that the kernel offers, or the one `wanted` (a Tier, -1: the best), in
 * `home`, a folder of the zygote's own. NULL, or why there is none. */
const char *jail_prepare(int wanted, const char *home);

/* The tier that was prepared. */
int jail_tier(void);

/* A descriptor that a child keeps open until it is confined: it tells whether the zygote lives. */
int jail_life(void);

/* Fork a child that is to enter the jail; like fork(2). */
pid_t jail_fork(void);

/* In the child, while /proc and the model can still be reached: see only what a run needs. Changes
 * to the folder to work in; false where that failed. */
bool jail_enter(const char *model, const char *folder);

/* Give up everything else, for good, and end with the zygote. False where that failed, or where the
 * zygote has ended already. */
bool jail_confine(const char *model);

/* Let a child attack the jail from `home`. NULL where it holds, or what it let through. */
const char *jail_attack(const char *home);

#pragma GCC visibility pop

#endif
