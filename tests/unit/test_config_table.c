/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys against the structs it fills, against the documented defaults, and against a
 * file that sets every key.
 */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_internal.h"
#include "common/fsutil.h"
#include "common/toml.h"
#include "tests/kit/check_main.h"
#include "tests/unit/config_kit.h"

#define OWNERS (RKY_IN_WORKER + 1)

static bool is_prose(const struct rky_key *key)
{
    return key->default_text == NULL || key->default_text[0] == '(';
}

static bool is_scalar(const struct rky_key *key)
{
    return key->type <= RKY_KEY_CHOICE;
}

START_TEST(test_each_row_is_complete)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);

    for (size_t i = 0; i < count; i++) {
        const struct rky_key *key = &keys[i];
        ck_assert_msg(key->help != NULL && strlen(key->help) > 3 &&
                          key->help[strlen(key->help) - 1] != '.',
                      "%s has no help sentence", key->path);
        if (key->type == RKY_KEY_CHOICE)
            ck_assert_ptr_nonnull(key->choices);
        else
            ck_assert_msg(key->choices == NULL || key->type == RKY_KEY_SECTION, "%s", key->path);
        if (key->type == RKY_KEY_INTEGER || key->type == RKY_KEY_NUMBER)
            ck_assert_msg(key->minimum < key->maximum, "%s has no range", key->path);
        if (is_scalar(key) && !is_prose(key))
            ck_assert_msg(rky_key_fits(key, key->default_text) == RKY_FIT_OK, "default of %s",
                          key->path);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(keys[k].path, key->path);
    }
}
END_TEST

/* --- table and structs --------------------------------------------------------------------- */

/* Members that no row fills, because code does. */
#define EXEMPT(kind, type_, member_)                                                          \
    {                                                                                         \
        kind, #member_, offsetof(struct type_, member_), sizeof(((struct type_ *)0)->member_) \
    }
static const struct {
    enum rky_key_owner owner;
    const char *name;
    size_t offset, size;
} FILLED_BY_CODE[] = {
    EXEMPT(RKY_IN_CONFIG, rky_config, path),
    EXEMPT(RKY_IN_CONFIG, rky_config, directory),
    EXEMPT(RKY_IN_CONFIG, rky_config, secrets),
    EXEMPT(RKY_IN_ADAPTER, rky_adapter_config, name),
    EXEMPT(RKY_IN_ADAPTER, rky_adapter_config, line),
    EXEMPT(RKY_IN_PIPELINE, rky_pipeline_config, name),
    EXEMPT(RKY_IN_PIPELINE, rky_pipeline_config, source_adapter),
    EXEMPT(RKY_IN_PIPELINE, rky_pipeline_config, target_adapter),
    EXEMPT(RKY_IN_PIPELINE, rky_pipeline_config, line),
    EXEMPT(RKY_IN_PIPELINE, rky_pipeline_config, digest),
    EXEMPT(RKY_IN_OVERRIDE, rky_table_override, pattern),
    EXEMPT(RKY_IN_OVERRIDE, rky_table_override, line),
    EXEMPT(RKY_IN_QUEUE, rky_queue_config, present),
    EXEMPT(RKY_IN_KAFKA_PROPERTY, rky_kafka_property, name),
    EXEMPT(RKY_IN_KAFKA_PROPERTY, rky_kafka_property, value),
    EXEMPT(RKY_IN_KAFKA_PROPERTY, rky_kafka_property, line),
};

static bool is_list(const struct rky_key *key)
{
    return key->type == RKY_KEY_TABLES || key->type == RKY_KEY_NAMED || key->type == RKY_KEY_FREE;
}

static void cover(unsigned char *bytes, size_t total, size_t offset, size_t size, const char *what,
                  bool may_overlap)
{
    ck_assert_msg(offset + size <= total, "%s lies outside its struct", what);
    for (size_t i = offset; i < offset + size; i++) {
        ck_assert_msg(bytes[i] == 0 || may_overlap, "%s overlaps another key", what);
        bytes[i] = 1;
    }
}

