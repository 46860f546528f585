/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying a plan: load it, check that it is whole, in time and not used up, and compare what it
 * says with what is true now. A refusal lists every difference and leaves the target untouched.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "engine/run_internal.h"

static int refuse(struct rky_error *err, const char *plan_id, const char *why)
{
    int rc = rky_fail(err, RKY_ERR_REFUSED, "plan '%s' %s", plan_id, why);
    rky_error_hint(err, "make a new plan with `rocky plan` and apply that one");
    return rc;
}

static int take_filter(struct rky_run *run, const json_t *payload, struct rky_error *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_t *filter = json_object_get(payload, "filter");
    json_object_foreach(filter, name, value)
    {
        char *term = rky_asprintf("%s=%s", name, json_string_value(value));
        int rc = term == NULL ? rky_fail_nomem(err) : rky_filter_add(&run->plan_filter, term, err);
        rky_free(term);
        if (rc != RKY_OK)
            return rc;
    }
    run->filter = run->plan_filter;
    run->full_refresh = json_is_true(json_object_get(payload, "full_refresh"));
    return RKY_OK;
}

static int check_record(const struct rky_run *run, const struct rky_plan_record *record,
                        struct rky_error *err)
{
    char digest[RKY_SHA256_HEX];
    char when[RKY_TIME_TEXT_MAX];
    char why[200];
    rky_sha256_hex(record->payload, strlen(record->payload), digest);
    if (strcmp(digest, record->plan_id) != 0)
        return refuse(err, run->job->plan_id,
                      "was changed after it was made: its content no "
                      "longer has this id");
    if (record->applied_at_us != 0) {
        rky_time_format(record->applied_at_us, when);
        (void)snprintf(why, sizeof(why), "was applied already, at %s by run %s", when,
                       record->applied_run_id != NULL ? record->applied_run_id : "(unknown)");
        return refuse(err, run->job->plan_id, why);
    }
    if (record->expires_at_us <= run->started_us) {
        rky_time_format(record->expires_at_us, when);
        (void)snprintf(why, sizeof(why), "expired at %s", when);
        return refuse(err, run->job->plan_id, why);
    }
    if (strcmp(record->pipeline, run->env.pipeline->name) != 0) {
        (void)snprintf(why, sizeof(why), "is of pipeline '%.100s'", record->pipeline);
        return refuse(err, run->job->plan_id, why);
    }
    return RKY_OK;
}

int rky_plan_load(struct rky_run *run, struct rky_error *err)
{
    struct rky_plan_record record = {0};
    int rc = rky_ledger_plan_get(run->env.ledger, run->job->plan_id, &record, err);
    if (rc == RKY_ERR_NOT_FOUND) {
        rc = rky_fail(err, RKY_ERR_REFUSED, "plan '%s' is not known to namespace '%s'",
                      run->job->plan_id, run->job->namespace_);
        rky_error_hint(err, "apply needs the same state (--state-path, --namespace) that the plan "
                            "was made with");
        return rc;
    }
    if (rc == RKY_OK)
        rc = check_record(run, &record, err);
    if (rc == RKY_OK) {
        json_t *payload = json_loads(record.payload, 0, NULL);
        rc = payload == NULL ? refuse(err, run->job->plan_id, "is not readable")
                             : take_filter(run, payload, err);
        json_decref(payload);
    }
    if (rc == RKY_OK) {
        run->loaded_payload = record.payload;
        record.payload = NULL;
    }
    rky_plan_record_done(&record);
    return rc;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "(none)";
}

static void differ(struct rky_run *run, char *text)
{
    if (text != NULL && run->plan_differences != NULL)
        (void)json_array_append_new(run->plan_differences, json_string(text));
    rky_free(text);
}

static const json_t *find_table(const json_t *payload, const char *name)
{
    const json_t *tables = json_object_get(payload, "tables");
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        if (strcmp(text_of(table, "table"), name) == 0)
            return table;
    }
    return NULL;
}

/* Whether an earlier attempt of this plan finished the table: it differs because of us. */
static bool is_done_by_plan(const struct rky_run *run, const char *name)
{
    for (size_t i = 0; i < run->work_count; i++)
        if (strcmp(run->work[i].name, name) == 0)
            return run->work[i].done != NULL;
    return false;
}

/* The payload has no columns for what could not be read. */
static bool is_readable(const json_t *table)
{
    return text_of(table, "columns_sha256")[0] != '\0';
}

/* Of the entry that stands for all tables of a source that cannot be read, `catalog.schema."*"`,
 * the length of `catalog.schema`; of any other 0. */
static size_t whole_source_length(const json_t *table)
{
    static const char every[] = ".\"*\"";
    const char *source = text_of(table, "source");
    size_t length = strlen(source), tail = sizeof(every) - 1;
    if (is_readable(table) || length < tail || strcmp(source + length - tail, every) != 0)
        return 0;
    return length - tail;
}

