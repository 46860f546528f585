/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of rocky-producer as tables; the manual page and the completions read them too.
 */
#ifndef RKY_PRODUCER_OPTIONS_H
#define RKY_PRODUCER_OPTIONS_H

#include "common/option.h"

extern const struct rky_program rky_producer_program;

#endif
