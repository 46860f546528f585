/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky.toml: one table of keys (config_table.c) drives parsing, `rocky validate`, the man page
 * and the test that compares them.
 *
 * In any string, after TOML has been parsed: `${VAR}`, `${VAR:-default}` (the default may hold
 * references, and holds when VAR is unset or empty), `${file:PATH}` (without its last newline);
 * `$${` stands for a literal `${`. Any other `$` is itself.
 *
 * Loading reports every problem at once, each with file, line, column, key and the fix; a key that
 * is valid but that this build cannot serve is a problem too, never ignored. The result is
 * immutable and may be read by any thread.
 */
#ifndef RKY_COMMON_CONFIG_H
#define RKY_COMMON_CONFIG_H

/* In this folder `#include "config.h"` finds this file before autoconf's header of that name. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"
#include "common/ids.h"
#include "common/mem.h"

enum rky_strategy { RKY_STRATEGY_INCREMENTAL, RKY_STRATEGY_FULL_REFRESH, RKY_STRATEGY_MERGE };
enum rky_boundary { RKY_BOUNDARY_EXACT, RKY_BOUNDARY_STRICT };
enum rky_null_cursor { RKY_NULL_CURSOR_FAIL, RKY_NULL_CURSOR_EXCLUDE, RKY_NULL_CURSOR_INCLUDE };
enum rky_on_existing { RKY_EXISTING_STOP, RKY_EXISTING_ADOPT, RKY_EXISTING_REBUILD };
enum rky_on_drift { RKY_DRIFT_EVOLVE, RKY_DRIFT_FAIL, RKY_DRIFT_REBUILD };
enum rky_severity { RKY_SEVERITY_ERROR, RKY_SEVERITY_WARNING };
enum rky_anomaly_mode { RKY_ANOMALY_MEAN, RKY_ANOMALY_ROBUST };
enum rky_state_backend {
    RKY_BACKEND_LOCAL,
    RKY_BACKEND_S3,
    RKY_BACKEND_VALKEY,
    RKY_BACKEND_TIERED
};
enum rky_on_failure { RKY_FAILURE_SKIP, RKY_FAILURE_FAIL, RKY_FAILURE_FRESH };
enum rky_lock_mode { RKY_LOCK_PREFER, RKY_LOCK_REQUIRE, RKY_LOCK_OFF };

/** @brief Text form of each enum, as written in rocky.toml. Never NULL. */
const char *rky_strategy_name(enum rky_strategy strategy);
const char *rky_boundary_name(enum rky_boundary boundary);
const char *rky_backend_name(enum rky_state_backend backend);
const char *rky_severity_name(enum rky_severity severity);

struct rky_retry_config {
    int64_t max_retries, initial_backoff_ms, max_backoff_ms;
    double backoff_multiplier;
    bool jitter;
    int64_t circuit_breaker_threshold, circuit_breaker_recovery_timeout_secs;
    int64_t max_retries_per_run; /**< -1 = unbounded */
};

struct rky_adapter_config {
    char *name; /**< "" for the bare [adapter] */
    char *type; /**< "sqlite", ... */
    char *path; /**< absolute; NULL when the type has none */
    char *url;  /**< secret; NULL when the type has none */
    struct rky_retry_config retry;
    int line;
};

struct rky_metadata_column {
    char *name, *type, *value; /**< value is a SQL expression */
};

/** One check's switch and severity. */
struct rky_check_switch {
    bool enabled;
    enum rky_severity severity;
};

struct rky_custom_check {
    char *name, *sql;
    double threshold;
    enum rky_severity severity;
};

struct rky_checks_config {
    bool enabled;
    struct rky_check_switch row_count, column_match, freshness, null_rate;
    int64_t freshness_threshold_seconds;
    double null_rate_threshold;
    struct rky_strings null_rate_columns;
    struct rky_custom_check *custom;
    size_t custom_count;
    double anomaly_threshold_pct;
    enum rky_anomaly_mode anomaly_mode;
    bool anomaly_gate;
};

/** pipeline.NAME.table.PATTERN: `has_*` says which keys were written. */
struct rky_table_override {
    char *pattern;
    bool has_strategy, has_timestamp_column, has_unique_key, has_boundary, has_lookback,
        has_null_cursor, has_checks, has_enabled;
    enum rky_strategy strategy;
    char *timestamp_column;
    struct rky_strings unique_key;
    enum rky_boundary boundary;
    int64_t lookback_seconds;
    enum rky_null_cursor null_cursor;
    struct rky_checks_config checks; /**< the pipeline's, with the keys written here on top */
    bool enabled;
    int line;
};