static bool is_in_unreadable_source(const json_t *payload, const json_t *table)
{
    const char *source = text_of(table, "source");
    size_t i = 0;
    const json_t *other = NULL;
    json_array_foreach(json_object_get(payload, "tables"), i, other)
    {
        size_t length = whole_source_length(other);
        if (length > 0 && strncmp(text_of(other, "source"), source, length + 1) == 0)
            return true;
    }
    return false;
}

static void compare_table(struct rky_run *run, const char *name, const json_t *then,
                          const json_t *now)
{
    if (json_equal(then, now))
        return;
    size_t before = json_array_size(run->plan_differences);
    /* All else that differs only follows from it. */
    if (is_readable(then) && !is_readable(now)) {
        differ(run, rky_asprintf("table '%s': its source is gone", name));
        return;
    }
    if (strcmp(text_of(then, "columns_sha256"), text_of(now, "columns_sha256")) != 0)
        differ(run, rky_asprintf("table '%s': the source's columns changed", name));
    if (strcmp(text_of(then, "target_commit_id"), text_of(now, "target_commit_id")) != 0)
        differ(run, rky_asprintf("table '%s': something was committed to the target since", name));
    if (strcmp(text_of(then, "action"), text_of(now, "action")) != 0)
        differ(run, rky_asprintf("table '%s': the action would be '%s' now, not '%s'", name,
                                 text_of(now, "action"), text_of(then, "action")));
    if (!json_equal(json_object_get(then, "tombstone_seq"), json_object_get(now, "tombstone_seq")))
        differ(run, rky_asprintf("table '%s': its state was deleted since", name));
    if (!json_equal(json_object_get(then, "window"), json_object_get(now, "window")))
        differ(run, rky_asprintf("table '%s': its window changed", name));
    if (json_array_size(run->plan_differences) == before)
        differ(run, rky_asprintf("table '%s': the statements changed", name));
}

static void compare(struct rky_run *run, const json_t *then, const json_t *now)
{
    const json_t *tables = json_object_get(then, "tables");
    if (strcmp(text_of(then, "config_sha256"), text_of(now, "config_sha256")) != 0)
        differ(run,
               rky_asprintf("the configuration of pipeline '%s' changed", run->env.pipeline->name));
    if (strcmp(text_of(then, "last_run_id"), text_of(now, "last_run_id")) != 0)
        differ(run, rky_asprintf("another run (%s) finished since", text_of(now, "last_run_id")));
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        const char *name = text_of(table, "table");
        const json_t *current = find_table(now, name);
        if (current == NULL)
            differ(run, rky_asprintf("table '%s': its source %s", name,
                                     is_in_unreadable_source(now, table) ? "cannot be read"
                                                                         : "is gone"));
        else if (!is_done_by_plan(run, name))
            compare_table(run, name, table, current);
    }
    tables = json_object_get(now, "tables");
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        const char *name = text_of(table, "table");
        if (find_table(then, name) != NULL)
            continue;
        size_t whole = whole_source_length(table);
        if (whole > 0)
            differ(run, rky_asprintf("source '%.*s' cannot be read", (int)whole,
                                     text_of(table, "source")));
        else
            differ(run, rky_asprintf("table '%s' is new in the source", name));
    }
}

static int refuse_differences(struct rky_run *run, struct rky_error *err)
{
    struct rky_strbuf list = {0};
    for (size_t i = 0; i < json_array_size(run->plan_differences); i++)
        rky_strbuf_addf(&list, "%s%s", i > 0 ? "; " : "",
                        json_string_value(json_array_get(run->plan_differences, i)));
    char *why = rky_asprintf("no longer fits: %s", rky_strbuf_text(&list));
    rky_strbuf_done(&list);
    int rc = why == NULL ? rky_fail_nomem(err) : refuse(err, run->job->plan_id, why);
    rky_free(why);
    return rc;
}

int rky_plan_validate(struct rky_run *run, struct rky_error *err)
{
    json_t *then = json_loads(run->loaded_payload, 0, NULL);
    json_t *now = json_loads(run->plan_payload, 0, NULL);
    int rc = RKY_OK;
    run->plan_differences = json_array();
    if (then == NULL || now == NULL || run->plan_differences == NULL)
        rc = rky_fail_nomem(err);
    if (rc == RKY_OK) {
        compare(run, then, now);
        if (json_array_size(run->plan_differences) > 0)
            rc = refuse_differences(run, err);
        (void)snprintf(run->plan_id, sizeof(run->plan_id), "%s", run->job->plan_id);
    }
    json_decref(then);
    json_decref(now);
    return rc;
}
