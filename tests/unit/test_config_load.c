/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loaded rocky.toml holds: references filled in, secrets known, paths absolute, overrides on
 * top of the pipeline, Kafka properties flat, the digest; and files that cannot be loaded.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/config_kit.h"

/* --- the product's example ----------------------------------------------------------------- */

START_TEST(test_the_products_example_loads)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    const struct rky_pipeline_config *pipeline = NULL;

    int rc = rky_config_load(TEST_DATA "/bronze.toml", &config, &problems, &err);

    ck_assert_msg(rc == RKY_OK, "%s", err.message);
    ck_assert_uint_eq(problems.count, 0);
    ck_assert_int_eq(rky_config_pipeline(config, NULL, &pipeline, &err), RKY_OK);
    ck_assert_str_eq(pipeline->name, "bronze");
    ck_assert_str_eq(pipeline->namespace_, "bronze");
    ck_assert_str_eq(pipeline->pattern_prefix, "src__");
    ck_assert_str_eq(pipeline->pattern_separator, "__");
    ck_assert_uint_eq(pipeline->pattern_components.count, 3);
    ck_assert_str_eq(pipeline->pattern_components.items[1], "regions...");
    ck_assert_str_eq(pipeline->schema_template, "staging__{regions:__}__{connector}");
    ck_assert_str_eq(pipeline->metadata_columns[0].name, "_loaded_by");
    ck_assert(pipeline->checks.enabled && pipeline->checks.row_count.enabled);
    ck_assert(pipeline->checks.freshness.enabled);
    ck_assert_int_eq(pipeline->checks.freshness_threshold_seconds, 86400);
    ck_assert_ptr_eq(pipeline->source_adapter, &config->adapters[0]);
    ck_assert_ptr_eq(pipeline->target_adapter, &config->adapters[0]);
    ck_assert_str_eq(config->adapters[0].name, "");
    ck_assert_str_eq(config->adapters[0].path, TEST_DATA "/warehouse");
    ck_assert_str_eq(config->state.local_dir, TEST_DATA "/.rocky-state");
    rky_config_free(config);
    rky_problems_done(&problems);
}
END_TEST

/* --- references ---------------------------------------------------------------------------- */

static const struct {
    const char *written;
    const char *result;
} REFERENCES[] = {
    {"plain", "plain"},
    {"${RKY_TEST_A}", "alpha"},
    {"<${RKY_TEST_A}-${RKY_TEST_B}>", "<alpha-beta>"},
    {"${RKY_TEST_NONE:-other}", "other"},
    {"${RKY_TEST_EMPTY:-other}", "other"},
    {"x${RKY_TEST_EMPTY}y", "xy"},
    {"${RKY_TEST_A:-${RKY_TEST_NONE}}", "alpha"},
    {"${RKY_TEST_NONE:-[${RKY_TEST_NONE:-${RKY_TEST_B}}]}", "[beta]"},
    {"${RKY_TEST_NONE:-a:-b}", "a:-b"},
    {"$${RKY_TEST_A}", "${RKY_TEST_A}"},
    {"${RKY_TEST_NONE:-$${x}", "${x"},
    {"$$ costs $5 and }", "$$ costs $5 and }"},
    {"${RKY_TEST_DOLLAR}", "${RKY_TEST_A}"},
    {"${file:secret.txt}", "from file"},
    {"${file:${RKY_TEST_NAME}.txt}", "from file"},
    {"${file:two.txt}", "one\n"},
    {"${file:crlf.txt}", "windows"},
    {"${RKY_TEST_A:-${file:absent.txt}}", "alpha"},
};

static void set_up_references(char *directory, size_t size)
{
    struct rky_error err = {0};
    static const char *const files[][2] = {
        {"secret.txt", "from file\n"}, {"two.txt", "one\n\n"}, {"crlf.txt", "windows\r\n"}};

    (void)snprintf(directory, size, "%s", rky_test_directory());
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = rky_path_join(directory, files[i][0]);
        ck_assert_int_eq(rky_write_file_atomic(path, files[i][1], strlen(files[i][1]), &err), 0);
        rky_free(path);
    }
    ck_assert_int_eq(setenv("RKY_TEST_A", "alpha", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_B", "beta", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_EMPTY", "", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_DOLLAR", "${RKY_TEST_A}", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_NAME", "secret", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_NUMBER", "7", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_TRUE", "true", 1), 0);
    ck_assert_int_eq(setenv("RKY_TEST_LATIN", "caf\xe9", 1), 0);
}