struct rky_pipeline_config {
    char *name;
    enum rky_strategy strategy;
    char *timestamp_column;
    enum rky_boundary boundary;
    char *namespace_; /**< resolved: the key, or the pipeline's name; NULL with namespace_from */
    char *namespace_from; /**< component name or NULL */
    struct rky_strings unique_key;
    enum rky_on_existing on_existing_target;
    int64_t lookback_seconds, safety_lag_seconds;
    enum rky_null_cursor null_cursor;
    enum rky_on_drift on_drift;
    struct rky_metadata_column *metadata_columns;
    size_t metadata_column_count;

    char *source_adapter_name;                       /**< resolved, also when left out */
    const struct rky_adapter_config *source_adapter; /**< borrowed from the config */
    char *source_catalog;
    char *pattern_prefix, *pattern_separator;
    struct rky_strings pattern_components; /**< "client", "regions...", "connector" */
    struct rky_strings tables_include, tables_exclude;

    char *target_adapter_name;                       /**< resolved, also when left out */
    const struct rky_adapter_config *target_adapter; /**< borrowed from the config */
    char *catalog_template, *schema_template;

    struct rky_table_override *overrides;
    size_t override_count;
    struct rky_checks_config checks;

    int64_t concurrency;
    bool fail_fast;
    int64_t error_rate_abort_pct, table_retries, lock_timeout_seconds;
    int line;
    struct rky_pipeline_digest *digest; /**< see rky_pipeline_digest() */
};

struct rky_state_config {
    enum rky_state_backend backend;
    char *s3_bucket, *s3_prefix, *s3_region, *s3_endpoint, *s3_sse, *s3_kms_key_id, *s3_ca_file;
    bool s3_path_style;
    char *valkey_url, *valkey_prefix, *valkey_ca_file, *valkey_cert_file, *valkey_key_file;
    int64_t transfer_timeout_seconds;
    enum rky_on_failure on_upload_failure;   /**< SKIP or FAIL */
    enum rky_on_failure on_download_failure; /**< FRESH or FAIL */
    char *local_dir;                         /**< absolute */
    char *encryption_key;
    int64_t retention_jobs, retention_jobs_days, retention_history;
    bool cas;
    enum rky_lock_mode lock_mode;
    int64_t lock_ttl_seconds, lock_wait_warn_seconds;
    bool lock_s3;
    struct rky_retry_config retry;
    int64_t history_keep_last, history_keep_days;
};

struct rky_kafka_property {
    char *name, *value;
    int line, column;
};

struct rky_queue_config {
    bool present; /**< a [queue] section was written */
    char *brokers, *topic_prefix, *group_id;
    bool create_topics;
    int64_t partitions, replication_factor;
    struct rky_kafka_property *kafka;
    size_t kafka_count;
};

struct rky_worker_config {
    int64_t concurrency; /**< resolved: 2 x cores by default */
    char *http_listen;
    bool http_listen_written;
    int64_t drain_grace_seconds;
    char *id; /**< resolved: host-pid by default */
};

struct rky_config {
    char *path;      /**< as given */
    char *directory; /**< of the file; relative paths are relative to it */
    struct rky_adapter_config *adapters;
    size_t adapter_count;
    struct rky_pipeline_config *pipelines;
    size_t pipeline_count;
    struct rky_state_config state;
    struct rky_queue_config queue;
    struct rky_worker_config worker;
    struct rky_strings secrets; /**< resolved secret values, for the log's redactor */
};

enum rky_problem_severity { RKY_PROBLEM_ERROR, RKY_PROBLEM_WARNING };

struct rky_problem {
    enum rky_problem_severity severity;
    char *file;
    int line, column; /**< 0 = the whole file */
    char *key;        /**< dotted path, "" when none */
    char *message;
    char *hint; /**< "" when none */
};

struct rky_problems {
    struct rky_problem *items;
    size_t count, capacity;
    size_t error_count;
};

void rky_problems_done(struct rky_problems *problems);
/** @brief Add one. @return 0 or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_problems_add(struct rky_problems *problems,
                                    enum rky_problem_severity severity, const char *file, int line,
                                    int column, const char *key, const char *hint,
                                    const char *format, ...) RKY_PRINTF(8, 9);
/** @brief "file:line:column: key: message (hint)" lines. */
void rky_problems_print(const struct rky_problems *problems, FILE *stream);

