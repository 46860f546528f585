/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job messages for tests: a good one, one from readable text, and what must hold of any message
 * that is decoded, however broken.
 */
#ifndef RKY_TESTS_KIT_JOB_SAMPLE_H
#define RKY_TESTS_KIT_JOB_SAMPLE_H

#include "schemas/job.h"

#define SAMPLE_JOB_ID "01932f6e-7c00-7abc-8def-0123456789ab"
#define SAMPLE_BODY                                                                               \
    "{\"v\":1,\"job_id\":\"" SAMPLE_JOB_ID "\",\"namespace\":\"bronze\",\"pipeline\":\"bronze\"," \
    "\"filter\":{\"client\":\"acme\"},\"full_refresh\":false,\"run_timeout_seconds\":null,"       \
    "\"requested_by\":\"cli\"}"

/** @brief A run request that every worker accepts. Aborts when memory is out. */
void sample_message(struct rky_message *ret_message);

/** @brief Replace a header's value, or add it; NULL removes it. */
void sample_set_header(struct rky_message *message, const char *name, const char *value);

/** @brief Replace the body. */
void sample_set_body(struct rky_message *message, const char *body);

/**
 * @brief A message from text, the form of the files under tests/fuzz/corpus/job: lines
 *        `name: value` (`key: ...` is the record's key), an empty line, then the body's bytes.
 *        Takes any bytes.
 */
void sample_parse(const char *bytes, size_t length, struct rky_message *ret_message);

/**
 * @brief Decode and assert what must hold: an accepted job encodes to a message that decodes to the
 *        same job; a refused one has a known reason and a printable message.
 * @return what rky_job_decode() returned.
 */
int sample_decode(const struct rky_message *message);

/** @brief Whether two jobs ask for the same. */
bool sample_same_job(const struct rky_job *a, const struct rky_job *b);

#endif
