/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of rocky.toml, once: its type, default, limits, what this build cannot serve, where its
 * value is kept, and the sentence that the manual page prints.
 *
 * Defaults, copies, release, digest and validation walk these rows, so a new key is one row and one
 * struct member. A default in parentheses is prose: code elsewhere decides it, and integers start
 * at -1 until then. Sections and lists stand before the keys inside them.
 */
#include <config.h>

#include "common/config.h"

#include <stddef.h>

#define KEEP(kind, type_, member)                                        \
    .slot.owner = (kind), .slot.offset = offsetof(struct type_, member), \
    .slot.size = sizeof(((struct type_ *)0)->member)
#define DROP(kind) .slot.owner = (kind)
#define CONFIG(member) KEEP(RKY_IN_CONFIG, rky_config, member)
#define ADAPTER(member) KEEP(RKY_IN_ADAPTER, rky_adapter_config, member)
#define RETRY(member) KEEP(RKY_IN_RETRY, rky_retry_config, member)
#define PIPELINE(member) KEEP(RKY_IN_PIPELINE, rky_pipeline_config, member)
#define COLUMN(member) KEEP(RKY_IN_METADATA_COLUMN, rky_metadata_column, member)
#define OVERRIDE(member) KEEP(RKY_IN_OVERRIDE, rky_table_override, member)
#define CHECKS(member) KEEP(RKY_IN_CHECKS, rky_checks_config, member)
#define CUSTOM(member) KEEP(RKY_IN_CUSTOM_CHECK, rky_custom_check, member)
#define STATE(member) KEEP(RKY_IN_STATE, rky_state_config, member)
#define QUEUE(member) KEEP(RKY_IN_QUEUE, rky_queue_config, member)
#define WORKER(member) KEEP(RKY_IN_WORKER, rky_worker_config, member)
#define WRITTEN(type_, member) .slot.written = offsetof(struct type_, member)

#define UNCHECKED .minimum = 1, .maximum = 0
#define KIND(type_, default_) .type = (type_), .default_text = (default_), UNCHECKED
#define STRING(default_) KIND(RKY_KEY_STRING, default_)
#define SECRET KIND(RKY_KEY_SECRET, NULL)
#define PATH(default_) KIND(RKY_KEY_PATH, default_)
#define BOOL(default_) KIND(RKY_KEY_BOOL, default_)
#define STRINGS(default_) KIND(RKY_KEY_STRINGS, default_)
#define CHOICE(default_, choices_) KIND(RKY_KEY_CHOICE, default_), .choices = (choices_)
#define INTEGER(default_, low, high) \
    .type = RKY_KEY_INTEGER, .default_text = (default_), .minimum = (low), .maximum = (high)
#define NUMBER(default_, low, high) \
    .type = RKY_KEY_NUMBER, .default_text = (default_), .minimum = (low), .maximum = (high)
#define SECTION(content_) KIND(RKY_KEY_SECTION, NULL), .slot.content = (content_)
#define NAMED(content_) KIND(RKY_KEY_NAMED, NULL), .slot.content = (content_)
#define TABLES(content_) KIND(RKY_KEY_TABLES, "[]"), .slot.content = (content_)
#define EMPTY_IS_FINE .slot.may_be_empty = true
#define REQUIRED .required = "always"

#define ADAPTER_TYPES "sqlite|postgres|duckdb|databricks|snowflake|fivetran"
#define STRATEGIES "incremental|full_refresh|merge"
#define BOUNDARIES "exact|strict"
#define NULL_CURSORS "fail|exclude|include"
#define SEVERITIES "error|warning"
#define DAY 86400.0
#define CENTURY (36525 * DAY)

/* A row of the table reads as one thought, not as a column of members. */
/* clang-format off */

/* One check: `NAME = true`, or a table with `enabled` and `severity`; writing the table turns the
 * check on. */
#define CHECK(name, member, unserved_, help_)                                                      \
    {.path = "pipeline.*.checks." name, BOOL("false"), CHECKS(member.enabled),                     \
     .unserved = (unserved_),                                                                      \
     .help = help_ "; true or false, or a table with the keys below"},                             \
    {.path = "pipeline.*.checks." name ".enabled", BOOL("(true in a table)"),                      \
     CHECKS(member.enabled), .unserved = (unserved_), .help = "whether the check is made"},        \
    {.path = "pipeline.*.checks." name ".severity", CHOICE("error", SEVERITIES),                   \
     CHECKS(member.severity),                                                                      \
     .help = "whether a failed check fails the run (exit 5) or only warns"}