static struct rky_config *config_in(const char *directory, const char *text)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    int rc = rky_config_parse(text, strlen(text), "c.toml", directory, &config, &problems, &err);
    ck_assert_msg(rc == RKY_OK, "%s", err.message);
    rky_problems_done(&problems);
    return config;
}

START_TEST(test_references_are_filled_in)
{
    char directory[4096];
    set_up_references(directory, sizeof(directory));
    char *text = rky_asprintf(PIPELINE "timestamp_column = '%s'\n", REFERENCES[_i].written);

    struct rky_config *config = config_in(directory, text);

    ck_assert_str_eq(config->pipelines[0].timestamp_column, REFERENCES[_i].result);
    rky_config_free(config);
    rky_free(text);
}
END_TEST

START_TEST(test_numbers_and_booleans_may_come_from_the_environment)
{
    char directory[4096];
    set_up_references(directory, sizeof(directory));

    struct rky_config *config = config_in(
        directory, PIPELINE "execution = { concurrency = \"${RKY_TEST_NUMBER}\", fail_fast = "
                            "\"${RKY_TEST_TRUE}\" }\n"
                            "checks.anomaly_threshold_pct = \"${RKY_TEST_NUMBER}.5\"\n");

    ck_assert_int_eq(config->pipelines[0].concurrency, 7);
    ck_assert(config->pipelines[0].fail_fast);
    ck_assert(config->pipelines[0].checks.anomaly_threshold_pct > 7.4 &&
              config->pipelines[0].checks.anomaly_threshold_pct < 7.6);
    rky_config_free(config);
}
END_TEST

START_TEST(test_a_variable_that_is_not_utf8_is_refused)
{
    char directory[4096];
    set_up_references(directory, sizeof(directory));

    check_problem_row(&(struct problem_row){
        "latin", PIPELINE "timestamp_column = \"${RKY_TEST_LATIN}\"\n",
        "c.toml:7:20: pipeline.p.timestamp_column: no UTF-8 in environment variable "
        "'RKY_TEST_LATIN'\n"});
}
END_TEST

START_TEST(test_a_file_that_is_not_text_is_refused)
{
    char directory[4096];
    struct rky_error err = {0};
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    static const char text[] = PIPELINE "timestamp_column = \"${file:nul.bin}\"\n";
    set_up_references(directory, sizeof(directory));
    char *path = rky_path_join(directory, "nul.bin");
    ck_assert_int_eq(rky_write_file_atomic(path, "a\0b", 3, &err), 0);

    int rc = rky_config_parse(text, strlen(text), "c.toml", directory, &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "c.toml:7:20: pipeline.p.timestamp_column: no UTF-8 text in file "
                                  "'nul.bin'");
    rky_problems_done(&problems);
    rky_free(path);
}
END_TEST

/* --- secrets ------------------------------------------------------------------------------- */

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(test_secrets_are_collected)
{
    char directory[4096];
    set_up_references(directory, sizeof(directory));
    static const char *const wanted[] = {
        "from file",            /* a file, in a key that is no secret */
        KEY,                    /* a secret key, written plainly */
        "valkey://me:p%40ss@h", /* a secret address, whole */
        "p%40ss",               /* its password as written */
        "p@ss",                 /* and as it is */
        "under:cover@x",        /* a password in an address of another key */
        "hunter2",
        "-----BEGIN",
        "alpha",
        "nothing to see", /* properties with telling names */
    };

    struct rky_config *config =
        config_in(directory, PIPELINE "timestamp_column = \"${file:secret.txt}\"\n"
                                      "[state]\nencryption_key = \"" KEY "\"\n"
                                      "valkey_url = \"valkey://me:p%40ss@h\"\n"
                                      "s3_prefix = \"http://me:under:cover@x@host/path@\"\n"
                                      "[queue.kafka]\nsasl.password = \"hunter2\"\n"
                                      "ssl.key.pem = \"-----BEGIN\"\n"
                                      "sasl.oauthbearer.client.secret = \"${RKY_TEST_A}\"\n"
                                      "sasl.jaas.config = \"nothing to see\"\n"
                                      "session.timeout.ms = 6000\n");

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        ck_assert_msg(rky_strings_has(&config->secrets, wanted[i]), "'%s' is not known", wanted[i]);
    ck_assert_uint_eq(config->secrets.count, sizeof(wanted) / sizeof(wanted[0]));
    rky_config_free(config);
}
END_TEST

