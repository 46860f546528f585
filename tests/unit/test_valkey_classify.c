/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey rows of the fault table: each error reply, its class, its code, retried or not,
 * counted or not.
 */
#include "config.h"

#include <string.h>

#include "state/valkey.h"
#include "tests/kit/check_main.h"

struct row {
    const char *reply;
    const char *error_class;
    int code;
    enum rky_retry retry;
    bool counts;
};

static const struct row rows[] = {
    {"LOADING Valkey is loading the dataset in memory", "loading", RKY_ERR_UNAVAILABLE,
     RKY_RETRY_YES, true},
    {"BUSY Valkey is busy running a script.", "busy", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"TRYAGAIN Multiple keys request during rehashing of slot", "try_again", RKY_ERR_UNAVAILABLE,
     RKY_RETRY_YES, true},
    {"CLUSTERDOWN The cluster is down", "cluster_down", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"MASTERDOWN Link with MASTER is down", "master_down", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES,
     true},
    {"NOREPLICAS Not enough good replicas to write.", "no_replicas", RKY_ERR_UNAVAILABLE,
     RKY_RETRY_YES, true},
    {"READONLY You can't write against a read only replica.", "read_only", RKY_ERR_UNAVAILABLE,
     RKY_RETRY_YES, true},
    {"ERR max number of clients reached", "too_many_clients", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES,
     true},
    {"OOM command not allowed when used memory > 'maxmemory'.", "oom", RKY_ERR_QUOTA, RKY_RETRY_NO,
     false},
    {"MISCONF Errors writing to the AOF file: No space left on device", "misconf", RKY_ERR_QUOTA,
     RKY_RETRY_NO, false},
    {"NOAUTH Authentication required.", "auth", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"WRONGPASS invalid username-password pair or user is disabled.", "auth", RKY_ERR_AUTH,
     RKY_RETRY_NO, false},
    {"NOPERM User reader has no permissions to run the 'set' command", "permission", RKY_ERR_AUTH,
     RKY_RETRY_NO, false},
    {"DENIED Valkey is running in protected mode", "permission", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"MOVED 1234 10.0.0.1:6379", "cluster", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"ASK 1234 10.0.0.1:6379", "cluster", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"CROSSSLOT Keys in request don't hash to the same slot", "cluster", RKY_ERR_CONFIG,
     RKY_RETRY_NO, false},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", "wrong_type",
     RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"NOSCRIPT No matching script. Please use EVAL.", "no_script", RKY_ERR_QUERY, RKY_RETRY_FREE,
     false},
    {"ERR unknown command 'FOO'", "server_error", RKY_ERR_QUERY, RKY_RETRY_NO, false},
    /* A word is the whole word. */
    {"BUSYGROUP Consumer Group name already exists", "server_error", RKY_ERR_QUERY, RKY_RETRY_NO,
     false},
    {"OOMPH", "server_error", RKY_ERR_QUERY, RKY_RETRY_NO, false},
    {"LOADING", "loading", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"", "server_error", RKY_ERR_QUERY, RKY_RETRY_NO, false},
};

START_TEST(every_error_reply_has_its_row)
{
    const struct row *row = &rows[_i];
    struct rky_attempt attempt = {.retry_after_ms = 7};
    ck_assert_int_eq(rky_valkey_classify(row->reply, &attempt), row->code);
    ck_assert_str_eq(attempt.error_class, row->error_class);
    ck_assert_int_eq(attempt.retry, row->retry);
    ck_assert_int_eq(attempt.counts, row->counts);
    ck_assert_int_eq(attempt.retry_after_ms, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("valkey classify");
    TCase *tcase = tcase_create("rows");
    tcase_add_loop_test(tcase, every_error_reply_has_its_row, 0,
                        (int)(sizeof(rows) / sizeof(rows[0])));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