START_TEST(test_each_member_of_a_struct_has_its_row)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    enum rky_key_owner owner = (enum rky_key_owner)_i;
    size_t total = rky_owner_size(owner);
    unsigned char *bytes = calloc(total, 1);

    for (size_t i = 0; i < count; i++) {
        if (keys[i].slot.owner != owner)
            continue;
        /* `row_count = true` and `row_count.enabled = true` are the same switch. */
        const char *dot = strrchr(keys[i].path, '.');
        bool same_switch = strcmp(dot != NULL ? dot : "", ".enabled") == 0;
        size_t size = keys[i].slot.size + (is_list(&keys[i]) ? sizeof(size_t) : 0);
        cover(bytes, total, keys[i].slot.offset, size, keys[i].path, same_switch);
        if (keys[i].slot.written != 0 && owner != RKY_IN_CONFIG)
            cover(bytes, total, keys[i].slot.written, sizeof(bool), keys[i].path, false);
    }
    for (size_t i = 0; i < sizeof(FILLED_BY_CODE) / sizeof(FILLED_BY_CODE[0]); i++)
        if (FILLED_BY_CODE[i].owner == owner)
            cover(bytes, total, FILLED_BY_CODE[i].offset, FILLED_BY_CODE[i].size,
                  FILLED_BY_CODE[i].name, false);

    /* What is left is padding: shorter than a pointer, and it ends where alignment does. */
    for (size_t at = 0; at < total;) {
        size_t hole = 0;
        while (at + hole < total && bytes[at + hole] == 0)
            hole++;
        ck_assert_msg(hole < sizeof(void *), "%zu bytes at %zu of struct %d have no row", hole, at,
                      _i);
        at += hole + 1;
    }
    free(bytes);
}
END_TEST

/* --- defaults ------------------------------------------------------------------------------ */

/* The first struct of each kind in a configuration. */
static const void *first_of(enum rky_key_owner owner, const struct rky_config *config)
{
    const struct rky_pipeline_config *pipeline = config->pipelines;
    switch (owner) {
    case RKY_IN_CONFIG:
        return config;
    case RKY_IN_ADAPTER:
        return config->adapters;
    case RKY_IN_RETRY:
        return &config->state.retry;
    case RKY_IN_PIPELINE:
        return pipeline;
    case RKY_IN_METADATA_COLUMN:
        return pipeline->metadata_columns;
    case RKY_IN_OVERRIDE:
        return pipeline->overrides;
    case RKY_IN_CHECKS:
        return &pipeline->checks;
    case RKY_IN_CUSTOM_CHECK:
        return pipeline->checks.custom;
    case RKY_IN_STATE:
        return &config->state;
    case RKY_IN_QUEUE:
        return &config->queue;
    case RKY_IN_KAFKA_PROPERTY:
        return config->queue.kafka;
    case RKY_IN_WORKER:
        break;
    }
    return &config->worker;
}

static void choice_word(const struct rky_key *key, int value, char *text, size_t size)
{
    const char *at = key->choices;
    for (int i = key->slot.first_choice; i < value; i++)
        at = strchr(at, '|') + 1;
    (void)snprintf(text, size, "%.*s", (int)strcspn(at, "|"), at);
}

/* A kept scalar as the file would write it; "-" for an unset text. */
static void kept_text(const struct rky_key *key, const void *base, char *text, size_t size)
{
    const char *at = (const char *)base + key->slot.offset;
    const char *string = NULL;
    int64_t integer = 0;
    double number = 0;
    bool truth = false;
    int value = 0;

    if (key->type == RKY_KEY_INTEGER) {
        memcpy(&integer, at, sizeof(integer));
        (void)snprintf(text, size, "%" PRId64, integer);
    } else if (key->type == RKY_KEY_NUMBER) {
        memcpy(&number, at, sizeof(number));
        (void)snprintf(text, size, "%.1f", number);
    } else if (key->type == RKY_KEY_BOOL) {
        memcpy(&truth, at, sizeof(truth));
        (void)snprintf(text, size, "%s", truth ? "true" : "false");
    } else if (key->slot.size == sizeof(string)) {
        memcpy(&string, at, sizeof(string));
        (void)snprintf(text, size, "%s", string != NULL ? string : "-");
    } else if (key->slot.size == sizeof(bool)) {
        memcpy(&truth, at, sizeof(truth));
        choice_word(key, truth ? 1 : 0, text, size);
    } else {
        memcpy(&value, at, sizeof(value));
        choice_word(key, value, text, size);
    }
}