START_TEST(test_a_secret_never_enters_a_message)
{
    char directory[4096];
    set_up_references(directory, sizeof(directory));
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    static const char text[] = PIPELINE "boundary = \"${file:secret.txt}\"\n"
                                        "lookback_seconds = \"${file:secret.txt}\"\n"
                                        "[state]\nvalkey_url = \"from file\"\n";
    char *printed = NULL;
    size_t length = 0;

    int rc = rky_config_parse(text, strlen(text), "c.toml", directory, &config, &problems, &err);

    ck_assert_int_eq(rc, RKY_ERR_CONFIG);
    FILE *stream = open_memstream(&printed, &length);
    rky_problems_print(&problems, stream);
    ck_assert_int_eq(fclose(stream), 0);
    ck_assert_str_eq(
        printed,
        "c.toml:7:12: pipeline.p.boundary: expected 'exact' or 'strict', found a value "
        "that is not shown\n"
        "c.toml:8:20: pipeline.p.lookback_seconds: expected an integer, found a value that "
        "is not shown\n"
        "c.toml:10:14: state.valkey_url: expected an address that begins with valkey://, "
        "valkeys://, redis://, rediss:// or unix://\n");
    free(printed);
    rky_problems_done(&problems);
}
END_TEST

/* --- overrides, properties, paths ---------------------------------------------------------- */

START_TEST(test_checks_of_a_table_lie_on_top_of_the_pipelines)
{
    struct rky_config *config =
        config_of(PIPELINE "[pipeline.p.table.\"*.a\"]\n"
                           "checks = { freshness = { severity = \"warning\" } }\n"
                           "boundary = \"strict\"\n"
                           "[pipeline.p.table.\"*.b\"]\n"
                           "checks.row_count = false\n"
                           "[pipeline.p.table.\"*.c\"]\n"
                           "[pipeline.p.checks]\n"
                           "enabled = true\nrow_count = true\n"
                           "freshness = { enabled = false, threshold_seconds = 60 }\n");
    const struct rky_table_override *a = &config->pipelines[0].overrides[0];
    const struct rky_table_override *b = &config->pipelines[0].overrides[1];
    const struct rky_table_override *c = &config->pipelines[0].overrides[2];

    ck_assert_str_eq(a->pattern, "*.a");
    ck_assert(a->has_checks && a->has_boundary && !a->has_strategy && !a->has_enabled);
    ck_assert_int_eq(a->boundary, RKY_BOUNDARY_STRICT);
    ck_assert(a->checks.enabled && a->checks.row_count.enabled && a->checks.freshness.enabled);
    ck_assert_int_eq(a->checks.freshness.severity, RKY_SEVERITY_WARNING);
    ck_assert_int_eq(a->checks.freshness_threshold_seconds, 60);
    ck_assert(b->checks.enabled && !b->checks.row_count.enabled && !b->checks.freshness.enabled);
    ck_assert(!c->has_checks && c->checks.row_count.enabled && c->enabled);
    ck_assert_int_eq(a->line, 7);
    rky_config_free(config);
}
END_TEST

START_TEST(test_kafka_properties_are_flat_and_keep_their_lines)
{
    struct rky_config *config = config_of(PIPELINE "[queue.kafka]\n"
                                                   "session.timeout.ms = 3000\n"
                                                   "\"linger.ms\" = 0.5\n"
                                                   "socket.keepalive.enable = true\n"
                                                   "client.id = \"x\"\n");
    static const char *const wanted[][2] = {{"session.timeout.ms", "3000"},
                                            {"linger.ms", "0.5"},
                                            {"socket.keepalive.enable", "true"},
                                            {"client.id", "x"}};

    ck_assert(config->queue.present);
    ck_assert_uint_eq(config->queue.kafka_count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(config->queue.kafka[i].name, wanted[i][0]);
        ck_assert_str_eq(config->queue.kafka[i].value, wanted[i][1]);
        ck_assert_int_eq(config->queue.kafka[i].line, 8 + (int)i);
    }
    rky_config_free(config);
}
END_TEST

