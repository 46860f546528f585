/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of problem that a rocky.toml can have: the exact text that people see, with file, line
 * and column. One row per kind.
 */
#include "config.h"

#include "tests/kit/check_main.h"
#include "tests/unit/config_kit.h"

static const struct problem_row ROWS[] = {
    {"nothing is wrong", PIPELINE, ""},

    /* the file as TOML */
    {"broken TOML", PIPELINE "boundary =\n",
     "c.toml:7:11: Error while parsing key-value pair: expected value, saw '\\n'\n"},
    {"a key twice", PIPELINE "boundary = \"exact\"\nboundary = \"strict\"\n",
     "c.toml:8:12: Error while parsing key-value pair: cannot redefine existing string "
     "'boundary'\n"},
    {"a table twice", PIPELINE "[state]\n[state]\n",
     "c.toml:8:1: Error while parsing table header: cannot redefine existing table 'state'\n"},
    {"not UTF-8", PIPELINE "# caf\xe9\n", "c.toml:7:6: the file is not UTF-8 text\n"},

    /* keys */
    {"unknown section", PIPELINE "[stat]\n",
     "c.toml:7:2: stat: unknown key 'stat' (did you mean 'state'?)\n"},
    {"unknown section, nothing near", PIPELINE "[governance]\n",
     "c.toml:7:2: governance: unknown key 'governance' (known here: adapter, pipeline, state, "
     "queue, worker)\n"},
    {"unknown key", PIPELINE "bundary = \"exact\"\n",
     "c.toml:7:1: pipeline.p.bundary: unknown key 'bundary' (did you mean 'boundary'?)\n"},
    {"unknown key in an inline table", PIPELINE "execution = { concurency = 3 }\n",
     "c.toml:7:15: pipeline.p.execution.concurency: unknown key 'concurency' (did you mean "
     "'concurrency'?)\n"},
    {"unknown key in an array of tables",
     PIPELINE "metadata_columns = [{ name = \"a\", type = \"b\", value = \"c\", tpye = 1 }]\n",
     "c.toml:7:60: pipeline.p.metadata_columns[0].tpye: unknown key 'tpye' (did you mean "
     "'type'?)\n"},
    {"a dotted key in quotes is no path", PIPELINE "\"execution.concurrency\" = 3\n",
     "c.toml:7:1: pipeline.p.\"execution.concurrency\": unknown key 'execution.concurrency' "
     "(known here: type, strategy, timestamp_column, boundary, namespace, namespace_from, "
     "unique_key, on_existing_target, lookback_seconds, safety_lag_seconds, null_cursor, on_drift, "
     "metadata_columns, source, target, checks, execution, table)\n"},
    {"a key that is a wildcard", PIPELINE "[\"*\"]\n",
     "c.toml:7:2: \"*\": unknown key '*' (known here: adapter, pipeline, state, queue, worker)\n"},
    {"keys of another level are not offered", PIPELINE "[state]\nmax_retries = 1\n",
     "c.toml:8:1: state.max_retries: unknown key 'max_retries' (known here: backend, local_dir, "
     "s3_bucket, s3_prefix, s3_region, s3_endpoint, s3_path_style, s3_sse, s3_kms_key_id, "
     "s3_ca_file, valkey_url, valkey_prefix, valkey_ca_file, valkey_cert_file, valkey_key_file, "
     "encryption_key, transfer_timeout_seconds, on_upload_failure, on_download_failure, "
     "concurrency_control, retention, lock, retry, history)\n"},
    {"a key of a shared section",
     "[adapter]\ntype = \"sqlite\"\npath = \"w\"\nretry.max_retry = 1\n[pipeline.p]\n" SOURCE
         TARGET,
     "c.toml:4:7: adapter.retry.max_retry: unknown key 'max_retry' (did you mean "
     "'max_retries'?)\n"},

    /* types */
    {"an integer for a string", PIPELINE "timestamp_column = 3\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected a string, found an integer\n"},
    {"a string for an integer", PIPELINE "lookback_seconds = \"3\"\n",
     "c.toml:7:20: pipeline.p.lookback_seconds: expected an integer, found a string\n"},
    {"a fraction for an integer", PIPELINE "lookback_seconds = 3.0\n",
     "c.toml:7:20: pipeline.p.lookback_seconds: expected an integer, found a number with a "
     "fraction\n"},
    {"a string for a boolean", PIPELINE "execution.fail_fast = \"true\"\n",
     "c.toml:7:23: pipeline.p.execution.fail_fast: expected true or false, found a string\n"},
    {"an integer for a check", PIPELINE "checks.row_count = 1\n",
     "c.toml:7:20: pipeline.p.checks.row_count: expected true or false, found an integer\n"},
    {"not a number", PIPELINE "checks.anomaly_threshold_pct = nan\n",
     "c.toml:7:32: pipeline.p.checks.anomaly_threshold_pct: expected a number, found nan\n"},
    {"a date for a string", PIPELINE "timestamp_column = 2024-01-01\n",
     "c.toml:7:20: pipeline.p.timestamp_column: expected a string, found a date\n"},
    {"a time for a choice", PIPELINE "boundary = 07:32:00\n",
     "c.toml:7:12: pipeline.p.boundary: expected a string, found a time\n"},
    {"infinity in an array of strings", PIPELINE "unique_key = [\"id\", -inf]\n",
     "c.toml:7:21: pipeline.p.unique_key[1]: expected a string, found -inf\n"},
    {"a date with time for an integer", PIPELINE "lookback_seconds = 2024-01-01T00:00:00Z\n",
     "c.toml:7:20: pipeline.p.lookback_seconds: expected an integer, found a date with time\n"},
    {"a date for a kafka property", PIPELINE "[queue.kafka]\n\"client.rack\" = 2024-01-01\n",
     "c.toml:8:17: queue.kafka.\"client.rack\": expected a string, a number, true or false, found "
     "a "
     "date\n"},
    {"a string for an array", PIPELINE "unique_key = \"id\"\n",
     "c.toml:7:14: pipeline.p.unique_key: expected an array of strings, found a string\n"},
    {"an integer in an array of strings", PIPELINE "unique_key = [\"id\", 7]\n",
     "c.toml:7:21: pipeline.p.unique_key[1]: expected a string, found an integer\n"},
    {"a table for an array of tables", PIPELINE "metadata_columns = {}\n",
     "c.toml:7:20: pipeline.p.metadata_columns: expected an array of tables, found a table\n"},
    {"a string in an array of tables", PIPELINE "metadata_columns = [\"a\"]\n",
     "c.toml:7:21: pipeline.p.metadata_columns[0]: expected a table, found a string\n"},
    {"a string for a table", PIPELINE "execution = \"fast\"\n",
     "c.toml:7:13: pipeline.p.execution: expected a table, found a string\n"},
    {"a boolean for a section", "state = true\n" PIPELINE,
     "c.toml:1:9: state: expected a table, found true\n"},
    {"a value for the named tables", "pipeline = false\n" WAREHOUSE,
     "c.toml:1:12: pipeline: expected a table, found false\n"},
    {"a value for a named table", WAREHOUSE "[pipeline]\np = []\n",
     "c.toml:5:5: pipeline.p: expected a table, found an array\n"},

    /* values */
    {"below the range", PIPELINE "execution.concurrency = 0\n",
     "c.toml:7:25: pipeline.p.execution.concurrency: expected 1 to 256, found 0\n"},
    {"above the range", PIPELINE "[worker]\nconcurrency = 1025\n",
     "c.toml:8:15: worker.concurrency: expected 1 to 1024, found 1025\n"},
    {"a negative duration", PIPELINE "safety_lag_seconds = -5\n",
     "c.toml:7:22: pipeline.p.safety_lag_seconds: expected 0 to 3155760000, found -5\n"},
    {"a number below the range", PIPELINE "checks.anomaly_threshold_pct = -0.5\n",
     "c.toml:7:32: pipeline.p.checks.anomaly_threshold_pct: expected 0 to 1000000000, found "
     "-0.5\n"},
    {"a typo in a choice", PIPELINE "strategy = \"incremetal\"\n",
     "c.toml:7:12: pipeline.p.strategy: expected 'incremental', 'full_refresh' or 'merge', found "
     "'incremetal' (did you mean 'incremental'?)\n"},
    {"a choice that is nothing near", PIPELINE "boundary = \"half-open\"\n",
     "c.toml:7:12: pipeline.p.boundary: expected 'exact' or 'strict', found 'half-open'\n"},
    {"an empty text", PIPELINE "timestamp_column = \"\"\n",
     "c.toml:7:20: pipeline.p.timestamp_column: must not be empty\n"},
    {"an empty text in an array", PIPELINE "unique_key = [\"\"]\n",
     "c.toml:7:15: pipeline.p.unique_key[0]: must not be empty\n"},

    {"no pipeline", WAREHOUSE "[state]\n",
     "c.toml:1:1: warning: pipeline: no pipeline is configured (write [pipeline.NAME] with source "
     "and target)\n"},
    /* known, but not in this build */
    {"adapter of a later build",
     "[adapter]\ntype = \"postgres\"\nurl = \"postgres://h/d\"\n[pipeline.p]\n" SOURCE TARGET,
     "c.toml:2:8: adapter.type: 'postgres' is not available in this build (available: "
     "'sqlite')\n"},
    {"strategy merge", PIPELINE "strategy = \"merge\"\nunique_key = [\"id\"]\n",
     "c.toml:7:12: pipeline.p.strategy: 'merge' is not available in this build (available: "
     "'incremental', 'full_refresh')\n"},
    {"strategy merge of a table",
     PIPELINE "[pipeline.p.table.\"*.a\"]\nstrategy = \"merge\"\nunique_key = [\"id\"]\n",
     "c.toml:8:12: pipeline.p.table.\"*.a\".strategy: 'merge' is not available in this build "
     "(available: 'incremental', 'full_refresh')\n"},
    {"check column_match", PIPELINE "checks = { enabled = true, column_match = true }\n",
     "c.toml:7:43: pipeline.p.checks.column_match: 'true' is not available in this build\n"},
    {"check column_match that is off", PIPELINE "checks.column_match = false\n", ""},
    {"check null_rate as a table", PIPELINE "checks.null_rate = { threshold = 0.1 }\n",
     "c.toml:7:20: pipeline.p.checks.null_rate: 'true' is not available in this build\n"},
    {"check null_rate switched on", PIPELINE "checks.null_rate = { enabled = true }\n",
     "c.toml:7:32: pipeline.p.checks.null_rate.enabled: 'true' is not available in this build\n"},
    {"check null_rate that is off", PIPELINE "checks.null_rate = { enabled = false }\n", ""},
    {"custom check", PIPELINE "checks.custom = [{ name = \"n\", sql = \"SELECT 0\" }]\n",
     "c.toml:7:18: pipeline.p.checks.custom[0]: 'custom' is not available in this build\n"},
    {"no custom check", PIPELINE "checks.custom = []\n", ""},
    {"anomaly mode robust", PIPELINE "checks.anomaly.mode = \"robust\"\n",
     "c.toml:7:23: pipeline.p.checks.anomaly.mode: 'robust' is not available in this build "
     "(available: 'mean')\n"},

    /* missing keys */
    {"adapter without type and path", "[adapter.w]\n[pipeline.p]\n" SOURCE TARGET,
     "c.toml:1:1: adapter.w.type: required key 'type' is missing\n"},
    {"sqlite without path", "[adapter]\ntype = \"sqlite\"\n[pipeline.p]\n" SOURCE TARGET,
     "c.toml:1:1: adapter.path: required key 'path' is missing: type 'sqlite' needs it\n"},
    {"sqlite with url",
     "[adapter]\ntype = \"sqlite\"\npath = \"w\"\nurl = \"u\"\n[pipeline.p]\n" SOURCE TARGET,
     "c.toml:4:7: adapter.url: an adapter of type 'sqlite' has no 'url' (remove it)\n"},
    {"pipeline without anything", WAREHOUSE "[pipeline.p]\n",
     "c.toml:4:1: pipeline.p.source.catalog: required key 'catalog' is missing\n"
     "c.toml:4:1: pipeline.p.source.schema_pattern.components: required key 'components' is "
     "missing\n"
     "c.toml:4:1: pipeline.p.target.catalog_template: required key 'catalog_template' is missing\n"
     "c.toml:4:1: pipeline.p.target.schema_template: required key 'schema_template' is missing\n"},
    {"target without schema_template",
     WAREHOUSE "[pipeline.p]\n" SOURCE "[pipeline.p.target]\ncatalog_template = \"t\"\n",
     "c.toml:6:1: pipeline.p.target.schema_template: required key 'schema_template' is missing\n"},
    {"metadata column without value",
     PIPELINE "[[pipeline.p.metadata_columns]]\nname = \"a\"\ntype = \"TEXT\"\n",
     "c.toml:7:1: pipeline.p.metadata_columns[0].value: required key 'value' is missing\n"},
    {"backend tiered without either", PIPELINE "[state]\nbackend = \"tiered\"\n",
     "c.toml:7:1: state.s3_bucket: required key 's3_bucket' is missing: backend 'tiered' needs it\n"
     "c.toml:7:1: state.valkey_url: required key 'valkey_url' is missing: backend 'tiered' needs "
     "it\n"},
    {"merge without unique_key", PIPELINE "strategy = \"merge\"\n",
     "c.toml:4:1: pipeline.p.unique_key: required key 'unique_key' is missing: strategy 'merge' "
     "needs it (name the columns that identify a row)\n"
     "c.toml:7:12: pipeline.p.strategy: 'merge' is not available in this build (available: "
     "'incremental', 'full_refresh')\n"},
    {"certificate without key", PIPELINE "[state]\nvalkey_cert_file = \"c\"\n",
     "c.toml:7:1: state.valkey_key_file: required key 'valkey_key_file' is missing: "
     "'valkey_cert_file' needs it\n"},

    /* adapters of a pipeline */
    {"unknown adapter",
     "[adapter.lake]\ntype = \"sqlite\"\npath = \"w\"\n[pipeline.p]\nsource.adapter = \"lane\"\n"
     "source.catalog = \"c\"\nsource.schema_pattern.components = [\"client\"]\n" TARGET,
     "c.toml:5:18: pipeline.p.source.adapter: unknown adapter 'lane' (did you mean 'lake'?)\n"},
    {"a name for the bare adapter",
     WAREHOUSE "[pipeline.p]\nsource.adapter = \"w\"\nsource.catalog = \"c\"\n"
               "source.schema_pattern.components = [\"client\"]\n" TARGET,
     "c.toml:5:18: pipeline.p.source.adapter: unknown adapter 'w' (the bare [adapter] has no name; "
     "leave the key out)\n"},
    {"several adapters and none chosen",
     "[adapter.a]\ntype = \"sqlite\"\npath = \"a\"\n[adapter.b]\ntype = \"sqlite\"\npath = \"b\"\n"
     "[pipeline.p]\n" SOURCE TARGET,
     "c.toml:8:10: pipeline.p.source.adapter: required key 'adapter' is missing: there are several "
     "adapters (known here: 'a', 'b')\n"
     "c.toml:9:10: pipeline.p.target.adapter: required key 'adapter' is missing: there are several "
     "adapters (known here: 'a', 'b')\n"},
    {"no adapter at all", "[pipeline.p]\n" SOURCE TARGET,
     "c.toml:2:10: pipeline.p.source.adapter: no adapter is configured (write [adapter] with type "
     "and path)\n"
     "c.toml:3:10: pipeline.p.target.adapter: no adapter is configured (write [adapter] with type "
     "and path)\n"},
    {"a bare adapter and a named one",
     WAREHOUSE "[adapter.more]\ntype = \"sqlite\"\npath = \"v\"\n",
     "c.toml:1:1: warning: pipeline: no pipeline is configured (write [pipeline.NAME] with source "
     "and target)\n"
     "c.toml:4:10: adapter.more: a bare [adapter] is the only one and has no named ones beside it "
     "(write [adapter.NAME] for each adapter when there are several)\n"},
};

START_TEST(test_a_problem_is_told_with_its_place)
{
    check_problem_row(&ROWS[_i]);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("problems");
    tcase_add_loop_test(tcase, test_a_problem_is_told_with_its_place, 0,
                        (int)(sizeof(ROWS) / sizeof(ROWS[0])));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