static const char MINIMAL[] =
    PIPELINE "metadata_columns = [{ name = \"a\", type = \"T\", value = \"1\" }]\n"
             "[pipeline.p.table.\"*.a\"]\n[state]\n[queue]\n[worker]\n";

START_TEST(test_each_default_is_what_is_documented)
{
    size_t count = 0;
    size_t compared = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    struct rky_config *config = config_of(MINIMAL);

    for (size_t i = 0; i < count; i++) {
        const struct rky_key *key = &keys[i];
        const void *base = first_of(key->slot.owner, config);
        char text[200];
        char wanted[200];
        if (!is_scalar(key) || key->slot.size == 0 || base == NULL || is_prose(key))
            continue;
        kept_text(key, base, text, sizeof(text));
        (void)snprintf(wanted, sizeof(wanted), "%s%s", key->type == RKY_KEY_PATH ? "/srv/" : "",
                       key->default_text);
        ck_assert_msg(strcmp(text, wanted) == 0, "%s: '%s', documented '%s'", key->path, text,
                      wanted);
        compared++;
    }

    ck_assert_uint_gt(compared, 55);
    rky_config_free(config);
}
END_TEST

START_TEST(test_defaults_of_pipelines_are_those_of_the_contract)
{
    struct rky_config *config = config_of(MINIMAL);
    const struct rky_pipeline_config *p = config->pipelines;

    ck_assert_int_eq(p->strategy, RKY_STRATEGY_INCREMENTAL);
    ck_assert_str_eq(p->timestamp_column, "_fivetran_synced");
    ck_assert_int_eq(p->boundary, RKY_BOUNDARY_EXACT);
    ck_assert_str_eq(p->namespace_, "p");
    ck_assert_ptr_null(p->namespace_from);
    ck_assert_uint_eq(p->unique_key.count, 0);
    ck_assert_int_eq(p->on_existing_target, RKY_EXISTING_STOP);
    ck_assert_int_eq(p->lookback_seconds, 0);
    ck_assert_int_eq(p->safety_lag_seconds, 0);
    ck_assert_int_eq(p->null_cursor, RKY_NULL_CURSOR_FAIL);
    ck_assert_int_eq(p->on_drift, RKY_DRIFT_EVOLVE);
    ck_assert_uint_eq(p->tables_include.count, 0);
    ck_assert(!p->checks.enabled && !p->checks.row_count.enabled && !p->checks.freshness.enabled);
    ck_assert_int_eq(p->checks.row_count.severity, RKY_SEVERITY_ERROR);
    ck_assert(p->checks.anomaly_threshold_pct > 49.9 && p->checks.anomaly_threshold_pct < 50.1);
    ck_assert_int_eq(p->checks.anomaly_mode, RKY_ANOMALY_MEAN);
    ck_assert(!p->checks.anomaly_gate);
    ck_assert_int_eq(p->concurrency, 4);
    ck_assert(!p->fail_fast);
    ck_assert_int_eq(p->error_rate_abort_pct, 50);
    ck_assert_int_eq(p->table_retries, 1);
    ck_assert_int_eq(p->lock_timeout_seconds, 30);
    ck_assert_int_eq(p->line, 4);
    ck_assert_int_eq(config->adapters[0].retry.max_retries, 3);
    ck_assert(p->overrides[0].enabled && !p->overrides[0].has_enabled);
    rky_config_free(config);
}
END_TEST

