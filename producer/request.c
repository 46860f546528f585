/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From options and lines to jobs. A file is read whole and every line checked before any is sent:
 * half a batch enqueued would be hard to repeat. The jobs read on the way are kept up to a bound;
 * the lines behind it are read a second time when their turn comes.
 */
#include "config.h"

#include "producer/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/ids.h"
#include "common/mem.h"

#define EXPIRES_DEFAULT_SECONDS 3600
#define FILE_LIMIT ((size_t)1 << 30)
/* Some 70 MB of them. */
#define KEPT_MAX 100000

/* --- one job from the command line
 * ----------------------------------------------------------------- */

static int take_namespace(const struct rky_frame *frame, const struct rky_pipeline_config *pipeline,
                          struct rky_job *job, struct rky_error *err)
{
    const char *given = rky_parsed_value(&frame->parsed, "namespace");
    const char *name = given != NULL ? given : pipeline->namespace_;
    int rc = 0;
    if (name == NULL) {
        rc = rky_fail(err, RKY_ERR_USAGE,
                      "pipeline '%s' has one namespace for each '%s': a job needs to say which",
                      pipeline->name, pipeline->namespace_from);
        rky_error_hint(err, "add --namespace NAME");
    } else if (!rky_namespace_valid(name)) {
        rc = rky_fail(err, RKY_ERR_USAGE,
                      "namespace '%s' is no valid name: expected 1 to 63 of a-z, 0-9, '_' and '-', "
                      "starting with a letter or digit",
                      name);
    } else if (pipeline->namespace_ != NULL && strcmp(pipeline->namespace_, name) != 0) {
        rc = rky_fail(err, RKY_ERR_USAGE,
                      "pipeline '%s' belongs to namespace '%s', found --namespace '%s'",
                      pipeline->name, pipeline->namespace_, name);
        rky_error_hint(err, "leave --namespace out, or set namespace_from for this pipeline");
    } else {
        job->namespace_ = rky_strdup(name);
        rc = job->namespace_ != NULL ? 0 : rky_fail_nomem(err);
    }
    return rc;
}

/* A time, or so long from now. */
static int take_time(const struct rky_frame *frame, const char *option, int64_t *ret_us,
                     struct rky_error *err)
{
    const char *text = rky_parsed_value(&frame->parsed, option);
    int64_t seconds = 0;
    if (text == NULL)
        return 0;
    if (rky_duration_parse(text, &seconds, NULL) == 0) {
        *ret_us = frame->clock->wall_us(frame->clock) + seconds * 1000000;
        return 0;
    }
    if (rky_time_parse(text, ret_us) == 0)
        return 0;
    return rky_fail(err, RKY_ERR_USAGE,
                    "--%s is '%s': expected a time such as 2026-11-21T22:00:00Z or a duration such "
                    "as 10m",
                    option, text);
}

static int take_duration(const struct rky_frame *frame, const char *option, int64_t *ret_seconds,
                         struct rky_error *err)
{
    const char *text = rky_parsed_value(&frame->parsed, option);
    if (text == NULL)
        return 0;
    int rc = rky_duration_parse(text, ret_seconds, err);
    if (rc == 0 && *ret_seconds < 1)
        rc = rky_fail(err, RKY_ERR_USAGE, "'%s': expected at least one second", text);
    rky_error_wrap(err, "--%s", option);
    return rc;
}

