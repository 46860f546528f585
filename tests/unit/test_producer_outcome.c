/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer's exit codes: those that the same job would have had with `rocky run`.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "producer/outcome.h"
#include "tests/kit/check_main.h"

struct row {
    const char *status, *result;
    int error; /* of the waiting, enum rky_err */
    int exit_code;
};

static const struct row rows[] = {
    {"success", "{}", 0, RKY_EXIT_OK},
    {"skipped", "{\"duplicate_of\":\"x\",\"errors\":[{\"failure_kind\":\"check-failed\"}]}", 0,
     RKY_EXIT_OK},
    {"success", "{\"errors\":[{\"failure_kind\":\"check-failed\"}]}", 0, RKY_EXIT_GATE},
    {"partial", "{}", 0, RKY_EXIT_PARTIAL},
    {"partial", "{\"errors\":[{\"failure_kind\":\"check-failed\"}]}", 0, RKY_EXIT_PARTIAL},
    {"failed", "{}", 0, RKY_EXIT_FAILED},
    {"failed", "{\"error\":{\"code\":\"refused\"}}", 0, RKY_EXIT_REFUSED},
    {"failed", "{\"error\":{\"code\":\"config\"}}", 0, RKY_EXIT_CONFIG},
    {"failed", "{\"error\":{\"code\":\"usage\"}}", 0, RKY_EXIT_USAGE},
    {"failed", "{\"error\":{\"code\":\"unavailable\"}}", 0, RKY_EXIT_UNAVAILABLE},
    {"failed", "{\"error\":{\"code\":\"never heard of\"}}", 0, RKY_EXIT_FAILED},
    {"expired", "{\"error\":{\"code\":\"timeout\"}}", 0, RKY_EXIT_FAILED},
    {"cancelled", "{}", 0, RKY_EXIT_CANCELLED},
    {"interrupted", "{}", 0, RKY_EXIT_INTERRUPTED},
    {"dead_lettered", "{\"error\":{\"code\":\"unknown_pipeline\"}}", 0, RKY_EXIT_DEAD_LETTERED},
    {"", NULL, 0, RKY_EXIT_OK},
    {"", NULL, RKY_ERR_TIMEOUT, RKY_EXIT_WAIT_TIMEOUT},
    {"", NULL, RKY_ERR_UNAVAILABLE, RKY_EXIT_UNAVAILABLE},
    {"success", "{\"pipeline\":\"gated\",\"anomalies\":[{}]}", 0, RKY_EXIT_GATE},
    {"success", "{\"pipeline\":\"calm\",\"anomalies\":[{}]}", 0, RKY_EXIT_OK},
    {"success", "{\"pipeline\":\"gated\",\"anomalies\":[]}", 0, RKY_EXIT_OK},
};

START_TEST(test_the_exit_code_mirrors_the_jobs_result)
{
    const struct row *row = &rows[_i];
    char gated[] = "gated", calm[] = "calm";
    struct rky_pipeline_config pipelines[] = {{.name = calm}, {.name = gated}};
    pipelines[1].checks.anomaly_gate = true;
    const struct rky_config config = {.pipelines = pipelines, .pipeline_count = 2};
    struct rky_sent sent = {.type = RKY_JOB_RUN, .error = {.code = row->error}};
    (void)snprintf(sent.status, sizeof(sent.status), "%s", row->status);
    sent.result = row->result != NULL ? json_loads(row->result, 0, NULL) : NULL;
    ck_assert_int_eq((int)rky_outcome_exit(&config, &sent), row->exit_code);
    json_decref(sent.result);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("producer_outcome");
    TCase *tests = tcase_create("producer_outcome");
    tcase_add_loop_test(tests, test_the_exit_code_mirrors_the_jobs_result, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
