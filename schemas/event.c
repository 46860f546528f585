/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as messages, and what a waiting producer reads of them.
 */
#include "config.h"

#include "schemas/event.h"

#include <string.h>

#include "common/mem.h"
#include "schemas/body.h"
#include "schemas/job_internal.h"
#include "schemas/shape_parts.h"

#define RESULT_TYPE "rocky.job.result"
/** A recorded result is at most half a MiB; leave room for what others add. */
#define EVENT_BODY_MAX ((size_t)4 * 1024 * 1024)

static int add_optional(struct rky_message *message, const char *name, const char *value,
                        struct rky_error *err)
{
    return value != NULL ? rky_message_add_text(message, name, value, err) : 0;
}

static int add_formatted(struct rky_message *message, const char *name, const char *prefix,
                         const char *value, struct rky_error *err)
{
    char *text = rky_asprintf("%s%s", prefix, value);
    int rc = text != NULL ? rky_message_add_text(message, name, text, err) : rky_fail_nomem(err);
    rky_free(text);
    return rc;
}

static int add_headers(const struct rky_event *event, struct rky_message *message,
                       struct rky_error *err)
{
    char id[RKY_UUID_TEXT];
    char time[RKY_TIME_TEXT_MAX];
    rky_uuid_v5(event->id_name, id);
    rky_time_format(event->time_us, time);
    int rc = rky_message_add_text(message, "ce_specversion", "1.0", err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_id", id, err);
    if (rc == 0)
        rc = add_formatted(message, "ce_type", "rocky.", event->type, err);
    if (rc == 0)
        rc = add_formatted(message, "ce_source", "/rocky-worker/", event->worker_id, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "ce_time", time, err);
    if (rc == 0)
        rc = add_optional(message, "ce_subject", event->namespace_, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "content-type", "application/json", err);
    if (rc == 0)
        rc = add_optional(message, "x-job-id", event->job_id, err);
    if (rc == 0)
        rc = add_optional(message, "x-outcome", event->outcome, err);
    if (rc == 0)
        rc = add_optional(message, "traceparent", event->traceparent, err);
    return rc;
}

int rky_event_encode(const struct rky_event *event, struct rky_message *ret_message,
                     struct rky_error *err)
{
    struct rky_message message = {0};
    const char *key = event->namespace_;
    int rc = rky_message_set(&message, key, key != NULL ? strlen(key) : 0, event->body,
                             strlen(event->body), err);
    if (rc == 0)
        rc = add_headers(event, &message, err);
    if (rc != 0) {
        rky_message_done(&message);
        return rc;
    }
    *ret_message = message;
    return 0;
}

static const char *header_text(const struct rky_message *message, const char *name)
{
    const struct rky_header *header = rky_message_header(message, name);
    return header != NULL && strlen(header->value) == header->length ? header->value : NULL;
}

static bool status_known(const char *status)
{
    for (const char *const *choice = rky_part_status.choices; *choice != NULL; choice++) {
        if (strcmp(*choice, status) == 0)
            return true;
    }
    return false;
}

int rky_event_read_result(const struct rky_message *message, struct rky_event_result *ret_result,
                          struct rky_error *err)
{
    const char *type = header_text(message, "ce_type");
    const char *job_id = header_text(message, "x-job-id");
    const char *status = header_text(message, "x-outcome");
    if (type == NULL || strcmp(type, RESULT_TYPE) != 0)
        return RKY_ERR_NOT_FOUND;
    if (job_id == NULL || !rky_uuid_valid(job_id))
        return rky_fail(err, RKY_ERR_DECODE, "job.result: header 'x-job-id' is no UUID");
    if (status == NULL || !status_known(status))
        return rky_fail(err, RKY_ERR_DECODE, "job.result of '%s': header 'x-outcome' is no status",
                        job_id);
    rky_job_lower_uuid(job_id, ret_result->job_id);
    memcpy(ret_result->status, status, strlen(status) + 1);
    return 0;
}

int rky_event_body(const struct rky_message *message, json_t **ret_body, struct rky_error *err)
{
    if (message->value == NULL || message->value_length == 0)
        return rky_fail(err, RKY_ERR_DECODE, "event: expected a body, found none");
    if (message->value_length > EVENT_BODY_MAX)
        return rky_fail(err, RKY_ERR_DECODE, "event: expected at most %zu bytes, found %zu",
                        EVENT_BODY_MAX, message->value_length);
    int rc = rky_body_parse(message->value, message->value_length, ret_body, NULL, err);
    if (rc != 0)
        rky_error_wrap(err, "event");
    return rc;
}