START_TEST(test_relative_paths_start_at_the_file_and_a_tilde_is_a_name)
{
    struct rky_config *config =
        config_of("[adapter.a]\ntype = \"sqlite\"\npath = \"~/w\"\n[adapter.b]\ntype = \"sqlite\"\n"
                  "path = \"/abs\"\n[state]\nlocal_dir = \"../s\"\ns3_ca_file = \"ca\"\n");

    ck_assert_str_eq(config->adapters[0].path, "/srv/~/w");
    ck_assert_str_eq(config->adapters[1].path, "/abs");
    ck_assert_str_eq(config->state.local_dir, "/srv/../s");
    ck_assert_str_eq(config->state.s3_ca_file, "/srv/ca");
    ck_assert_int_eq(config->adapters[1].line, 4);
    rky_config_free(config);
}
END_TEST

START_TEST(test_a_relative_directory_becomes_absolute)
{
    char here[4096];
    char wanted[4200];
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));

    struct rky_config *config = config_in(".", PIPELINE);

    (void)snprintf(wanted, sizeof(wanted), "%s/w", here);
    ck_assert_str_eq(config->adapters[0].path, wanted);
    rky_config_free(config);
}
END_TEST

START_TEST(test_a_single_named_adapter_need_not_be_named_again)
{
    struct rky_config *config =
        config_of("[adapter.lake]\ntype = \"sqlite\"\npath = \"w\"\n[pipeline.p]\n" SOURCE TARGET);

    ck_assert_str_eq(config->pipelines[0].source_adapter_name, "lake");
    ck_assert_ptr_eq(config->pipelines[0].target_adapter, &config->adapters[0]);
    rky_config_free(config);
}
END_TEST

/* --- choosing a pipeline, digest ----------------------------------------------------------- */

