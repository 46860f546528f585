/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain of credential providers with its own environment, clock, log and scripted endpoint. Every
 * failure that is checked here is also checked to hold none of the test's secrets.
 */
#ifndef RKY_TESTS_UNIT_CREDENTIALS_KIT_H
#define RKY_TESTS_UNIT_CREDENTIALS_KIT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/credentials.h"
#include "tests/unit/http_kit.h"

#define SECRET "s3cr3t/of+the=source"
#define SESSION "t0ken/of+the=source"
#define WEB_TOKEN "web.identity.token-1"

enum { BENCH_VARIABLES_MAX = 16, BENCH_FILES_MAX = 4, BENCH_TEXT_MAX = 4300 };

/* A chain with its own environment, clock, log and endpoint. */
struct bench {
    struct kit_server server;
    bool serving;
    struct rky_fake_clock clock;
    struct rky_http *http;
    FILE *log_file;
    struct rky_log *log;
    struct rky_credentials *credentials;
    const char *names[BENCH_VARIABLES_MAX];
    char values[BENCH_VARIABLES_MAX][BENCH_TEXT_MAX];
    size_t variables;
};

/** At 2026-11-21T10:00:00Z, without instance metadata. @param script NULL = no endpoint. */
void bench_start(struct bench *bench, kit_script *script, void *context);
void bench_stop(struct bench *bench);
/** Set a variable of the chain's environment. */
void bench_set(struct bench *bench, const char *name, const char *format, ...) RKY_PRINTF(3, 4);

/** What rky_credentials_get() gave. */
struct got {
    int rc;
    struct rky_aws_keys keys;
    struct rky_attempt attempt;
    struct rky_error err;
};
struct got bench_get(struct bench *bench);
struct got bench_get_within(struct bench *bench, int64_t timeout_ms);

/** Check and release. */
void check_keys(struct got *got, const char *provider, const char *access_key,
                const char *secret_key, const char *session_token);
/** @param part of the message. */
void check_failure(const struct got *got, int rc, const char *error_class, const char *part);
/** The secret stands nowhere in the log, also not where somebody prints it. */
void check_log_hides(struct bench *bench, const char *secret);

/** Write a file in the test's directory. @return its path, also in bench_paths[slot]. */
const char *bench_file(int slot, const char *name, const char *text);
extern char bench_paths[BENCH_FILES_MAX][BENCH_TEXT_MAX];

#endif
