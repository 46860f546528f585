/* SPDX-License-Identifier: Apache-2.0 */
/* The demo as a producer and as a consumer of results; see demo.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/demo.h"
#include "cli/report.h"
#include "schemas/job.h"

#define DELIVERY_WITHIN_MS 10000
/** A killed worker's job moves on after the session timeout, so this is generous. */
#define RESULT_WITHIN_MS 40000
#define READ_MS 50

void rky_demo_result_done(struct rky_demo_result *result)
{
    json_decref(result->body);
    rky_free(result->text);
    rky_free(result->worker);
    *result = (struct rky_demo_result){0};
}

/* --- enqueueing --------------------------------------------------------------------------- */

static void delivered(void *context, int code, const char *message, int partition, int64_t offset)
{
    (void)message, (void)partition, (void)offset;
    struct rky_demo *demo = context;
    if (code != 0)
        demo->undelivered++;
}

static int publish(struct rky_demo *demo, const struct rky_message *message, int times,
                   struct rky_error *err)
{
    struct rky_transport *transport = demo->transport;
    int rc = 0;
    demo->undelivered = 0;
    for (int i = 0; rc == 0 && i < times; i++)
        rc = transport->ops->publish(transport, demo->topics.jobs, message, delivered, demo, err);
    if (rc == 0)
        rc = transport->ops->flush(transport, DELIVERY_WITHIN_MS, err);
    if (rc == 0 && demo->undelivered != 0)
        rc =
            rky_fail(err, RKY_ERR_UNAVAILABLE, "the broker refused %d messages", demo->undelivered);
    return rc;
}

int rky_demo_enqueue(struct rky_demo *demo, const char *namespace_, int times,
                     char ret_job_id[RKY_UUID_TEXT], struct rky_error *err)
{
    struct rky_message message = {0};
    struct rky_job job = {.type = RKY_JOB_RUN, .run_timeout_seconds = -1, .attempt = 1};
    rky_uuid_v7(demo->cli->clock, job.job_id);
    job.namespace_ = rky_strdup(namespace_);
    job.pipeline = rky_strdup("bronze");
    job.requested_by = rky_strdup("demo");
    int rc = job.namespace_ == NULL || job.pipeline == NULL || job.requested_by == NULL
                 ? rky_fail_nomem(err)
                 : rky_job_encode(&job, "/rocky-demo", demo->cli->clock, &message, err);
    if (rc == 0)
        rc = publish(demo, &message, times, err);
    memcpy(ret_job_id, job.job_id, RKY_UUID_TEXT);
    rky_message_done(&message);
    rky_job_done(&job);
    return rc;
}

/* --- awaiting ----------------------------------------------------------------------------- */

static bool header_is(const struct rky_message *message, const char *name, const char *value)
{
    const struct rky_header *header = rky_message_header(message, name);
    return header != NULL && strcmp(header->value, value) == 0;
}

static int take_result(const struct rky_message *message, struct rky_demo_result *result,
                       struct rky_error *err)
{
    const struct rky_header *id = rky_message_header(message, "ce_id");
    const struct rky_header *job = rky_message_header(message, "x-job-id");
    const struct rky_header *source = rky_message_header(message, "ce_source");
    const char *worker = source == NULL ? "" : source->value;
    const char *slash = strrchr(worker, '/');
    json_error_t fault;
    if (id == NULL || id->length != RKY_UUID_TEXT - 1 || job == NULL ||
        job->length != RKY_UUID_TEXT - 1)
        return rky_fail(err, RKY_ERR_DECODE, "a result came without its ids");
    memcpy(result->ce_id, id->value, RKY_UUID_TEXT);
    memcpy(result->job_id, job->value, RKY_UUID_TEXT);
    result->worker = rky_strdup(slash == NULL ? worker : slash + 1);
    result->text = rky_strndup(message->value, message->value_length);
    result->body = json_loadb(message->value, message->value_length, 0, &fault);
    if (result->worker == NULL || result->text == NULL)
        return rky_fail_nomem(err);
    return result->body != NULL
               ? 0
               : rky_fail(err, RKY_ERR_DECODE, "a result is no JSON: %s", fault.text);
}

/* One read of the topic into the inbox. */
static int read_one(struct rky_demo *demo, struct rky_error *err)
{
    struct rky_inbound inbound = {0};
    int got = demo->transport->ops->tail_read(demo->results, READ_MS, &inbound, err);
    if (got <= 0)
        return got;
    int rc = 0;
    if (header_is(&inbound.message, "ce_type", "rocky.job.result"))
        rc = rky_array_reserve(&demo->inbox, &demo->inbox_capacity, demo->inbox_count + 1,
                               sizeof(demo->inbox[0]), err);
    if (rc == 0 && header_is(&inbound.message, "ce_type", "rocky.job.result")) {
        struct rky_demo_result *result = &demo->inbox[demo->inbox_count++];
        *result = (struct rky_demo_result){0};
        rc = take_result(&inbound.message, result, err);
    }
    rky_inbound_done(&inbound);
    return rc;
}

static bool take_from_inbox(struct rky_demo *demo, const char *job_id,
                            struct rky_demo_result *ret_result)
{
    for (size_t i = 0; i < demo->inbox_count; i++) {
        if (strcmp(demo->inbox[i].job_id, job_id) != 0)
            continue;
        *ret_result = demo->inbox[i];
        demo->inbox_count--;
        memmove(&demo->inbox[i], &demo->inbox[i + 1],
                (demo->inbox_count - i) * sizeof(demo->inbox[0]));
        return true;
    }
    return false;
}

int rky_demo_await(struct rky_demo *demo, const char *job_id, const char *what,
                   struct rky_demo_result *ret_result, struct rky_error *err)
{
    struct rky_deadline deadline = rky_deadline_in(demo->cli->clock, RESULT_WITHIN_MS);
    int64_t since_ms = rky_demo_now_ms(demo);
    *ret_result = (struct rky_demo_result){0};
    int rc = 0;
    while (rc == 0 && !take_from_inbox(demo, job_id, ret_result)) {
        rky_demo_waiting(demo, what, since_ms);
        rc = rky_demo_check_workers(demo, err);
        if (rc == 0)
            rc = read_one(demo, err);
        if (rc == 0 && rky_deadline_left_ms(&deadline) == 0)
            rc = rky_fail(err, RKY_ERR_TIMEOUT, "no result of %s within %d s", what,
                          RESULT_WITHIN_MS / 1000);
    }
    rky_demo_waited(demo);
    return rc;
}

int rky_demo_expect_success(const struct rky_demo_result *result, struct rky_error *err)
{
    const char *status = rky_member_text(result->body, "status", "unknown");
    /* A success whose checks failed has errors too. */
    const json_t *failure = json_array_get(json_object_get(result->body, "errors"), 0);
    if (strcmp(status, "success") == 0 && failure == NULL)
        return 0;
    return rky_fail(err, RKY_ERR_CONFLICT, "job %s ended as '%s', expected a success: %s",
                    result->job_id, status, rky_member_text(failure, "error", "no reason given"));
}