START_TEST(test_defaults_of_the_rest_are_those_of_the_contract)
{
    struct rky_config *config = config_of(PIPELINE);
    const struct rky_state_config *s = &config->state;
    char id[300];

    ck_assert_int_eq(s->backend, RKY_BACKEND_LOCAL);
    ck_assert_str_eq(s->local_dir, "/srv/.rocky-state");
    ck_assert_str_eq(s->s3_prefix, "rocky/state/");
    ck_assert_str_eq(s->valkey_prefix, "rocky:state:");
    ck_assert_ptr_null(s->s3_bucket);
    ck_assert_int_eq(s->transfer_timeout_seconds, 300);
    ck_assert_int_eq(s->on_upload_failure, RKY_FAILURE_SKIP);
    ck_assert_int_eq(s->on_download_failure, RKY_FAILURE_FRESH);
    ck_assert_int_eq(s->retention_jobs, 10000);
    ck_assert_int_eq(s->retention_jobs_days, 14);
    ck_assert_int_eq(s->retention_history, 200);
    ck_assert(s->cas);
    ck_assert_int_eq(s->lock_mode, RKY_LOCK_PREFER);
    ck_assert_int_eq(s->lock_ttl_seconds, 30);
    ck_assert_int_eq(s->lock_wait_warn_seconds, 300);
    ck_assert_int_eq(s->retry.max_retries, 3);
    ck_assert_int_eq(s->retry.initial_backoff_ms, 1000);
    ck_assert_int_eq(s->retry.max_backoff_ms, 30000);
    ck_assert_int_eq(s->retry.circuit_breaker_threshold, 5);
    ck_assert_int_eq(s->retry.circuit_breaker_recovery_timeout_secs, 30);
    ck_assert_int_eq(s->retry.max_retries_per_run, -1);
    ck_assert_int_eq(s->history_keep_last, 20);
    ck_assert_int_eq(s->history_keep_days, 7);
    ck_assert(!config->queue.present && config->queue.create_topics);
    ck_assert_str_eq(config->queue.brokers, "localhost:9092");
    ck_assert_str_eq(config->queue.topic_prefix, "rocky");
    ck_assert_str_eq(config->queue.group_id, "rocky-workers");
    ck_assert_int_eq(config->queue.partitions, 12);
    ck_assert_int_eq(config->queue.replication_factor, -1);
    ck_assert_int_eq(config->worker.concurrency, 2 * sysconf(_SC_NPROCESSORS_ONLN));
    ck_assert_str_eq(config->worker.http_listen, "127.0.0.1:9464");
    ck_assert(!config->worker.http_listen_written);
    ck_assert_int_eq(config->worker.drain_grace_seconds, 60);
    ck_assert_int_eq(gethostname(id, 200), 0);
    (void)snprintf(id + strlen(id), 40, "-%ld", (long)getpid());
    ck_assert_str_eq(config->worker.id, id);
    rky_config_free(config);
}
END_TEST

/* --- a file with every key ----------------------------------------------------------------- */

static char *read_data(const char *name, size_t *ret_length)
{
    char path[4096];
    char *text = NULL;
    struct rky_error err = {0};
    (void)snprintf(path, sizeof(path), TEST_DATA "/%s", name);
    ck_assert_msg(rky_read_file(path, 1 << 20, &text, ret_length, &err) == 0, "%s", err.message);
    return text;
}

/* Whether some key of the tree has this path of the table. */
static bool tree_has(const json_t *tree, const char *path)
{
    char name[80];
    size_t length = strcspn(path, ".[");
    const char *rest = path + length;
    const char *key = NULL;
    json_t *value = NULL;
    size_t index = 0;

    if (*path == '\0')
        return tree != NULL;
    if (*path == '[') {
        json_array_foreach(
            tree, index,
            value) if (tree_has(value, path[2] == '.' ? path + 3 : path + 2)) return true;
        return false;
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)length, path);
    if (*rest == '.')
        rest++;
    if (strcmp(name, "*") != 0)
        return tree_has(json_object_get(tree, name), rest);
    /* jansson's iterators want a pointer that is not const; nothing is changed. */
    json_t *table = json_copy((json_t *)(uintptr_t)tree);
    bool found = false;
    json_object_foreach(table, key, value) found = found || tree_has(value, rest);
    json_decref(table);
    return found;
}

