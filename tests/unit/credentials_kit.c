/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/credentials_kit.h"

#include <check.h>
#include <stdarg.h>
#include <string.h>

#include "tests/kit/check_main.h"

static const char *bench_getenv(void *context, const char *name)
{
    struct bench *bench = context;
    for (size_t i = 0; i < bench->variables; i++) {
        if (strcmp(bench->names[i], name) == 0)
            return bench->values[i];
    }
    return NULL;
}

void bench_set(struct bench *bench, const char *name, const char *format, ...)
{
    va_list values;
    size_t at = 0;
    while (at < bench->variables && strcmp(bench->names[at], name) != 0)
        at++;
    ck_assert_uint_lt(at, BENCH_VARIABLES_MAX);
    if (at == bench->variables)
        bench->variables++;
    bench->names[at] = name;
    va_start(values, format);
    (void)vsnprintf(bench->values[at], sizeof(bench->values[at]), format, values);
    va_end(values);
}

void bench_start(struct bench *bench, kit_script *script, void *context)
{
    struct rky_error err = {0};
    int64_t now_us = 0;
    *bench = (struct bench){0};
    ck_assert_int_eq(rky_time_parse("2026-11-21T10:00:00Z", &now_us), 0);
    rky_fake_clock_init(&bench->clock, now_us);
    if (script != NULL) {
        kit_start(&bench->server, script, context);
        bench->serving = true;
    }
    bench->log_file = tmpfile();
    bench->log = rky_log_new(bench->log_file, RKY_LOG_DEBUG, RKY_LOG_TEXT, rky_clock_real());
    struct rky_http_options http_options = {.clock = rky_clock_real()};
    ck_assert_int_eq(rky_http_new(&http_options, &bench->http, &err), 0);
    struct rky_credentials_options options = {.http = bench->http,
                                              .clock = &bench->clock.base,
                                              .log = bench->log,
                                              .getenv = bench_getenv,
                                              .getenv_context = bench};
    ck_assert_int_eq(rky_credentials_new(&options, &bench->credentials, &err), 0);
    bench_set(bench, "AWS_EC2_METADATA_DISABLED", "true");
}

void bench_stop(struct bench *bench)
{
    rky_credentials_free(bench->credentials);
    rky_http_free(bench->http);
    rky_log_free(bench->log);
    (void)fclose(bench->log_file);
    if (bench->serving)
        kit_stop(&bench->server);
}

struct got bench_get_within(struct bench *bench, int64_t timeout_ms)
{
    struct got got = {0};
    struct rky_transfer transfer = {.clock = rky_clock_real(),
                                    .deadline = rky_deadline_in(rky_clock_real(), timeout_ms)};
    got.rc = rky_credentials_get(bench->credentials, &transfer, &got.keys, &got.attempt, &got.err);
    return got;
}

struct got bench_get(struct bench *bench)
{
    return bench_get_within(bench, 20000);
}

void check_keys(struct got *got, const char *provider, const char *access_key,
                const char *secret_key, const char *session_token)
{
    ck_assert_msg(got->rc == 0, "%s", got->err.message);
    ck_assert_str_eq(got->keys.provider, provider);
    ck_assert_str_eq(got->keys.access_key, access_key);
    ck_assert_str_eq(got->keys.secret_key, secret_key);
    if (session_token == NULL)
        ck_assert_ptr_null(got->keys.session_token);
    else
        ck_assert_str_eq(got->keys.session_token, session_token);
    rky_aws_keys_done(&got->keys);
}

void check_failure(const struct got *got, int rc, const char *error_class, const char *part)
{
    ck_assert_msg(got->rc == rc, "expected %d, got %d: %s", rc, got->rc, got->err.message);
    ck_assert_int_eq(got->err.code, rc);
    ck_assert_str_eq(got->attempt.error_class, error_class);
    bool transient = strcmp(error_class, "credentials_unavailable") == 0;
    ck_assert_int_eq(got->attempt.retry, transient ? RKY_RETRY_YES : RKY_RETRY_NO);
    ck_assert_int_eq(got->err.transient, transient);
    ck_assert_msg(strstr(got->err.message, part) != NULL, "expected '%s' in '%s'", part,
                  got->err.message);
    ck_assert_ptr_null(got->keys.access_key);
    ck_assert_ptr_null(strstr(got->err.message, SECRET));
    ck_assert_ptr_null(strstr(got->err.message, SESSION));
    ck_assert_ptr_null(strstr(got->err.message, WEB_TOKEN));
}

/* What the log makes of a line with the secret in it, and what it holds already. */
void check_log_hides(struct bench *bench, const char *secret)
{
    char text[65536];
    rky_log_write(bench->log, RKY_LOG_INFO, NULL, "a careless line with %s in it", secret);
    rewind(bench->log_file);
    size_t length = fread(text, 1, sizeof(text) - 1, bench->log_file);
    text[length] = '\0';
    ck_assert_ptr_nonnull(strstr(text, "a careless line with *** in it"));
    ck_assert_ptr_null(strstr(text, secret));
}

char bench_paths[BENCH_FILES_MAX][BENCH_TEXT_MAX];

const char *bench_file(int slot, const char *name, const char *text)
{
    (void)snprintf(bench_paths[slot], sizeof(bench_paths[slot]), "%s/%s", rky_test_directory(),
                   name);
    FILE *file = fopen(bench_paths[slot], "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return bench_paths[slot];
}