/**
 * @brief Load and validate a configuration file.
 * @param path         borrowed.
 * @param ret_config   owned, set only when there is no problem of severity error.
 * @param problems     filled with everything found; the caller frees it in both cases.
 * @return 0; RKY_ERR_CONFIG when there are errors (err holds the first and says how many);
 *         RKY_ERR_NOT_FOUND when the file is missing; RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_config_load(const char *path, struct rky_config **ret_config,
                                   struct rky_problems *problems, struct rky_error *err);
/** @brief The same from memory. @param directory for relative paths. */
RKY_MUST_CHECK int rky_config_parse(const char *text, size_t length, const char *path,
                                    const char *directory, struct rky_config **ret_config,
                                    struct rky_problems *problems, struct rky_error *err);
void rky_config_free(struct rky_config *config);

/** @brief By name; with @p name NULL the only one, else RKY_ERR_USAGE listing the choices.
 *  @param ret_pipeline borrowed. */
RKY_MUST_CHECK int rky_config_pipeline(const struct rky_config *config, const char *name,
                                       const struct rky_pipeline_config **ret_pipeline,
                                       struct rky_error *err);

/** @brief SHA-256, in hex, over what of the configuration decides a plan of this pipeline: itself
 *         and its adapters; not state, queue or worker. Secrets enter as they are, only the digest
 *         leaves. Key order and formatting of the file do not matter. Made when first asked for:
 *         most commands never ask, and starting the digests takes longer than they do.
 *  @return borrowed from the configuration; NULL when memory is out. Any thread. */
const char *rky_pipeline_digest(const struct rky_pipeline_config *pipeline);

/** What kind of value a key takes. */
enum rky_key_type {
    RKY_KEY_STRING,
    RKY_KEY_SECRET,
    RKY_KEY_PATH,
    RKY_KEY_BOOL,
    RKY_KEY_INTEGER,
    RKY_KEY_NUMBER,
    RKY_KEY_CHOICE,
    RKY_KEY_STRINGS,
    RKY_KEY_TABLES,  /**< array of tables; their keys are the rows below this path */
    RKY_KEY_FREE,    /**< any scalar below this path (queue.kafka.*) */
    RKY_KEY_NAMED,   /**< tables with names chosen by the user ("pipeline.*") */
    RKY_KEY_SECTION, /**< a table; `choices` names the section whose keys it shares, if any */
};

/** @brief "string", "integer", ... for the man page. Never NULL. */
const char *rky_key_type_name(enum rky_key_type type);

/** Which struct a key lands in. */
enum rky_key_owner {
    RKY_IN_CONFIG,
    RKY_IN_ADAPTER,
    RKY_IN_RETRY,
    RKY_IN_PIPELINE,
    RKY_IN_METADATA_COLUMN,
    RKY_IN_OVERRIDE,
    RKY_IN_CHECKS,
    RKY_IN_CUSTOM_CHECK,
    RKY_IN_STATE,
    RKY_IN_QUEUE,
    RKY_IN_KAFKA_PROPERTY,
    RKY_IN_WORKER,
};

/** Where the loader keeps a key's value. Of no interest to readers of the table. */
struct rky_key_slot {
    enum rky_key_owner owner;   /**< the struct that `offset` is relative to */
    enum rky_key_owner content; /**< of a section or list: the struct its keys land in */
    size_t offset, size;        /**< size 0 = validated, not kept */
    size_t written;             /**< offset of the bool that says the key was written, 0 = none */
    int first_choice;           /**< enum value of the first choice */
    bool may_be_empty;          /**< an empty text is fine */
    bool may_be_bare;           /**< of a NAMED table: it may itself be the only, unnamed element */
};

/** One row of the table; `*` in the path stands for a name chosen by the user, `[]` for the
 *  elements of an array of tables. */
struct rky_key {
    const char *path; /**< "pipeline.*.boundary" */
    enum rky_key_type type;
    const char *default_text; /**< as written in a file; prose in parentheses; NULL = none */
    const char *choices;      /**< "exact|strict", NULL unless CHOICE */
    double minimum, maximum;  /**< for numbers; minimum > maximum = unchecked */
    const char *required;     /**< "always", or when; NULL = optional */
    const char
        *unserved; /**< values this build cannot serve: "s3|valkey", "true", "any"; NULL = none */
    const char *help; /**< one sentence for the man page */
    struct rky_key_slot slot;
};

/** @brief The whole table. @param ret_count rows. Borrowed. */
const struct rky_key *rky_config_keys(size_t *ret_count);

#endif
