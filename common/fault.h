/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named fault points: places where a crash test may kill, stop or delay the process.
 *
 * Compiled to nothing without --enable-fault-injection. With it, the environment says what happens:
 *   RKY_FAULT=name=kill[:nth]      SIGKILL ourselves at the nth passage (default 1)
 *   RKY_FAULT=name=stop[:nth]      SIGSTOP ourselves (the test continues us with SIGCONT)
 *   RKY_FAULT=name=wait:FILE       write FILE.reached, then wait until FILE exists
 * Several are separated by commas. Every name stands in the one list of fault.c, which
 * `rocky dev faults` prints, so that a test can iterate them all.
 */
#ifndef RKY_COMMON_FAULT_H
#define RKY_COMMON_FAULT_H

#include <stdbool.h>

#ifdef HAVE_CONFIG_H
#include <config.h> /* the build's, not common/config.h beside this file */
#endif

/** @brief All registered names, NULL-terminated. Borrowed. Empty in builds without faults. */
const char *const *rky_fault_names(void);

#ifdef RKY_FAULT_INJECTION
void rky_fault_point(const char *name);
#else
static inline void rky_fault_point(const char *name)
{
    (void)name;
}
#endif

#endif
