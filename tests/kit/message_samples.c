/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints one message of each kind as our codec writes it, for tests in other languages: a line of
 * JSON {"message", "key", "headers", "value"} each, "message" as schemas/asyncapi.yaml calls it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/event.h"
#include "schemas/job.h"

#define JOB_ID "01932f6e-7c00-7abc-8def-0123456789ab"
#define NOON INT64_C(1795262400000000)

static int print(const char *name, struct rky_message *message)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < message->header_count; i++)
        (void)json_object_set_new(headers, message->headers[i].name,
                                  json_string(message->headers[i].value));
    json_t *line = json_pack("{s:s, s:s?, s:o, s:s}", "message", name, "key", message->key,
                             "headers", headers, "value", message->value);
    int rc = line == NULL ? 1 : json_dumpf(line, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(line);
    rky_message_done(message);
    return rc;
}

static int print_job(const char *name, enum rky_job_type type, struct rky_error *err)
{
    char namespace_[] = "bronze";
    char user[] = "cli";
    char key[] = "2026-11-21 bronze";
    char term[] = "client";
    char value[] = "acme";
    struct rky_filter_term terms[] = {{term, value}};
    struct rky_job job = {.type = type,
                          .job_id = JOB_ID,
                          .namespace_ = namespace_,
                          .pipeline = namespace_,
                          .filter = {terms, 1},
                          .run_timeout_seconds = -1,
                          .expires_seconds = 3600,
                          .requested_by = user,
                          .idempotency_key = key,
                          .not_before_us = NOON,
                          .deadline_us = NOON + 1000};
    struct rky_message message = {0};
    memset(job.plan_id, 'a', sizeof(job.plan_id) - 1);
    int rc = rky_job_encode(&job, "/rocky-producer/host", rky_clock_real(), &message, err);
    return rc != 0 ? rc : print(name, &message);
}

static int print_event(const char *name, const char *type, const char *outcome,
                       struct rky_error *err)
{
    struct rky_message message = {0};
    struct rky_event event = {.type = type,
                              .id_name = JOB_ID,
                              .namespace_ = "bronze",
                              .worker_id = "host-4711",
                              .job_id = JOB_ID,
                              .outcome = outcome,
                              .time_us = NOON,
                              .body = "{\"v\":1}"};
    int rc = rky_event_encode(&event, &message, err);
    return rc != 0 ? rc : print(name, &message);
}

static int print_dead_letter(struct rky_error *err)
{
    struct rky_message original = {0};
    struct rky_message message = {0};
    struct rky_dead_letter letter = {.reason = "malformed_json",
                                     .message = "malformed JSON at line 1, column 1",
                                     .topic = "rocky.jobs",
                                     .partition = 3,
                                     .offset = 17,
                                     .attempt = 1,
                                     .first_failed_at_us = NOON,
                                     .worker_id = "host-4711",
                                     .value_limit = 4};
    int rc = rky_message_set(&original, "k", 1, "not JSON", 8, err);
    if (rc == 0)
        rc = rky_dead_letter_encode(&original, &letter, &message, err);
    rky_message_done(&original);
    return rc != 0 ? rc : print("deadLetter", &message);
}

int main(void)
{
    static const char *const events[][3] = {
        {"jobResult", "job.result", "success"},   {"stateDownload", "state.download", "ok"},
        {"stateUpload", "state.upload", "ok"},    {"tableReplicated", "table.replicated", NULL},
        {"checkFailed", "check.failed", "error"}, {"anomalyDetected", "anomaly.detected", NULL},
        {"planCreated", "plan.created", NULL},    {"jobFenced", "job.fenced", NULL},
        {"jobRequeued", "job.requeued", NULL},    {"workerAlarm", "worker.alarm", NULL},
    };
    struct rky_error err = {0};
    int rc = print_job("jobRun", RKY_JOB_RUN, &err);
    if (rc == 0)
        rc = print_job("jobPlan", RKY_JOB_PLAN, &err);
    if (rc == 0)
        rc = print_job("jobApply", RKY_JOB_APPLY, &err);
    if (rc == 0)
        rc = print_job("jobCancel", RKY_JOB_CANCEL, &err);
    for (size_t i = 0; rc == 0 && i < sizeof(events) / sizeof(events[0]); i++)
        rc = print_event(events[i][0], events[i][1], events[i][2], &err);
    if (rc == 0)
        rc = print_dead_letter(&err);
    if (rc != 0)
        (void)fprintf(stderr, "message_samples: %s\n", err.message);
    return rc == 0 ? 0 : 1;
}