static void load_tree(const char *text, size_t length, json_t **value, json_t **positions)
{
    struct rky_toml_fault fault = {0};
    ck_assert_int_eq(rky_toml_parse(text, length, value, positions, &fault), RKY_OK);
}

START_TEST(test_a_file_can_set_every_key)
{
    size_t length = 0;
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    char *text = read_data("full.toml", &length);
    json_t *value = NULL;
    json_t *positions = NULL;
    load_tree(text, length, &value, &positions);

    for (size_t i = 0; i < count; i++) {
        /* The retry keys of an adapter are those of state; a check is a switch or a table. */
        ck_assert_msg(tree_has(value, keys[i].path), "%s is not in full.toml", keys[i].path);
    }

    json_decref(value);
    json_decref(positions);
    rky_free(text);
}
END_TEST

START_TEST(test_of_every_key_only_the_unserved_values_are_refused)
{
    size_t length = 0;
    char *text = read_data("full.toml", &length);
    char *printed = problems_of(text);
    char missing[4096] = "";
    static const char *const wanted[] = {
        "adapter.server.type: 'postgres'",
        "pipeline.silver.checks.column_match.enabled: 'true'",
        "pipeline.silver.checks.null_rate.enabled: 'true'",
        "pipeline.silver.checks.custom[0]: 'custom'",
        "pipeline.silver.checks.anomaly.mode: 'robust'",
    };
    size_t lines = 0;

    for (const char *at = strchr(printed, '\n'); at != NULL; at = strchr(at + 1, '\n'))
        lines++;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (strstr(printed, wanted[i]) == NULL)
            (void)snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), "%s",
                           wanted[i]);

    ck_assert_msg(missing[0] == '\0' && lines == sizeof(wanted) / sizeof(wanted[0]),
                  "missing: %s\n%s", missing, printed);
    free(printed);
    rky_free(text);
}
END_TEST

/* The struct that a load with refused values leaves behind, to look into. */
static struct rky_config *walk_everything(struct rky_problems *problems)
{
    size_t length = 0;
    char *text = read_data("full.toml", &length);
    struct rky_error err = {0};
    struct rky_config *config = rky_calloc(1, sizeof(*config));
    json_t *value = NULL;
    json_t *positions = NULL;
    load_tree(text, length, &value, &positions);
    config->path = rky_strdup("full.toml");
    config->directory = rky_strdup("/srv");
    struct rky_walk walk = {
        .config = config, .problems = problems, .root = value, .positions = positions, .err = &err};
    ck_assert_int_eq(rky_slot_defaults(RKY_IN_CONFIG, config, "/srv", &err), RKY_OK);
    ck_assert_int_eq(rky_walk_file(&walk), RKY_OK);
    json_decref(value);
    json_decref(positions);
    rky_free(text);
    return config;
}

