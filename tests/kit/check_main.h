/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main() of every unit test program: run one libcheck suite and print TAP.
 */
#ifndef RKY_TESTS_KIT_CHECK_MAIN_H
#define RKY_TESTS_KIT_CHECK_MAIN_H

#include <check.h>

/** @brief Run and report. @return 0: the TAP lines carry the verdict. */
int rky_check_main(Suite *suite);

/** @brief A fresh directory that is removed when the process ends. Borrowed. */
const char *rky_test_directory(void);

#endif