static const struct rky_key KEYS[] = {
    {.path = "adapter.*", NAMED(RKY_IN_ADAPTER), CONFIG(adapters), .slot.may_be_bare = true,
     .help = "a warehouse; a bare [adapter] is the only one and needs no name"},
    {.path = "adapter.*.type", CHOICE(NULL, ADAPTER_TYPES), ADAPTER(type), REQUIRED,
     .unserved = "postgres|duckdb|databricks|snowflake|fivetran", .help = "the kind of warehouse"},
    {.path = "adapter.*.path", PATH(NULL), ADAPTER(path), .required = "for sqlite and duckdb",
     .help = "sqlite: directory with <catalog>/<schema>.db; duckdb: directory of <catalog>.duckdb"},
    {.path = "adapter.*.url", SECRET, ADAPTER(url), .required = "for postgres",
     .help = "postgres: connection URL; a catalog is a database"},
    {.path = "adapter.*.retry", SECTION(RKY_IN_RETRY), .choices = "state.retry", ADAPTER(retry),
     .help = "retries against this warehouse; the same keys and defaults as state.retry"},

    {.path = "pipeline.*", NAMED(RKY_IN_PIPELINE), CONFIG(pipelines),
     .help = "what is replicated from where to where"},
    {.path = "pipeline.*.type", CHOICE("replication", "replication"), DROP(RKY_IN_PIPELINE),
     .help = "the kind of pipeline"},
    {.path = "pipeline.*.strategy", CHOICE("incremental", STRATEGIES), PIPELINE(strategy),
     .unserved = "merge",
     .help = "copy new rows only, copy everything each time, or replace rows by unique_key"},
    {.path = "pipeline.*.timestamp_column", STRING("_fivetran_synced"), PIPELINE(timestamp_column),
     .help = "the cursor: a column that never falls for new and changed rows"},
    {.path = "pipeline.*.boundary", CHOICE("exact", BOUNDARIES), PIPELINE(boundary),
     .help = "exact: rows that tie with the watermark and arrived after it are copied too, once; "
             "strict: only rows above the watermark"},
    {.path = "pipeline.*.namespace", STRING("(the pipeline's name)"), PIPELINE(namespace_),
     .help = "unit of ordering, locking and state; [a-z0-9] then [a-z0-9_-], at most 63"},
    {.path = "pipeline.*.namespace_from", STRING(NULL), PIPELINE(namespace_from),
     .help = "component whose value is the namespace, so that each value has a state of its own"},
    {.path = "pipeline.*.unique_key", STRINGS("[]"), PIPELINE(unique_key),
     .required = "for strategy merge", .help = "columns that identify a row"},
    {.path = "pipeline.*.on_existing_target", CHOICE("stop", "stop|adopt|rebuild"),
     PIPELINE(on_existing_target),
     .help = "what to do with a target table that has rows and that nobody manages yet"},
    {.path = "pipeline.*.lookback_seconds", INTEGER("0", 0, CENTURY), PIPELINE(lookback_seconds),
     .help = "examine this much before the watermark again and copy what the target lacks"},
    {.path = "pipeline.*.safety_lag_seconds", INTEGER("0", 0, CENTURY),
     PIPELINE(safety_lag_seconds),
     .help = "keep the upper end of the window this far behind the source's clock"},
    {.path = "pipeline.*.null_cursor", CHOICE("fail", NULL_CURSORS), PIPELINE(null_cursor),
     .help = "what to do with rows whose cursor is NULL"},
    {.path = "pipeline.*.on_drift", CHOICE("evolve", "evolve|fail|rebuild"), PIPELINE(on_drift),
     .help = "when the source's columns change: add and widen, stop, or build anew beside"},
    {.path = "pipeline.*.metadata_columns[]", TABLES(RKY_IN_METADATA_COLUMN),
     PIPELINE(metadata_columns), .help = "columns that are added to each target table"},
    {.path = "pipeline.*.metadata_columns[].name", STRING(NULL), COLUMN(name), REQUIRED,
     .help = "name of the column"},
    {.path = "pipeline.*.metadata_columns[].type", STRING(NULL), COLUMN(type), REQUIRED,
     .help = "its type, in the words of the target"},
    {.path = "pipeline.*.metadata_columns[].value", STRING(NULL), COLUMN(value), REQUIRED,
     .help = "its value, a SQL expression"},

    {.path = "pipeline.*.source.adapter", STRING("(the only adapter)"),
     PIPELINE(source_adapter_name), .required = "with several adapters",
     .help = "the adapter to read from"},
    {.path = "pipeline.*.source.catalog", STRING(NULL), PIPELINE(source_catalog), REQUIRED,
     .help = "the catalog to read from"},
    {.path = "pipeline.*.source.schema_pattern.prefix", STRING(""), PIPELINE(pattern_prefix),
     EMPTY_IS_FINE, .help = "what the names of the schemas begin with"},
    {.path = "pipeline.*.source.schema_pattern.separator", STRING("__"),
     PIPELINE(pattern_separator), .help = "what stands between the components of a schema's name"},
    {.path = "pipeline.*.source.schema_pattern.components", STRINGS(NULL),
     PIPELINE(pattern_components), REQUIRED,
     .help = "names of the components; one of them may end in '...' and takes several values"},
    {.path = "pipeline.*.source.tables.include", STRINGS("[]"), PIPELINE(tables_include),
     .help = "globs on the table name; empty = all tables"},
    {.path = "pipeline.*.source.tables.exclude", STRINGS("[]"), PIPELINE(tables_exclude),
     .help = "globs on the table name that are left out, also when included"},
    {.path = "pipeline.*.target.adapter", STRING("(the only adapter)"),
     PIPELINE(target_adapter_name), .required = "with several adapters",
     .help = "the adapter to write to"},
    {.path = "pipeline.*.target.catalog_template", STRING(NULL), PIPELINE(catalog_template),
     REQUIRED, .help = "the target's catalog; {client} stands for a component of the schema name"},
    {.path = "pipeline.*.target.schema_template", STRING(NULL), PIPELINE(schema_template), REQUIRED,
     .help = "the target's schema; {regions:__} joins several values by what follows the colon"},

    {.path = "pipeline.*.checks", SECTION(RKY_IN_CHECKS), PIPELINE(checks),
     .help = "what is verified after each copy"},
    {.path = "pipeline.*.checks.enabled", BOOL("false"), CHECKS(enabled),
     .help = "whether any check is made"},
    CHECK("row_count", row_count, NULL, "rows of the window in the source = rows copied"),
    CHECK("column_match", column_match, "true", "source and target have the same columns"),
    CHECK("freshness", freshness, NULL, "the newest row is not older than a threshold"),
    {.path = "pipeline.*.checks.freshness.threshold_seconds", INTEGER("86400", 0, CENTURY),
     CHECKS(freshness_threshold_seconds), .help = "greatest age of the newest row"},
    CHECK("null_rate", null_rate, "true", "share of NULL values per column"),
    {.path = "pipeline.*.checks.null_rate.threshold", NUMBER("0.0", 0, 1),
     CHECKS(null_rate_threshold), .help = "greatest share of NULL, 0 to 1"},
    {.path = "pipeline.*.checks.null_rate.columns", STRINGS("[]"), CHECKS(null_rate_columns),
     .help = "columns to look at; empty = all"},
    {.path = "pipeline.*.checks.custom[]", TABLES(RKY_IN_CUSTOM_CHECK), CHECKS(custom),
     .unserved = "any", .help = "checks written in SQL"},
    {.path = "pipeline.*.checks.custom[].name", STRING(NULL), CUSTOM(name), REQUIRED,
     .help = "name of the check"},
    {.path = "pipeline.*.checks.custom[].sql", STRING(NULL), CUSTOM(sql), REQUIRED,
     .help = "query that yields one number"},
    {.path = "pipeline.*.checks.custom[].threshold", NUMBER("0.0", -1e300, 1e300),
     CUSTOM(threshold), .help = "the check fails when the number is above this"},
    {.path = "pipeline.*.checks.custom[].severity", CHOICE("error", SEVERITIES), CUSTOM(severity),
     .help = "whether a failed check fails the run (exit 5) or only warns"},
    {.path = "pipeline.*.checks.anomaly_threshold_pct", NUMBER("50.0", 0, 1e9),
     CHECKS(anomaly_threshold_pct),
     .help = "a row count that deviates more than this from its history is an anomaly; 0 = off"},
    {.path = "pipeline.*.checks.anomaly.mode", CHOICE("mean", "mean|robust"), CHECKS(anomaly_mode),
     .unserved = "robust", .help = "how the history is summed up"},
    {.path = "pipeline.*.checks.anomaly.gate", BOOL("false"), CHECKS(anomaly_gate),
     .help = "whether an anomaly ends the run with exit 5"},

    {.path = "pipeline.*.execution.concurrency", INTEGER("4", 1, 256), PIPELINE(concurrency),
     .help = "tables that are copied at the same time"},
    {.path = "pipeline.*.execution.fail_fast", BOOL("false"), PIPELINE(fail_fast),
     .help = "whether the first failed table stops the others"},
    {.path = "pipeline.*.execution.error_rate_abort_pct", INTEGER("50", 0, 100),
     PIPELINE(error_rate_abort_pct),
     .help = "abort when more than this share of the tables failed, once ten have finished"},
    {.path = "pipeline.*.execution.table_retries", INTEGER("1", 0, 100), PIPELINE(table_retries),
     .help = "how often a table that failed is tried again"},
    {.path = "pipeline.*.execution.lock_timeout_seconds", INTEGER("30", 0, DAY),
     PIPELINE(lock_timeout_seconds), .help = "how long to wait for a source or target that is busy"},

    {.path = "pipeline.*.table.*", NAMED(RKY_IN_OVERRIDE), PIPELINE(overrides),
     .help = "exceptions for tables whose 'schema.table' matches this glob; the most specific "
             "pattern wins"},
    {.path = "pipeline.*.table.*.strategy", CHOICE("(the pipeline's)", STRATEGIES),
     OVERRIDE(strategy), WRITTEN(rky_table_override, has_strategy), .unserved = "merge",
     .help = "as pipeline.*.strategy"},
    {.path = "pipeline.*.table.*.timestamp_column", STRING("(the pipeline's)"),
     OVERRIDE(timestamp_column), WRITTEN(rky_table_override, has_timestamp_column),
     .help = "as pipeline.*.timestamp_column"},
    {.path = "pipeline.*.table.*.unique_key", STRINGS("(the pipeline's)"), OVERRIDE(unique_key),
     WRITTEN(rky_table_override, has_unique_key), .help = "as pipeline.*.unique_key"},
    {.path = "pipeline.*.table.*.boundary", CHOICE("(the pipeline's)", BOUNDARIES),
     OVERRIDE(boundary), WRITTEN(rky_table_override, has_boundary),
     .help = "as pipeline.*.boundary"},
    {.path = "pipeline.*.table.*.lookback_seconds", INTEGER("(the pipeline's)", 0, CENTURY),
     OVERRIDE(lookback_seconds), WRITTEN(rky_table_override, has_lookback),
     .help = "as pipeline.*.lookback_seconds"},
    {.path = "pipeline.*.table.*.null_cursor", CHOICE("(the pipeline's)", NULL_CURSORS),
     OVERRIDE(null_cursor), WRITTEN(rky_table_override, has_null_cursor),
     .help = "as pipeline.*.null_cursor"},
    {.path = "pipeline.*.table.*.enabled", BOOL("true"), OVERRIDE(enabled),
     WRITTEN(rky_table_override, has_enabled), .help = "false leaves the table out"},
    {.path = "pipeline.*.table.*.checks", SECTION(RKY_IN_CHECKS), .choices = "pipeline.*.checks",
     OVERRIDE(checks), WRITTEN(rky_table_override, has_checks),
     .help = "the keys of pipeline.*.checks; what is not written here is as in the pipeline"},

    {.path = "state", SECTION(RKY_IN_STATE), CONFIG(state),
     .help = "where watermarks, history and runs are kept"},
    {.path = "state.backend", CHOICE("local", "local|s3|valkey|tiered"), STATE(backend),
     .help = "where the state survives this machine"},
    {.path = "state.local_dir", PATH(".rocky-state"), STATE(local_dir),
     .help = "directory of the state files"},
    {.path = "state.s3_bucket", STRING(NULL), STATE(s3_bucket), .required = "by s3 and tiered",
     .help = "the bucket"},
    {.path = "state.s3_prefix", STRING("rocky/state/"), STATE(s3_prefix), EMPTY_IS_FINE,
     .help = "what the objects' keys begin with"},
    {.path = "state.s3_region", STRING(NULL), STATE(s3_region), .help = "the bucket's region"},
    {.path = "state.s3_endpoint", STRING(NULL), STATE(s3_endpoint),
     .help = "http:// or https:// address of another S3 server than Amazon's"},
    {.path = "state.s3_path_style", BOOL("false"), STATE(s3_path_style),
     .help = "whether the bucket stands in the path instead of the host name"},
    {.path = "state.s3_sse", CHOICE(NULL, "AES256|aws:kms|aws:kms:dsse"), STATE(s3_sse),
     .help = "server-side encryption to ask for"},
    {.path = "state.s3_kms_key_id", STRING(NULL), STATE(s3_kms_key_id),
     .help = "key for s3_sse = \"aws:kms\""},
    {.path = "state.s3_ca_file", PATH(NULL), STATE(s3_ca_file),
     .help = "certificates that the S3 server is verified with"},
    {.path = "state.valkey_url", SECRET, STATE(valkey_url), .required = "by valkey and tiered",
     .help = "valkey://, valkeys://, redis://, rediss:// or unix:// address"},
    {.path = "state.valkey_prefix", STRING("rocky:state:"), STATE(valkey_prefix), EMPTY_IS_FINE,
     .help = "what the keys in Valkey begin with"},
    {.path = "state.valkey_ca_file", PATH(NULL), STATE(valkey_ca_file),
     .help = "certificates that the Valkey server is verified with"},
    {.path = "state.valkey_cert_file", PATH(NULL), STATE(valkey_cert_file),
     .help = "our certificate for Valkey"},
    {.path = "state.valkey_key_file", PATH(NULL), STATE(valkey_key_file),
     .help = "the private key of valkey_cert_file"},
    {.path = "state.encryption_key", SECRET, STATE(encryption_key),
     .help = "key that snapshots are encrypted with before they leave this machine"},
    {.path = "state.transfer_timeout_seconds", INTEGER("300", 1, DAY),
     STATE(transfer_timeout_seconds),
     .help = "wall clock of one transfer: all attempts, both tiers, credentials included"},
    {.path = "state.on_upload_failure", CHOICE("skip", "skip|fail"), STATE(on_upload_failure),
     .help = "whether a run goes on when its state could not be uploaded"},
    {.path = "state.on_download_failure", CHOICE("fresh", "fail|fresh"), STATE(on_download_failure),
     .slot.first_choice = RKY_FAILURE_FAIL,
     .help = "fresh: start from the target's own metadata when the state cannot be read"},
    {.path = "state.concurrency_control", CHOICE("cas", "off|cas"), STATE(cas),
     .help = "cas: an upload replaces only the version that was read"},
    {.path = "state.retention.jobs", INTEGER("10000", 1, 1e9), STATE(retention_jobs),
     .help = "recorded job results that are kept"},
    {.path = "state.retention.jobs_days", INTEGER("14", 1, 36525), STATE(retention_jobs_days),
     .help = "days that recorded job results are kept"},
    {.path = "state.retention.history", INTEGER("200", 1, 1e6), STATE(retention_history),
     .help = "row counts that are kept per table"},
    {.path = "state.lock.mode", CHOICE("prefer", "prefer|require|off"), STATE(lock_mode),
     .help = "whether a run needs the lease of its namespace"},
    {.path = "state.lock.ttl_seconds", INTEGER("30", 1, DAY), STATE(lock_ttl_seconds),
     .help = "how long a lease lives without renewal"},
    {.path = "state.lock.wait_warn_seconds", INTEGER("300", 0, CENTURY),
     STATE(lock_wait_warn_seconds), .help = "warn when a job waited this long for its namespace"},
    {.path = "state.lock.s3", BOOL("false"), STATE(lock_s3),
     .help = "keep the lease in S3 where there is no Valkey"},
    {.path = "state.retry", SECTION(RKY_IN_RETRY), STATE(retry),
     .help = "retries and circuit breaker of every transfer"},
    {.path = "state.retry.max_retries", INTEGER("3", 0, 1000), RETRY(max_retries),
     .help = "attempts after the first"},
    {.path = "state.retry.initial_backoff_ms", INTEGER("1000", 0, 3.6e6), RETRY(initial_backoff_ms),
     .help = "wait before the first retry"},
    {.path = "state.retry.max_backoff_ms", INTEGER("30000", 0, 3.6e6), RETRY(max_backoff_ms),
     .help = "longest wait before a retry"},
    {.path = "state.retry.backoff_multiplier", NUMBER("2.0", 1, 100), RETRY(backoff_multiplier),
     .help = "how much longer each wait is than the one before"},
    {.path = "state.retry.jitter", BOOL("true"), RETRY(jitter),
     .help = "draw each wait from the upper half of its length"},
    {.path = "state.retry.circuit_breaker_threshold", INTEGER("5", 0, 1e6),
     RETRY(circuit_breaker_threshold),
     .help = "failures in a row that open the breaker; 0 = never"},
    {.path = "state.retry.circuit_breaker_recovery_timeout_secs", INTEGER("30", 0, CENTURY),
     RETRY(circuit_breaker_recovery_timeout_secs),
     .help = "how long it stays open before one probe; 0 = until SIGHUP"},
    {.path = "state.retry.max_retries_per_run", INTEGER("(unbounded)", 0, 1e9),
     RETRY(max_retries_per_run), .help = "retries of all transfers of a run together; 0 = none"},
    {.path = "state.history.keep_last", INTEGER("20", 0, 1e6), STATE(history_keep_last),
     .help = "snapshots that are kept for state restore"},
    {.path = "state.history.keep_days", INTEGER("7", 0, 36525), STATE(history_keep_days),
     .help = "days that snapshots are kept for state restore"},

    {.path = "queue", SECTION(RKY_IN_QUEUE), CONFIG(queue), WRITTEN(rky_config, queue.present),
     .help = "Kafka: where jobs come from and events go to"},
    {.path = "queue.brokers", STRING("localhost:9092"), QUEUE(brokers),
     .help = "host:port of some brokers, separated by commas"},
    {.path = "queue.topic_prefix", STRING("rocky"), QUEUE(topic_prefix),
     .help = "what the topics' names begin with"},
    {.path = "queue.group_id", STRING("rocky-workers"), QUEUE(group_id),
     .help = "consumer group of the workers"},
    {.path = "queue.create_topics", BOOL("true"), QUEUE(create_topics),
     .help = "create topics that are missing; existing ones are checked, never changed"},
    {.path = "queue.partitions", INTEGER("12", 1, 10000), QUEUE(partitions),
     .help = "partitions of a topic that is created"},
    {.path = "queue.replication_factor", INTEGER("-1", -1, 32767), QUEUE(replication_factor),
     .help = "copies of a topic that is created; -1 = the broker's default"},
    {.path = "queue.kafka.*", KIND(RKY_KEY_FREE, NULL), .slot.content = RKY_IN_KAFKA_PROPERTY,
     QUEUE(kafka), .help = "any property of librdkafka: TLS, SASL, tuning"},

    {.path = "worker", SECTION(RKY_IN_WORKER), CONFIG(worker), .help = "rocky-worker"},
    {.path = "worker.concurrency", INTEGER("(2 x cores)", 1, 1024), WORKER(concurrency),
     .help = "jobs that run at the same time; where most copy little they wait for disk and network, "
             "and 8 x cores do more"},
    {.path = "worker.http_listen", STRING("127.0.0.1:9464"), WORKER(http_listen),
     WRITTEN(rky_worker_config, http_listen_written),
     .help = "address and port of metrics and health; port 0 = a free one"},
    {.path = "worker.drain_grace_seconds", INTEGER("60", 0, DAY), WORKER(drain_grace_seconds),
     .help = "how long running tables may take to finish after SIGTERM"},
    {.path = "worker.id", STRING("(host-pid)"), WORKER(id),
     .help = "this worker's name in events and logs"},
};
/* clang-format on */

const struct rky_key *rky_config_keys(size_t *ret_count)
{
    *ret_count = sizeof(KEYS) / sizeof(KEYS[0]);
    return KEYS;
}