START_TEST(test_every_key_that_is_set_reaches_the_struct)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    struct rky_problems problems = {0};
    struct rky_config *config = walk_everything(&problems);

    for (size_t i = 0; i < count; i++) {
        const struct rky_key *key = &keys[i];
        const char *at = (const char *)first_of(key->slot.owner, config) + key->slot.offset;
        char text[200];
        size_t elements = 0;
        /* The first adapter has a path, the second a url; the first pipeline a namespace. */
        if (strcmp(key->path, "adapter.*.url") == 0)
            at += sizeof(struct rky_adapter_config);
        if (strcmp(key->path, "pipeline.*.namespace_from") == 0)
            at += sizeof(struct rky_pipeline_config);
        if (key->slot.size == 0 || key->type == RKY_KEY_SECTION)
            continue;
        if (!is_scalar(key)) {
            memcpy(&elements, at + sizeof(void *), sizeof(elements));
            ck_assert_msg(elements > 0, "%s is empty", key->path);
            continue;
        }
        kept_text(key, at - key->slot.offset, text, sizeof(text));
        if (key->required != NULL && key->default_text == NULL)
            ck_assert_msg(strcmp(text, "-") != 0, "%s is not set", key->path);
        else if (strcmp(key->path, "adapter.*.type") != 0 &&
                 strcmp(key->path, "pipeline.*.table.*.strategy") != 0 &&
                 strcmp(key->path, "pipeline.*.table.*.boundary") != 0)
            ck_assert_msg(key->default_text == NULL ? strcmp(text, "-") != 0
                                                    : strcmp(text, key->default_text) != 0,
                          "%s still is '%s'", key->path, text);
    }

    ck_assert_int_eq(config->state.retry.max_backoff_ms, 2);
    ck_assert_int_eq(config->adapters[0].retry.max_backoff_ms, 20);
    ck_assert_int_eq(config->state.on_download_failure, RKY_FAILURE_FAIL);
    ck_assert(!config->state.cas);
    ck_assert_str_eq(config->state.s3_sse, "aws:kms");
    ck_assert(config->queue.present && config->worker.http_listen_written);
    ck_assert(config->pipelines[0].overrides[0].has_checks);
    rky_config_free(config);
    rky_problems_done(&problems);
}
END_TEST

START_TEST(test_names_of_enums_are_the_choices_of_their_keys)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    char names[200];

    for (size_t i = 0; i < count; i++) {
        const char *path = keys[i].path;
        if (strcmp(path, "pipeline.*.strategy") == 0)
            (void)snprintf(names, sizeof(names), "%s|%s|%s",
                           rky_strategy_name(RKY_STRATEGY_INCREMENTAL),
                           rky_strategy_name(RKY_STRATEGY_FULL_REFRESH),
                           rky_strategy_name(RKY_STRATEGY_MERGE));
        else if (strcmp(path, "pipeline.*.boundary") == 0)
            (void)snprintf(names, sizeof(names), "%s|%s", rky_boundary_name(RKY_BOUNDARY_EXACT),
                           rky_boundary_name(RKY_BOUNDARY_STRICT));
        else if (strcmp(path, "state.backend") == 0)
            (void)snprintf(names, sizeof(names), "%s|%s|%s|%s", rky_backend_name(RKY_BACKEND_LOCAL),
                           rky_backend_name(RKY_BACKEND_S3), rky_backend_name(RKY_BACKEND_VALKEY),
                           rky_backend_name(RKY_BACKEND_TIERED));
        else if (strcmp(path, "pipeline.*.checks.row_count.severity") == 0)
            (void)snprintf(names, sizeof(names), "%s|%s", rky_severity_name(RKY_SEVERITY_ERROR),
                           rky_severity_name(RKY_SEVERITY_WARNING));
        else
            continue;
        ck_assert_str_eq(names, keys[i].choices);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("config table");
    TCase *tcase = tcase_create("table");
    tcase_add_test(tcase, test_each_row_is_complete);
    tcase_add_loop_test(tcase, test_each_member_of_a_struct_has_its_row, 0, OWNERS);
    tcase_add_test(tcase, test_each_default_is_what_is_documented);
    tcase_add_test(tcase, test_defaults_of_pipelines_are_those_of_the_contract);
    tcase_add_test(tcase, test_defaults_of_the_rest_are_those_of_the_contract);
    tcase_add_test(tcase, test_a_file_can_set_every_key);
    tcase_add_test(tcase, test_of_every_key_only_the_unserved_values_are_refused);
    tcase_add_test(tcase, test_every_key_that_is_set_reaches_the_struct);
    tcase_add_test(tcase, test_names_of_enums_are_the_choices_of_their_keys);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
