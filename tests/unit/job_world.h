/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job needs to run for real: a configuration with one pipeline from SQLite to SQLite, a
 * source for it, and jobs of their own. What is done with them is the tests'. One thread.
 */
#ifndef RKY_TESTS_UNIT_JOB_WORLD_H
#define RKY_TESTS_UNIT_JOB_WORLD_H

#include <sqlite3.h>
#include <stdint.h>

#include "common/config.h"
#include "schemas/job.h"

/** Files below the directory: the source's schema, and the target's once a job has made it. */
#define KIT_JOB_SOURCE "source/c/src__acme.db"
#define KIT_JOB_TARGET "target/acme/staging.db"

/** @brief The pipeline `bronze` of a client `acme`, and the source's directory. @param more what
 *         follows in the file. */
struct rky_config *kit_job_config(const char *directory, const char *more);
/** @brief A new job of that pipeline. Caller releases. */
struct rky_job kit_job_new(enum rky_job_type type);

/** @brief A connection to a file below @p directory; waits for others. */
sqlite3 *kit_job_open(const char *directory, const char *name);
void kit_job_exec(sqlite3 *database, const char *text);
/** @brief The number that a query gives. */
int64_t kit_job_number(sqlite3 *database, const char *text);

#endif
