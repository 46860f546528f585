/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's result as output and exit code; see outcome.h.
 */
#include "config.h"

#include "producer/outcome.h"

#include <errno.h>
#include <string.h>

/* --- exit code
 * ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static int code_of_name(const char *name)
{
    for (int code = RKY_ERR_USAGE; code >= RKY_ERR_BUG; code--) {
        if (strcmp(rky_err_name(code), name) == 0)
            return code;
    }
    return RKY_ERR_BUG;
}

static bool gate_failed(const struct rky_config *config, const json_t *result)
{
    size_t i = 0;
    json_t *error = NULL;
    json_array_foreach(json_object_get(result, "errors"), i, error)
    {
        if (strcmp(text_of(error, "failure_kind"), "check-failed") == 0)
            return true;
    }
    if (json_array_size(json_object_get(result, "anomalies")) == 0)
        return false;
    const char *pipeline = text_of(result, "pipeline");
    for (size_t p = 0; p < config->pipeline_count; p++) {
        if (strcmp(config->pipelines[p].name, pipeline) == 0)
            return config->pipelines[p].checks.anomaly_gate;
    }
    return false;
}

static enum rky_exit exit_of_failed(const json_t *result)
{
    const json_t *error = json_object_get(result, "error");
    if (!json_is_object(error))
        return RKY_EXIT_FAILED;
    enum rky_exit code = rky_exit_of_error(code_of_name(text_of(error, "code")));
    return code == RKY_EXIT_OK ? RKY_EXIT_FAILED : code;
}

enum rky_exit rky_outcome_exit(const struct rky_config *config, const struct rky_sent *sent)
{
    const char *status = sent->status;
    enum rky_exit code = RKY_EXIT_OK;
    if (sent->error.code == RKY_ERR_TIMEOUT)
        return RKY_EXIT_WAIT_TIMEOUT;
    if (sent->error.code != 0)
        return rky_exit_of_error(sent->error.code);
    if (sent->result == NULL || strcmp(status, "skipped") == 0)
        return RKY_EXIT_OK;
    if (strcmp(status, "dead_lettered") == 0)
        return RKY_EXIT_DEAD_LETTERED;
    if (strcmp(status, "cancelled") == 0)
        return RKY_EXIT_CANCELLED;
    if (strcmp(status, "interrupted") == 0)
        return RKY_EXIT_INTERRUPTED;
    if (strcmp(status, "partial") == 0)
        code = RKY_EXIT_PARTIAL;
    else if (strcmp(status, "success") != 0)
        code = exit_of_failed(sent->result);
    if (gate_failed(config, sent->result))
        code = rky_exit_graver(code, RKY_EXIT_GATE);
    return code;
}

/* --- output
 * ---------------------------------------------------------------------------------------- */

static json_t *number_or_null(int64_t number)
{
    return number >= 0 ? json_integer((json_int_t)number) : json_null();
}

static int print_json(const struct rky_frame *frame, const char *topic, bool waited,
                      const struct rky_sent *sent, struct rky_error *err)
{
    bool duplicate = json_is_string(json_object_get(sent->result, "duplicate_of"));
    json_t *object = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:O?}", "version", 1, "command",
        frame->command, "job_id", sent->job_id, "namespace", sent->namespace_, "type",
        rky_job_type_name(sent->type), "topic", topic, "partition", number_or_null(sent->partition),
        "offset", number_or_null(sent->offset), "duplicate",
        waited && sent->result != NULL ? json_boolean(duplicate) : json_null(), "result",
        sent->result);
    if (object != NULL && sent->error.code != 0 &&
        json_object_set_new(object, "error", rky_frame_error_json(frame, &sent->error)) != 0) {
        json_decref(object);
        object = NULL;
    }
    return rky_frame_print(object, err);
}

static void print_figures(const struct rky_sent *sent)
{
    const json_t *result = sent->result;
    (void)printf(": %s", sent->status);
    if (json_is_string(json_object_get(result, "duplicate_of")))
        (void)printf(", done before by job %s", text_of(result, "duplicate_of"));
    if (sent->type == RKY_JOB_PLAN && text_of(result, "plan_id")[0] != '\0')
        (void)printf(", plan %s", text_of(result, "plan_id"));
    if (sent->type != RKY_JOB_PLAN && strcmp(sent->status, "dead_lettered") != 0)
        (void)printf(", %lld tables copied, %lld failed, %lld rows",
                     (long long)json_integer_value(json_object_get(result, "tables_copied")),
                     (long long)json_integer_value(json_object_get(result, "tables_failed")),
                     (long long)json_integer_value(json_object_get(result, "rows_copied")));
    size_t i = 0;
    json_t *error = NULL;
    json_array_foreach(json_object_get(result, "errors"), i, error)
    {
        const char *table = text_of(error, "table");
        (void)printf("\n  %s%s%s", table, table[0] != '\0' ? ": " : "", text_of(error, "error"));
    }
}

int rky_outcome_print(const struct rky_frame *frame, const char *topic, bool waited,
                      const struct rky_sent *sent, struct rky_error *err)
{
    if (frame->json)
        return print_json(frame, topic, waited, sent, err);
    /* Without --wait and with --quiet the exit code says it all. */
    if (frame->quiet && !waited && sent->error.code == 0)
        return 0;
    (void)printf("%s job %s in namespace %s", rky_job_type_name(sent->type), sent->job_id,
                 sent->namespace_);
    if (sent->partition >= 0)
        (void)printf(" at %s/%d/%lld", topic, sent->partition, (long long)sent->offset);
    if (sent->error.code != 0)
        (void)printf(": %s", sent->error.message);
    else if (sent->result != NULL)
        print_figures(sent);
    return printf("\n") < 0 ? rky_fail_errno(err, errno, "writing to standard output") : 0;
}
