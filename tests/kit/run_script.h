/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a script of tests/kit for a test program.
 */
#ifndef RKY_TESTS_KIT_RUN_SCRIPT_H
#define RKY_TESTS_KIT_RUN_SCRIPT_H

#include <stddef.h>

/** What a script says when its server cannot be had here. */
#define RKY_SCRIPT_UNAVAILABLE 77

/**
 * @brief Run tests/kit/<script> and wait for it.
 * @param arguments  of the shell, quoted by the caller.
 * @param ret_output its standard output, cut to fit.
 * @return its exit status; 1 when it could not be run.
 */
int rky_run_script(const char *script, const char *arguments, char *ret_output, size_t size);

#endif
