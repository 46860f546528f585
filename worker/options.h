/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of rocky-worker as tables; the manual page and the completions read them too.
 */
#ifndef RKY_WORKER_OPTIONS_H
#define RKY_WORKER_OPTIONS_H

#include "common/option.h"

extern const struct rky_program rky_worker_program;

#endif