static int take_filter(const struct rky_frame *frame, struct rky_job *job, struct rky_error *err)
{
    const char *term = NULL;
    for (size_t i = 0; (term = rky_parsed_nth(&frame->parsed, "filter", i)) != NULL; i++) {
        int rc = rky_filter_add(&job->filter, term, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int take_plan_id(const struct rky_frame *frame, struct rky_job *job, struct rky_error *err)
{
    if (frame->parsed.argument_count == 0) {
        (void)rky_fail(err, RKY_ERR_USAGE, "'rocky-producer apply' needs a plan id");
        rky_error_hint(err, "the result of a plan job has it, and 'rocky plan' prints it last");
        return RKY_ERR_USAGE;
    }
    const char *id = frame->parsed.arguments[0];
    size_t digits = strspn(id, "0123456789abcdef");
    if (digits != RKY_SHA256_HEX - 1 || id[digits] != '\0')
        return rky_fail(err, RKY_ERR_REFUSED,
                        "plan '%.80s' is unknown: expected the 64 hexadecimal digits of a plan id",
                        id);
    memcpy(job->plan_id, id, RKY_SHA256_HEX);
    return 0;
}

static enum rky_job_type type_of(const struct rky_frame *frame)
{
    if (strcmp(frame->command, "plan") == 0)
        return RKY_JOB_PLAN;
    return strcmp(frame->command, "apply") == 0 ? RKY_JOB_APPLY : RKY_JOB_RUN;
}

static int take_options(const struct rky_frame *frame, struct rky_job *job, struct rky_error *err)
{
    const char *key = rky_parsed_value(&frame->parsed, "idempotency-key");
    job->type = type_of(frame);
    job->attempt = 1;
    job->run_timeout_seconds = -1;
    job->expires_seconds = EXPIRES_DEFAULT_SECONDS;
    job->full_refresh = rky_parsed_has(&frame->parsed, "full-refresh");
    rky_uuid_v7(frame->clock, job->job_id);
    job->requested_by = rky_strdup("rocky-producer");
    job->idempotency_key = key != NULL ? rky_strdup(key) : NULL;
    if (job->requested_by == NULL || (key != NULL && job->idempotency_key == NULL))
        return rky_fail_nomem(err);
    int rc =
        job->type == RKY_JOB_APPLY ? take_plan_id(frame, job, err) : take_filter(frame, job, err);
    if (rc == 0)
        rc = take_duration(frame, "expires", &job->expires_seconds, err);
    if (rc == 0)
        rc = take_duration(frame, "run-timeout", &job->run_timeout_seconds, err);
    if (rc == 0)
        rc = take_time(frame, "not-before", &job->not_before_us, err);
    if (rc == 0)
        rc = take_time(frame, "deadline", &job->deadline_us, err);
    return rc;
}

static int read_single(const struct rky_frame *frame, struct rky_request *request,
                       struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = NULL;
    int rc = rky_config_pipeline(frame->config, rky_parsed_value(&frame->parsed, "pipeline"),
                                 &pipeline, err);
    if (rc == 0)
        rc = take_namespace(frame, pipeline, &request->job, err);
    if (rc == 0)
        rc = take_options(frame, &request->job, err);
    if (rc == 0) {
        request->job.pipeline = rky_strdup(pipeline->name);
        rc = request->job.pipeline != NULL ? 0 : rky_fail_nomem(err);
    }
    request->count = 1;
    return rc;
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static int read_stdin(char **ret_text, size_t *ret_length, struct rky_error *err)
{
    struct rky_strbuf text = {0};
    char chunk[65536];
    size_t got = 0;
    int rc = 0;
    while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0 && text.length <= FILE_LIMIT)
        rky_strbuf_addn(&text, chunk, got);
    if (ferror(stdin)) {
        rc = rky_fail_errno(err, errno, "reading standard input");
    } else if (text.length > FILE_LIMIT) {
        rc = rky_fail(err, RKY_ERR_USAGE, "standard input has more than %zu bytes", FILE_LIMIT);
    } else {
        size_t length = text.length;
        *ret_text = length > 0 ? rky_strbuf_take(&text) : rky_strdup("");
        *ret_length = length;
        rc = *ret_text != NULL ? 0 : rky_fail_nomem(err);
    }
    rky_strbuf_done(&text);
    return rc;
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    }
    return true;
}

/* Some editors put a byte order mark before the first line. */
static size_t text_begins(const struct rky_request *request)
{
    static const char mark[] = "\xef\xbb\xbf";
    bool marked =
        request->length >= sizeof(mark) - 1 && memcmp(request->text, mark, sizeof(mark) - 1) == 0;
    return marked ? sizeof(mark) - 1 : 0;
}

/* @retval 1 a line, 0 the end. */
static int next_line(struct rky_request *request, const char **ret_line, size_t *ret_length)
{
    while (request->at < request->length) {
        const char *line = request->text + request->at;
        const char *end = memchr(line, '\n', request->length - request->at);
        size_t length = end != NULL ? (size_t)(end - line) : request->length - request->at;
        request->at += length + 1;
        request->line_number++;
        if (is_blank(line, length))
            continue;
        *ret_line = line;
        *ret_length = length;
        return 1;
    }
    return 0;
}

static int read_line(struct rky_request *request, struct rky_clock *clock, struct rky_job *ret_job,
                     struct rky_error *err)
{
    const char *line = NULL;
    size_t length = 0;
    if (next_line(request, &line, &length) == 0)
        return 0;
    int rc = rky_job_from_line(line, length, clock, ret_job, err);
    if (rc == 0 && ret_job->type == RKY_JOB_CANCEL) {
        rky_job_done(ret_job);
        rc = rky_fail(err, RKY_ERR_UNSUPPORTED, "this build cannot enqueue a cancel");
    }
    rky_error_wrap(err, "line %zu", request->line_number);
    return rc == 0 ? 1 : rc;
}

/* @param job taken: kept, or freed beyond the bound. */
static int keep(struct rky_request *request, struct rky_job *job, struct rky_error *err)
{
    int rc = 0;
    if (request->kept_count < KEPT_MAX) {
        rc = rky_array_reserve(&request->kept, &request->kept_capacity, request->kept_count + 1,
                               sizeof(*request->kept), err);
        if (rc == 0) {
            request->kept[request->kept_count++] = *job;
            return 0;
        }
    }
    rky_job_done(job);
    return rc;
}

static int read_file(const struct rky_frame *frame, const char *path, struct rky_request *request,
                     struct rky_error *err)
{
    int rc = strcmp(path, "-") == 0
                 ? read_stdin(&request->text, &request->length, err)
                 : rky_read_file(path, FILE_LIMIT, &request->text, &request->length, err);
    if (rc == RKY_ERR_NOT_FOUND)
        rc = err->code = RKY_ERR_USAGE;
    size_t at = 0, line_number = 0;
    if (rc == 0)
        request->at = text_begins(request);
    while (rc == 0) {
        struct rky_job job = {0};
        rc = read_line(request, frame->clock, &job, err);
        if (rc <= 0)
            break;
        rc = keep(request, &job, err);
        if (request->kept_count == ++request->count) {
            at = request->at;
            line_number = request->line_number;
        }
    }
    if (rc == 0 && request->count == 0)
        rc = rky_fail(err, RKY_ERR_USAGE, "'%s' holds no job", path);
    request->at = at;
    request->line_number = line_number;
    return rc;
}

/* --- both
 * ----------------------------------------------------------------------------------------- */

/* What describes a single job means nothing beside a file. */
static int check_no_single(const struct rky_frame *frame, struct rky_error *err)
{
    static const char *const single[] = {"filter",     "full-refresh", "expires",
                                         "not-before", "deadline",     "idempotency-key",
                                         "namespace",  "run-timeout",  "pipeline"};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (rky_parsed_has(&frame->parsed, single[i]))
            return rky_fail(err, RKY_ERR_USAGE,
                            "--%s describes one job and cannot stand beside --file: write it into "
                            "the lines",
                            single[i]);
    }
    if (frame->parsed.argument_count > 0)
        return rky_fail(err, RKY_ERR_USAGE,
                        "a plan id cannot stand beside --file: write 'plan_id' "
                        "into the lines");
    return 0;
}

int rky_request_read(const struct rky_frame *frame, struct rky_request *ret_request,
                     struct rky_error *err)
{
    const char *path = rky_parsed_value(&frame->parsed, "file");
    *ret_request = (struct rky_request){0};
    if (path == NULL)
        return read_single(frame, ret_request, err);
    int rc = check_no_single(frame, err);
    return rc != 0 ? rc : read_file(frame, path, ret_request, err);
}

int rky_request_next(struct rky_request *request, struct rky_clock *clock, struct rky_job *ret_job,
                     struct rky_error *err)
{
    if (request->kept_at < request->kept_count) {
        *ret_job = request->kept[request->kept_at];
        memset(&request->kept[request->kept_at++], 0, sizeof(*ret_job));
        return 1;
    }
    if (request->text != NULL)
        return read_line(request, clock, ret_job, err);
    if (request->taken)
        return 0;
    request->taken = true;
    *ret_job = request->job;
    memset(&request->job, 0, sizeof(request->job));
    return 1;
}

void rky_request_done(struct rky_request *request)
{
    rky_job_done(&request->job);
    for (size_t i = 0; i < request->kept_count; i++)
        rky_job_done(&request->kept[i]);
    rky_free(request->kept);
    request->kept = NULL;
    request->kept_count = 0;
    rky_free(request->text);
    request->text = NULL;
}