START_TEST(test_a_pipeline_is_chosen_by_name)
{
    struct rky_config *config = config_of(PIPELINE "[pipeline.q]\n" SOURCE TARGET);
    const struct rky_pipeline_config *pipeline = NULL;
    struct rky_error err = {0};

    ck_assert_int_eq(rky_config_pipeline(config, "q", &pipeline, &err), RKY_OK);
    ck_assert_str_eq(pipeline->name, "q");
    ck_assert_int_eq(rky_config_pipeline(config, NULL, &pipeline, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "'c.toml' has several pipelines: name one");
    ck_assert_str_eq(err.hint, "--pipeline with one of 'p', 'q'");
    rky_error_clear(&err);
    ck_assert_int_eq(rky_config_pipeline(config, "x", &pipeline, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "unknown pipeline 'x'");
    rky_config_free(config);

    config = config_of(WAREHOUSE);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_config_pipeline(config, NULL, &pipeline, &err), RKY_ERR_CONFIG);
    ck_assert_str_eq(err.message, "no pipeline is configured in 'c.toml'");
    rky_config_free(config);
}
END_TEST

static void digest_of(const char *text, char ret_hex[RKY_SHA256_HEX])
{
    struct rky_config *config = config_of(text);
    (void)snprintf(ret_hex, RKY_SHA256_HEX, "%s", rky_pipeline_digest(config->pipelines));
    rky_config_free(config);
}

#define OVERRIDES_AB \
    "[pipeline.p.table.\"*.a\"]\nenabled = false\n[pipeline.p.table.\"*.b\"]\nenabled = false\n"
#define OVERRIDES_BA \
    "[pipeline.p.table.\"*.b\"]\nenabled = false\n[pipeline.p.table.\"*.a\"]\nenabled = false\n"

static const struct {
    const char *name;
    const char *one, *other;
    bool same;
} DIGESTS[] = {
    {"formatting and comments", PIPELINE, "# x\n\n" PIPELINE "\n", true},
    {"order of tables", WAREHOUSE "[pipeline.p]\n" SOURCE TARGET,
     "[pipeline.p]\n" TARGET SOURCE WAREHOUSE, true},
    {"a default written out", PIPELINE, PIPELINE "boundary = \"exact\"\nnamespace = \"p\"\n", true},
    {"state, queue and worker", PIPELINE,
     PIPELINE "[state]\nlocal_dir = \"x\"\n[queue]\n[worker]\nid = \"w\"\n", true},
    {"order of overrides", PIPELINE OVERRIDES_AB, PIPELINE OVERRIDES_BA, true},
    {"another pipeline", PIPELINE, PIPELINE "[pipeline.q]\n" SOURCE TARGET, true},
    {"a choice", PIPELINE, PIPELINE "boundary = \"strict\"\n", false},
    {"a number", PIPELINE, PIPELINE "lookback_seconds = 1\n", false},
    {"a check", PIPELINE, PIPELINE "checks = { enabled = true }\n", false},
    {"a threshold", PIPELINE, PIPELINE "checks = { anomaly_threshold_pct = 49.5 }\n", false},
    {"an override", PIPELINE, PIPELINE "[pipeline.p.table.\"*.a\"]\n", false},
    {"an override that says what the pipeline does", PIPELINE "[pipeline.p.table.\"*.a\"]\n",
     PIPELINE "[pipeline.p.table.\"*.a\"]\nenabled = true\n", false},
    {"a column", PIPELINE,
     PIPELINE "metadata_columns = [{ name = \"a\", type = \"T\", value = \"1\" }]\n", false},
    {"order of arrays", PIPELINE "unique_key = [\"a\", \"b\"]\n",
     PIPELINE "unique_key = [\"b\", \"a\"]\n", false},
    {"split of arrays", PIPELINE "unique_key = [\"ab\"]\n",
     PIPELINE "unique_key = [\"a\", \"b\"]\n", false},
    {"the adapter's path", PIPELINE,
     "[adapter]\ntype = \"sqlite\"\npath = \"v\"\n[pipeline.p]\n" SOURCE TARGET, false},
    {"the pipeline's name", PIPELINE, WAREHOUSE "[pipeline.q]\nnamespace = \"p\"\n" SOURCE TARGET,
     false},
};

START_TEST(test_the_digest_follows_the_meaning)
{
    char one[RKY_SHA256_HEX];
    char other[RKY_SHA256_HEX];

    digest_of(DIGESTS[_i].one, one);
    digest_of(DIGESTS[_i].other, other);

    ck_assert_msg((strcmp(one, other) == 0) == DIGESTS[_i].same, "%s", DIGESTS[_i].name);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("config load");
    TCase *tcase = tcase_create("load");
    tcase_add_test(tcase, test_the_products_example_loads);
    tcase_add_loop_test(tcase, test_references_are_filled_in, 0,
                        (int)(sizeof(REFERENCES) / sizeof(REFERENCES[0])));
    tcase_add_test(tcase, test_numbers_and_booleans_may_come_from_the_environment);
    tcase_add_test(tcase, test_a_variable_that_is_not_utf8_is_refused);
    tcase_add_test(tcase, test_a_file_that_is_not_text_is_refused);
    tcase_add_test(tcase, test_secrets_are_collected);
    tcase_add_test(tcase, test_a_secret_never_enters_a_message);
    tcase_add_test(tcase, test_checks_of_a_table_lie_on_top_of_the_pipelines);
    tcase_add_test(tcase, test_kafka_properties_are_flat_and_keep_their_lines);
    tcase_add_test(tcase, test_relative_paths_start_at_the_file_and_a_tilde_is_a_name);
    tcase_add_test(tcase, test_a_relative_directory_becomes_absolute);
    tcase_add_test(tcase, test_a_single_named_adapter_need_not_be_named_again);
    tcase_add_test(tcase, test_a_pipeline_is_chosen_by_name);
    tcase_add_loop_test(tcase, test_the_digest_follows_the_meaning, 0,
                        (int)(sizeof(DIGESTS) / sizeof(DIGESTS[0])));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
