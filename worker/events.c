/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies as their shapes in schemas/ have them. An alarm that cannot be sent is at least logged.
 */
#include "config.h"

#include "worker/events.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "schemas/event.h"

/* Fire and forget. @param body taken, NULL = memory was out. */
static void tell(const struct rky_events *events, const struct rky_job *job, const char *type,
                 const char *outcome, int64_t now_us, json_t *body)
{
    struct rky_error err = {0};
    struct rky_message message = {0};
    /* Such an event tells of a moment, not of a job's outcome: each has an id of its own. */
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    struct rky_delivery *delivery = rky_delivery_open(events->outbox);
    int rc = text == NULL || delivery == NULL ? rky_fail_nomem(&err) : 0;
    if (rc == 0) {
        struct rky_event event = {.type = type,
                                  .id_name = id,
                                  .namespace_ = job->namespace_,
                                  .worker_id = events->worker_id,
                                  .job_id = job->job_id,
                                  .outcome = outcome,
                                  .traceparent = job->traceparent,
                                  .time_us = now_us,
                                  .body = text};
        rc = rky_event_encode(&event, &message, &err);
    }
    if (rc == 0)
        rc = rky_delivery_send(delivery, events->topics->results, &message, false, &err);
    if (rc != 0)
        rky_log_write(events->log, RKY_LOG_WARN, NULL, "event '%s' is not sent: %s", type,
                      err.message);
    if (delivery != NULL)
        rky_delivery_close(delivery, NULL);
    rky_message_done(&message);
    free(text);
    json_decref(body);
}

void rky_events_given_back(const struct rky_events *events, const struct rky_job *job,
                           const char *type, int attempt, const char *reason, const char *message,
                           int64_t retry_in_ms)
{
    char at[RKY_TIME_TEXT_MAX];
    int64_t now_us = events->clock->wall_us(events->clock);
    rky_time_format(now_us, at);
    tell(events, job, type, reason, now_us,
         json_pack("{s:i, s:s, s:s, s:s, s:s, s:n, s:s, s:i, s:s, s:s, s:I}", "v", 1, "event", type,
                   "at", at, "worker_id", events->worker_id, "job_id", job->job_id, "run_id",
                   "namespace", job->namespace_, "attempt", attempt, "reason", reason, "message",
                   message, "retry_in_ms", (json_int_t)retry_in_ms));
}

void rky_events_alarm(const struct rky_events *events, const struct rky_job *job, const char *code,
                      bool critical, const char *message, const char *hint)
{
    char at[RKY_TIME_TEXT_MAX];
    int64_t now_us = events->clock->wall_us(events->clock);
    rky_time_format(now_us, at);
    rky_log_write(events->log, critical ? RKY_LOG_ERROR : RKY_LOG_WARN,
                  json_pack("{s:s, s:s, s:s}", "alarm", code, "namespace", job->namespace_,
                            "job_id", job->job_id),
                  "alarm: %s%s%s%s", message, hint[0] != '\0' ? " (" : "", hint,
                  hint[0] != '\0' ? ")" : "");
    tell(events, job, "worker.alarm", critical ? "critical" : "warning", now_us,
         json_pack("{s:i, s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:s, s:s?}", "v", 1, "event",
                   "worker.alarm", "at", at, "worker_id", events->worker_id, "job_id", job->job_id,
                   "run_id", "namespace", job->namespace_, "code", code, "severity",
                   critical ? "critical" : "warning", "message", message, "hint",
                   hint[0] != '\0' ? hint : NULL));
}

/* --- dead letters
 * ------------------------------------------------------------------------------------ */

/* The result of a job that was never run. Nothing in it depends on this worker or this moment. */
static char *dead_letter_result(const struct rky_task *task)
{
    const struct rky_job *job = &task->job;
    bool decoded = job->job_id[0] != '\0';
    const char *text = task->reason_text != NULL ? task->reason_text : "";
    json_t *body =
        json_pack("{s:i, s:i, s:s?, s:s, s:n, s:s, s:s, s:s?, s:n, s:i, s:i, s:i, s:i, s:i}", "v",
                  1, "version", 1, "command", decoded ? rky_job_type_name(job->type) : NULL,
                  "status", "dead_lettered", "run_id", "job_id", task->letter_job_id, "namespace",
                  task->letter_namespace, "pipeline", decoded ? job->pipeline : NULL, "plan_id",
                  "duration_ms", 0, "tables_copied", 0, "tables_failed", 0, "tables_skipped", 0,
                  "rows_copied", 0);
    json_t *rest =
        json_pack("{s:[], s:{s:i, s:i, s:[]}, s:[], s:[], s:[{s:n, s:s, s:b, s:s}], s:[], s:[],"
                  " s:{s:n, s:n, s:n, s:n}, s:n, s:{s:s, s:s, s:n}}",
                  "materializations", "drift", "tables_checked", 0, "tables_drifted", 0,
                  "actions_taken", "check_results", "anomalies", "errors", "table", "failure_kind",
                  "config", "transient", 0, "error", text, "warnings", "excluded", "state",
                  "generation_before", "generation_after", "download", "upload", "duplicate_of",
                  "error", "code", task->reason, "message", text, "hint");
    char *dumped = NULL;
    if (body != NULL && rest != NULL && json_object_update(body, rest) == 0)
        dumped = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    json_decref(rest);
    return dumped;
}

static int send_result(const struct rky_events *events, const struct rky_task *task,
                       struct rky_delivery *delivery, bool wait, struct rky_error *err)
{
    struct rky_message message = {0};
    char *body = dead_letter_result(task);
    if (body == NULL)
        return rky_fail_nomem(err);
    struct rky_event event = {.type = "job.result",
                              .id_name = task->letter_job_id,
                              .namespace_ = task->letter_namespace,
                              .worker_id = events->worker_id,
                              .job_id = task->letter_job_id,
                              .outcome = "dead_lettered",
                              .traceparent = task->job.traceparent,
                              .time_us = task->inbound.message.timestamp_ms * 1000,
                              .body = body};
    int rc = rky_event_encode(&event, &message, err);
    if (rc == 0)
        rc = rky_delivery_send(delivery, events->topics->results, &message, wait, err);
    rky_message_done(&message);
    free(body);
    return rc;
}

int rky_events_dead_letter(const struct rky_events *events, struct rky_task *task,
                           struct rky_delivery *delivery, bool wait, struct rky_error *err)
{
    struct rky_message message = {0};
    int64_t now_us = events->clock->wall_us(events->clock);
    if (task->first_failed_us == 0)
        task->first_failed_us = now_us;
    struct rky_dead_letter letter = {
        .reason = task->reason,
        .message = task->reason_text != NULL ? task->reason_text : "",
        .topic = task->inbound.topic,
        .partition = task->inbound.partition,
        .offset = task->inbound.offset,
        .attempt = task->job.attempt > 0 ? task->job.attempt : 1,
        .first_failed_at_us = task->first_failed_us,
        .worker_id = events->worker_id,
        .value_limit = task->value_limit,
    };
    int rc = rky_dead_letter_encode(&task->inbound.message, &letter, &message, err);
    if (rc == 0)
        rc = rky_delivery_send(delivery, events->topics->dlq, &message, wait, err);
    /* A reused job id has a result of its own, from the job that it belongs to. */
    if (rc == 0 && task->letter_job_id[0] != '\0' && task->letter_namespace[0] != '\0' &&
        strcmp(task->reason, "job_id_reused") != 0)
        rc = send_result(events, task, delivery, wait, err);
    rky_message_done(&message);
    return rc;
}
