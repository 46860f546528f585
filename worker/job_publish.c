/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: what is published is read back from the ledger, never taken from memory. So the
 * first delivery of a job and every later one publish the same bytes under the same ids, by
 * construction. Events go before the result: who has the result has everything.
 */
#include "config.h"

#include "worker/job_publish.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "schemas/event.h"

static int publish(const struct rky_job_env *env, const struct rky_event *event,
                   struct rky_error *err)
{
    struct rky_message message = {0};
    int rc = rky_event_encode(event, &message, err);
    if (rc == 0)
        rc = env->publish(env->publish_context, &message, err);
    rky_message_done(&message);
    return rc;
}

/* One element of the recorded events: {type, id_name, outcome, time_us, body{}}. */
int rky_job_publish_event(const struct rky_job_env *env, const struct rky_job *job,
                          const json_t *recorded, struct rky_error *err)
{
    char *body = json_dumps(json_object_get(recorded, "body"), JSON_COMPACT);
    if (body == NULL)
        return rky_fail(err, RKY_ERR_STATE_FILE, "job '%s': a recorded event has no body",
                        job->job_id);
    struct rky_event event = {
        .type = json_string_value(json_object_get(recorded, "type")),
        .id_name = json_string_value(json_object_get(recorded, "id_name")),
        .namespace_ = job->namespace_,
        .worker_id = env->worker_id,
        .job_id = job->job_id,
        .outcome = json_string_value(json_object_get(recorded, "outcome")),
        .traceparent = job->traceparent,
        .time_us = json_integer_value(json_object_get(recorded, "time_us")),
        .body = body,
    };
    int rc = event.type == NULL || event.id_name == NULL
                 ? rky_fail(err, RKY_ERR_STATE_FILE, "job '%s': a recorded event has no type or id",
                            job->job_id)
                 : publish(env, &event, err);
    if (rc == RKY_ERR_DECODE) {
        /* Too large for the broker, now and ever: the result itself must not wait for it. */
        rky_log_write(env->log, RKY_LOG_WARN, NULL, "job '%s': event '%s' is not published: %s",
                      job->job_id, event.type, err->message);
        rky_error_clear(err);
        rc = 0;
    }
    free(body);
    return rc;
}

/* Whether the measured event is a better form of the recorded one: the same id. */
static bool is_same(const json_t *recorded, const json_t *measured)
{
    const char *id = json_string_value(json_object_get(recorded, "id_name"));
    const char *better = json_string_value(json_object_get(measured, "id_name"));
    return id != NULL && better != NULL && strcmp(id, better) == 0;
}

static int publish_events(const struct rky_job_env *env, const struct rky_job *job,
                          const char *recorded, const json_t *measured, struct rky_error *err)
{
    if (strcmp(recorded, "[]") == 0)
        return measured != NULL ? rky_job_publish_event(env, job, measured, err) : 0;
    json_t *events = json_loads(recorded, 0, NULL);
    if (!json_is_array(events)) {
        json_decref(events);
        return rky_fail(err, RKY_ERR_STATE_FILE, "job '%s': the recorded events are no JSON array",
                        job->job_id);
    }
    bool told = measured == NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        bool same = is_same(event, measured);
        told = told || same;
        rc = rky_job_publish_event(env, job, same ? measured : event, err);
    }
    /* A transfer of a later attempt, which nothing that is recorded tells of. */
    if (rc == 0 && !told)
        rc = rky_job_publish_event(env, job, measured, err);
    json_decref(events);
    return rc;
}

static int publish_result(const struct rky_job_env *env, const struct rky_job *job,
                          const char *status, const char *result, int64_t time_us,
                          struct rky_error *err)
{
    struct rky_event event = {.type = "job.result",
                              .id_name = job->job_id,
                              .namespace_ = job->namespace_,
                              .worker_id = env->worker_id,
                              .job_id = job->job_id,
                              .outcome = status,
                              .traceparent = job->traceparent,
                              .time_us = time_us,
                              .body = result};
    return publish(env, &event, err);
}

int rky_job_publish_made(const struct rky_job_env *env, const struct rky_job *job,
                         const char *status, const char *result, const char *events,
                         struct rky_error *err)
{
    int rc = publish_events(env, job, events, NULL, err);
    return rc != 0 ? rc
                   : publish_result(env, job, status, result, env->clock->wall_us(env->clock), err);
}

int rky_job_publish(const struct rky_job_env *env, const struct rky_job *job,
                    struct rky_ledger *ledger, const json_t *measured, struct rky_error *err)
{
    struct rky_job_record record = {0};
    rky_fault_point("publish.before");
    int rc = rky_ledger_job_get(ledger, job->job_id, &record, err);
    if (rc == RKY_ERR_NOT_FOUND)
        return rky_fail(err, RKY_ERR_BUG, "job '%s' ended without a record of it", job->job_id);
    if (rc != 0)
        return rc;
    rc = publish_events(env, job, record.events, measured, err);
    if (rc == 0)
        rc = publish_result(env, job, record.status, record.result, record.finished_at_us, err);
    rky_job_record_done(&record);
    return rc;
}
