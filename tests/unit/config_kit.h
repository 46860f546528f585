/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of rocky.toml share: pieces of a small valid file, and a file's problems as text.
 */
#ifndef RKY_TESTS_UNIT_CONFIG_KIT_H
#define RKY_TESTS_UNIT_CONFIG_KIT_H

#include "common/config.h"

/* Lines 1 to 3. */
#define WAREHOUSE "[adapter]\ntype = \"sqlite\"\npath = \"w\"\n"
#define SOURCE                                                                                    \
    "source = { catalog = \"c\", schema_pattern = { components = [\"client\", \"regions...\"] } " \
    "}\n"
#define TARGET "target = { catalog_template = \"t\", schema_template = \"s\" }\n"
/* Lines 1 to 6; what follows is in [pipeline.p]. */
#define PIPELINE WAREHOUSE "[pipeline.p]\n" SOURCE TARGET

/** One kind of problem: a file, and all that is printed about it. */
struct problem_row {
    const char *name;
    const char *text;
    const char *problems;
};

/** @brief Load the text as /srv/c.toml and print its problems. @return owned by malloc. */
char *problems_of(const char *text);
/** @brief Fail the test unless the row's problems are exactly those. */
void check_problem_row(const struct problem_row *row);
/** @brief Load a text that has no error. @return owned. */
struct rky_config *config_of(const char *text);

#endif
