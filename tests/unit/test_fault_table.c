/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault table, one row each and exact: what a driver is answered, how often it is then tried,
 * what the breaker counts, how the transfer ends, and what that means for the job under each
 * policy. The drivers' own classification gives the left side, the guard and the outcome the right
 * side; only the attempts are played.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/guard.h"
#include "common/http_internal.h"
#include "common/mem.h"
#include "state/outcome.h"
#include "state/remote_memory.h"
#include "state/remote_s3.h"
#include "state/snapshot.h"
#include "state/valkey.h"
#include "tests/kit/check_main.h"

#define TRANSFER_MS 300000
#define THRESHOLD 50

/* Where a fault comes from. */
enum source { FROM_S3, FROM_HTTP, FROM_VALKEY, FROM_SNAPSHOT, FROM_LOCAL };

/* What is special about the transfer in which it happens. */
enum circumstance {
    AS_USUAL,
    CLOCK_RUNS_OUT,  /* within the first attempt */
    BUDGET_IS_EMPTY, /* of the run */
    BREAKER_IS_OPEN, /* before the first attempt */
    BREAKER_OPENS,   /* with the second failure */
    STOP_IS_ASKED,   /* during the first attempt */
};

/* Who decides about the job. */
enum consequence { POLICY, FAILS, REQUEUED };

struct row {
    const char *name; /* as in the table */
    enum source source;
    struct rky_s3_answer answer;      /* FROM_S3 */
    CURLcode curl;                    /* FROM_HTTP */
    const char *reply;                /* FROM_VALKEY */
    enum rky_snapshot_fault snapshot; /* FROM_SNAPSHOT: found after a good transfer */
    struct rky_attempt attempt;       /* FROM_LOCAL */
    enum rky_err local_code;
    enum circumstance when;

    enum rky_err code;
    const char *error_class;
    int attempts, charged, counted; /* attempts made; retries charged; failures counted */
    int64_t first_sleep_ms;         /* 0 = none, or not looked at */
    enum rky_guard_end end;
    enum rky_outcome outcome;
    enum consequence job;
};

#define S3(method_, status_, code_) \
    .source = FROM_S3, .answer = {.method = (method_), .status = (status_), .code = (code_)}
#define CONDITIONAL(status_, code_)                    \
    .source = FROM_S3, .answer = {.method = "PUT",     \
                                  .conditional = true, \
                                  .if_match = true,    \
                                  .status = (status_), \
                                  .code = (code_)}
#define HTTP(code_) .source = FROM_HTTP, .curl = (code_)
#define VALKEY(reply_) .source = FROM_VALKEY, .reply = (reply_)
#define SNAPSHOT(fault_) .source = FROM_SNAPSHOT, .snapshot = (fault_)

/* Not tried again, not counted. */
#define PERMANENT(code_, class_)                                                     \
    .code = (code_), .error_class = (class_), .attempts = 1, .end = RKY_GUARD_ERROR, \
    .outcome = RKY_OUTCOME_ERROR, .job = FAILS
/* Tried again until max_retries, each failure counted. */
#define TRANSIENT(code_, class_)                                                         \
    .code = (code_), .error_class = (class_), .attempts = 4, .charged = 3, .counted = 4, \
    .first_sleep_ms = 1000, .end = RKY_GUARD_EXHAUSTED,                                  \
    .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED, .job = POLICY
/* Tried again once and for nothing, then permanent. */
#define FREE(code_, class_)                                                          \
    .code = (code_), .error_class = (class_), .attempts = 2, .end = RKY_GUARD_ERROR, \
    .outcome = RKY_OUTCOME_ERROR, .job = FAILS
/* What was transferred well is of no use. */
#define USELESS(class_, job_)                                                 \
    .code = RKY_ERR_STATE_FILE, .error_class = (class_), .end = RKY_GUARD_OK, \
    .outcome = RKY_OUTCOME_ERROR, .job = (job_)

static const struct row rows[] = {
    /* credentials */
    {"no provider has credentials", .source = FROM_LOCAL, .local_code = RKY_ERR_AUTH,
     .attempt = {.error_class = "no_credentials"}, PERMANENT(RKY_ERR_AUTH, "no_credentials")},

    {"IMDS or STS does not answer", .source = FROM_LOCAL, .local_code = RKY_ERR_CONNECTION,
     .attempt = {.error_class = "credentials_unavailable", .retry = RKY_RETRY_YES, .counts = true},
     TRANSIENT(RKY_ERR_CONNECTION, "credentials_unavailable")},

    /* S3: definite */
    {"GET 404 NoSuchBucket", S3("GET", 404, "NoSuchBucket"),
     PERMANENT(RKY_ERR_CONFIG, "bucket_missing")},
    {"PUT 404 NoSuchBucket", CONDITIONAL(404, "NoSuchBucket"),
     PERMANENT(RKY_ERR_CONFIG, "bucket_missing")},
    {"GET 403 AccessDenied", S3("GET", 403, "AccessDenied"), PERMANENT(RKY_ERR_AUTH, "permission")},
    {"PUT 403 AccessDenied", CONDITIONAL(403, "AccessDenied"),
     PERMANENT(RKY_ERR_AUTH, "permission")},
    {"HEAD 403 without a body", S3("HEAD", 403, ""), PERMANENT(RKY_ERR_AUTH, "permission")},
    {"403 SignatureDoesNotMatch", S3("GET", 403, "SignatureDoesNotMatch"),
     PERMANENT(RKY_ERR_AUTH, "auth")},
    {"403 InvalidAccessKeyId", S3("GET", 403, "InvalidAccessKeyId"),
     PERMANENT(RKY_ERR_AUTH, "auth")},
    {"301 PermanentRedirect", S3("GET", 301, "PermanentRedirect"),
     PERMANENT(RKY_ERR_CONFIG, "region")},
    {"307 TemporaryRedirect", S3("PUT", 307, "TemporaryRedirect"),
     PERMANENT(RKY_ERR_CONFIG, "region")},
    {"400 AuthorizationHeaderMalformed", S3("GET", 400, "AuthorizationHeaderMalformed"),
     PERMANENT(RKY_ERR_CONFIG, "region")},
    {"PUT 413 EntityTooLarge", CONDITIONAL(413, "EntityTooLarge"),
     PERMANENT(RKY_ERR_CONFIG, "too_large")},
    {"PUT 411", CONDITIONAL(411, "MissingContentLength"),
     PERMANENT(RKY_ERR_CONFIG, "request_refused")},
    {"501 to If-Match", CONDITIONAL(501, "NotImplemented"),
     PERMANENT(RKY_ERR_CONFIG, "cas_unsupported")},
    {"certificate does not verify", HTTP(CURLE_PEER_FAILED_VERIFICATION),
     PERMANENT(RKY_ERR_CONFIG, "certificate")},
    {"bad URL", HTTP(CURLE_URL_MALFORMAT), PERMANENT(RKY_ERR_CONFIG, "bad_url")},

    /* S3: once, for nothing */
    {"403 ExpiredToken", S3("GET", 403, "ExpiredToken"), FREE(RKY_ERR_AUTH, "expired_token")},
    {"403 RequestTimeTooSkewed", S3("PUT", 403, "RequestTimeTooSkewed"),
     FREE(RKY_ERR_AUTH, "clock_skew")},

    /* S3: once, charged */
    {"PUT 400 BadDigest", CONDITIONAL(400, "BadDigest"), .code = RKY_ERR_UNAVAILABLE,
     .error_class = "checksum", .attempts = 2, .charged = 1, .first_sleep_ms = 1000,
     .end = RKY_GUARD_EXHAUSTED, .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED, .job = POLICY},
    {"PUT 400 XAmzContentSHA256Mismatch", CONDITIONAL(400, "XAmzContentSHA256Mismatch"),
     .code = RKY_ERR_UNAVAILABLE, .error_class = "checksum", .attempts = 2, .charged = 1,
     .first_sleep_ms = 1000, .end = RKY_GUARD_EXHAUSTED, .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED,
     .job = POLICY},

    /* S3: transient */
    {"429", S3("GET", 429, ""), TRANSIENT(RKY_ERR_UNAVAILABLE, "throttled")},
    {"503 SlowDown", S3("GET", 503, "SlowDown"), TRANSIENT(RKY_ERR_UNAVAILABLE, "throttled")},
    {"503 SlowDown with Retry-After", .source = FROM_S3,
     .answer = {.method = "GET", .status = 503, .code = "SlowDown", .retry_after_ms = 7000},
     .code = RKY_ERR_UNAVAILABLE, .error_class = "throttled", .attempts = 4, .charged = 3,
     .counted = 4, .first_sleep_ms = 7000, .end = RKY_GUARD_EXHAUSTED,
     .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED, .job = POLICY},
    {"503", S3("PUT", 503, ""), TRANSIENT(RKY_ERR_UNAVAILABLE, "throttled")},
    {"408", S3("GET", 408, ""), TRANSIENT(RKY_ERR_UNAVAILABLE, "server_error")},
    {"500 InternalError", S3("GET", 500, "InternalError"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "server_error")},
    {"502", S3("GET", 502, ""), TRANSIENT(RKY_ERR_UNAVAILABLE, "server_error")},
    {"504", S3("GET", 504, ""), TRANSIENT(RKY_ERR_UNAVAILABLE, "server_error")},
    {"200 that carries an error", S3("PUT", 200, "InternalError"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "server_error")},
    {"DNS", HTTP(CURLE_COULDNT_RESOLVE_HOST), TRANSIENT(RKY_ERR_CONNECTION, "dns")},
    {"refused", HTTP(CURLE_COULDNT_CONNECT), TRANSIENT(RKY_ERR_CONNECTION, "connect")},
    {"TLS handshake", HTTP(CURLE_SSL_CONNECT_ERROR), TRANSIENT(RKY_ERR_CONNECTION, "tls")},
    {"reset while receiving", HTTP(CURLE_RECV_ERROR), TRANSIENT(RKY_ERR_CONNECTION, "reset")},
    {"reset while sending", HTTP(CURLE_SEND_ERROR), TRANSIENT(RKY_ERR_CONNECTION, "reset")},
    {"empty reply", HTTP(CURLE_GOT_NOTHING), TRANSIENT(RKY_ERR_CONNECTION, "reset")},
    {"partial body", HTTP(CURLE_PARTIAL_FILE), TRANSIENT(RKY_ERR_CONNECTION, "partial_body")},
    {"stall or attempt timeout, time left", HTTP(CURLE_OPERATION_TIMEDOUT),
     TRANSIENT(RKY_ERR_TIMEOUT, "timeout")},

    /* what ends it before its time */
    {"wall clock reached", HTTP(CURLE_OPERATION_TIMEDOUT), .when = CLOCK_RUNS_OUT,
     .code = RKY_ERR_TIMEOUT, .error_class = "timeout", .attempts = 1, .counted = 1,
     .end = RKY_GUARD_TIMEOUT, .outcome = RKY_OUTCOME_TIMEOUT, .job = POLICY},
    {"run budget empty", S3("GET", 500, ""), .when = BUDGET_IS_EMPTY, .code = RKY_ERR_UNAVAILABLE,
     .error_class = "server_error", .attempts = 1, .counted = 1, .end = RKY_GUARD_BUDGET,
     .outcome = RKY_OUTCOME_BUDGET_EXHAUSTED, .job = POLICY},
    {"breaker open at start", S3("GET", 500, ""), .when = BREAKER_IS_OPEN,
     .code = RKY_ERR_STATE_SYNC, .end = RKY_GUARD_OPEN, .outcome = RKY_OUTCOME_CIRCUIT_OPEN,
     .job = POLICY},
    {"breaker opens mid-loop", S3("GET", 500, ""), .when = BREAKER_OPENS,
     .code = RKY_ERR_UNAVAILABLE, .error_class = "server_error", .attempts = 2, .charged = 1,
     .end = RKY_GUARD_OPEN, .outcome = RKY_OUTCOME_CIRCUIT_OPEN, .job = POLICY},
    {"asked to stop", S3("GET", 500, ""), .when = STOP_IS_ASKED, .code = RKY_ERR_UNAVAILABLE,
     .error_class = "server_error", .attempts = 1, .counted = 1, .end = RKY_GUARD_STOPPED,
     .outcome = RKY_OUTCOME_ERROR, .job = REQUEUED},

    /* what came is of no use */
    {"envelope or hash mismatch", SNAPSHOT(RKY_SNAPSHOT_CORRUPT), USELESS("corrupt", FAILS)},
    {"wrong namespace", SNAPSHOT(RKY_SNAPSHOT_WRONG_STATE), USELESS("wrong_namespace", FAILS)},
    {"another encryption key", SNAPSHOT(RKY_SNAPSHOT_WRONG_KEY), USELESS("encryption_key", FAILS)},
    {"larger than may be", SNAPSHOT(RKY_SNAPSHOT_TOO_LARGE), USELESS("too_large", FAILS)},
    {"schema newer than ours", SNAPSHOT(RKY_SNAPSHOT_NEWER), USELESS("schema_newer", REQUEUED)},

    /* this machine */
    {"disk full", .source = FROM_LOCAL, .local_code = RKY_ERR_QUOTA,
     .attempt = {.error_class = "disk"}, PERMANENT(RKY_ERR_QUOTA, "disk")},
    {"local file corrupt", .source = FROM_LOCAL, .local_code = RKY_ERR_STATE_FILE,
     .attempt = {.error_class = "local_corrupt"}, .code = RKY_ERR_STATE_FILE,
     .error_class = "local_corrupt", .attempts = 1, .end = RKY_GUARD_ERROR,
     .outcome = RKY_OUTCOME_ERROR, .job = REQUEUED},
    {"lock lost", .source = FROM_LOCAL, .local_code = RKY_ERR_LOCKED,
     .attempt = {.error_class = "lock_lost"}, .code = RKY_ERR_LOCKED, .error_class = "lock_lost",
     .attempts = 1, .end = RKY_GUARD_ERROR, .outcome = RKY_OUTCOME_ERROR, .job = REQUEUED},
    {"fenced in the target", .source = FROM_LOCAL, .local_code = RKY_ERR_FENCED,
     .attempt = {.error_class = "fenced"}, .code = RKY_ERR_FENCED, .error_class = "fenced",
     .attempts = 1, .end = RKY_GUARD_ERROR, .outcome = RKY_OUTCOME_CONFLICT, .job = REQUEUED},

    /* Valkey */
    {"LOADING", VALKEY("LOADING Valkey is loading the dataset in memory"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "loading")},
    {"BUSY", VALKEY("BUSY Valkey is busy running a script"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "busy")},
    {"TRYAGAIN", VALKEY("TRYAGAIN Multiple keys request during rehashing of slot"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "try_again")},
    {"CLUSTERDOWN", VALKEY("CLUSTERDOWN The cluster is down"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "cluster_down")},
    {"MASTERDOWN", VALKEY("MASTERDOWN Link with MASTER is down"),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "master_down")},
    {"READONLY", VALKEY("READONLY You can't write against a read only replica."),
     TRANSIENT(RKY_ERR_UNAVAILABLE, "read_only")},
    {"MOVED", VALKEY("MOVED 3999 127.0.0.1:6381"), PERMANENT(RKY_ERR_CONFIG, "cluster")},
    {"ASK", VALKEY("ASK 3999 127.0.0.1:6381"), PERMANENT(RKY_ERR_CONFIG, "cluster")},
    {"OOM", VALKEY("OOM command not allowed when used memory > 'maxmemory'."),
     .code = RKY_ERR_QUOTA, .error_class = "oom", .attempts = 1, .end = RKY_GUARD_ERROR,
     .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED, .job = POLICY},
    {"MISCONF", VALKEY("MISCONF Errors writing to the AOF file"), .code = RKY_ERR_QUOTA,
     .error_class = "misconf", .attempts = 1, .end = RKY_GUARD_ERROR,
     .outcome = RKY_OUTCOME_TRANSIENT_EXHAUSTED, .job = POLICY},
    {"NOAUTH", VALKEY("NOAUTH Authentication required."), PERMANENT(RKY_ERR_AUTH, "auth")},
    {"WRONGPASS", VALKEY("WRONGPASS invalid username-password pair or user is disabled."),
     PERMANENT(RKY_ERR_AUTH, "auth")},
    {"NOPERM", VALKEY("NOPERM this user has no permissions to run the 'set' command"),
     PERMANENT(RKY_ERR_AUTH, "permission")},
    {"NOSCRIPT", VALKEY("NOSCRIPT No matching script."), FREE(RKY_ERR_QUERY, "no_script")},
};

/* --- playing a row ----------------------------------------------------------------------------
 */

static struct rky_fake_clock clock_;
static int64_t first_sleep_ms;
static _Atomic bool stop;

static void advance(void *context, int64_t ms)
{
    (void)context;
    if (first_sleep_ms == 0)
        first_sleep_ms = ms;
    rky_fake_clock_advance_ms(&clock_, ms);
}

static int classify(const struct row *row, struct rky_attempt *ret_attempt)
{
    switch (row->source) {
    case FROM_S3:
        return rky_s3_classify(&row->answer, ret_attempt);
    case FROM_HTTP:
        *ret_attempt = rky_http_fault(row->curl)->attempt;
        return rky_http_fault(row->curl)->error;
    case FROM_VALKEY:
        return rky_valkey_classify(row->reply, ret_attempt);
    case FROM_SNAPSHOT:
        return RKY_ERR_STATE_FILE;
    default:
        *ret_attempt = row->attempt;
        return row->local_code;
    }
}

static int play(void *context, int64_t number, struct rky_transfer *transfer,
                struct rky_attempt *ret_attempt, struct rky_error *err)
{
    const struct row *row = context;
    (void)number;
    if (row->when == CLOCK_RUNS_OUT)
        rky_fake_clock_advance_ms(&clock_, rky_deadline_left_ms(&transfer->deadline));
    if (row->when == STOP_IS_ASKED)
        stop = true;
    return rky_fail(err, (enum rky_err)classify(row, ret_attempt), "%s", row->name);
}

/* Failures that a breaker of THRESHOLD has counted so far. */
static int counted(struct rky_breaker *breaker)
{
    int more = 0;
    while (rky_breaker_state(breaker) == RKY_BREAKER_CLOSED) {
        rky_breaker_report(breaker, rky_breaker_admit(breaker, 1), RKY_VERDICT_FAILURE);
        more++;
    }
    return THRESHOLD - more;
}

/* The transfer in which the fault happens. @return the code it ends with. */
static int transfer_row(const struct row *row, struct rky_transfer *transfer)
{
    static const struct rky_retry_config config = {.max_retries = 3,
                                                   .initial_backoff_ms = 1000,
                                                   .max_backoff_ms = 30000,
                                                   .backoff_multiplier = 2.0,
                                                   .max_retries_per_run = -1};
    struct rky_retry_budget budget;
    struct rky_error err = {0};
    struct row copy = *row;
    int threshold = row->when == BREAKER_OPENS ? 2 : THRESHOLD;
    struct rky_leg leg = {
        .name = "s3", .retry = &config, .breaker = rky_breaker_new(threshold, 30000, &clock_.base)};
    ck_assert_ptr_nonnull(leg.breaker);
    rky_retry_budget_init(&budget, row->when == BUDGET_IS_EMPTY ? 0 : -1);
    stop = false;
    first_sleep_ms = 0;
    if (row->when == BREAKER_IS_OPEN)
        (void)counted(leg.breaker);
    *transfer = (struct rky_transfer){.clock = &clock_.base,
                                      .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS),
                                      .budget = &budget,
                                      .stop = &stop,
                                      .wait = advance};
    int rc = rky_guard_run(&leg, transfer, -1, play, &copy, &err);
    transfer->budget = NULL;
    transfer->stop = NULL;
    ck_assert_int_eq(err.code, rc);
    if (row->when == BREAKER_OPENS || row->when == BREAKER_IS_OPEN)
        ck_assert_msg(rky_breaker_state(leg.breaker) == RKY_BREAKER_OPEN, "%s", row->name);
    else
        ck_assert_msg(counted(leg.breaker) == row->counted, "%s: counted", row->name);
    rky_breaker_free(leg.breaker);
    return rc;
}

static void expect_decision(const struct row *row, const struct rky_transfer_failure *failure)
{
    bool up = failure->kind == RKY_TRANSFER_UPLOAD;
    bool covered =
        row->job == POLICY && failure->policy != RKY_FAILURE_FAIL && (!up || failure->skippable);
    enum rky_outcome outcome = RKY_OUTCOME_NONE;
    enum rky_outcome cause = RKY_OUTCOME_NONE;
    enum rky_transfer_sequel sequel = rky_outcome_decide(failure, &outcome, &cause);
    if (covered) {
        ck_assert_msg(sequel == (up ? RKY_SEQUEL_SKIP : RKY_SEQUEL_FRESH), "%s: sequel", row->name);
        ck_assert_msg(outcome ==
                          (up ? RKY_OUTCOME_SKIPPED_AFTER_FAILURE : RKY_OUTCOME_ERROR_THEN_FRESH),
                      "%s: outcome %s", row->name, rky_outcome_name(outcome));
        ck_assert_msg(cause == row->outcome, "%s: cause", row->name);
        return;
    }
    ck_assert_msg(sequel == (row->job == REQUEUED ? RKY_SEQUEL_REQUEUE : RKY_SEQUEL_FAIL),
                  "%s: sequel", row->name);
    ck_assert_msg(outcome == row->outcome, "%s: outcome %s", row->name, rky_outcome_name(outcome));
    ck_assert_msg(cause == RKY_OUTCOME_NONE, "%s: cause", row->name);
}

static void expect_consequences(const struct row *row, int code,
                                const struct rky_transfer *transfer, const char *error_class)
{
    struct rky_transfer_failure failure = {
        .end = transfer->end, .code = code, .error_class = error_class};
    for (int up = 0; up < 2; up++) {
        for (int skippable = 0; skippable < 2; skippable++) {
            failure.kind = up != 0 ? RKY_TRANSFER_UPLOAD : RKY_TRANSFER_DOWNLOAD;
            failure.skippable = skippable != 0;
            failure.policy = up != 0 ? RKY_FAILURE_SKIP : RKY_FAILURE_FRESH;
            expect_decision(row, &failure);
            failure.policy = RKY_FAILURE_FAIL;
            expect_decision(row, &failure);
        }
    }
}

START_TEST(a_row_of_the_fault_table)
{
    const struct row *row = &rows[_i];
    struct rky_transfer transfer = {.end = RKY_GUARD_OK};
    const char *error_class = NULL;
    int code = RKY_ERR_STATE_FILE;
    rky_fake_clock_init(&clock_, INT64_C(1795255200000000));
    if (row->source == FROM_SNAPSHOT) {
        error_class = rky_snapshot_fault_class(row->snapshot);
    } else {
        code = transfer_row(row, &transfer);
        error_class = transfer.attempt.error_class;
        ck_assert_msg(transfer.legs[0].attempts == row->attempts, "%s: %d attempts", row->name,
                      (int)transfer.legs[0].attempts);
        ck_assert_msg(transfer.retries == row->charged, "%s: %d retries", row->name,
                      (int)transfer.retries);
    }
    ck_assert_msg(code == (int)row->code, "%s: %s", row->name, rky_err_name(code));
    ck_assert_msg(transfer.end == row->end, "%s: %s", row->name, rky_guard_end_name(transfer.end));
    if (row->first_sleep_ms != 0)
        ck_assert_msg(first_sleep_ms == row->first_sleep_ms, "%s: slept %d ms", row->name,
                      (int)first_sleep_ms);
    ck_assert_pstr_eq(error_class, row->error_class);
    expect_consequences(row, code, &transfer, error_class);
}
END_TEST

START_TEST(answers_that_are_no_fault)
{
    const struct rky_s3_answer good[] = {
        {.method = "HEAD", .status = 200, .code = ""},
        {.method = "GET", .status = 200, .code = ""},
        {.method = "GET", .status = 304, .code = ""},
        {.method = "GET", .status = 404, .code = "NoSuchKey"},
        {.method = "HEAD", .status = 404, .code = ""},
        {.method = "DELETE", .status = 204, .code = ""},
        {.method = "PUT", .status = 200, .code = "", .conditional = true, .if_match = true},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct rky_attempt attempt = {.counts = true};
        ck_assert_int_eq(rky_s3_classify(&good[i], &attempt), RKY_OK);
        ck_assert_ptr_null(attempt.error_class);
        ck_assert(!attempt.counts);
    }
    ck_assert_ptr_null(rky_snapshot_fault_class(RKY_SNAPSHOT_GOOD));
}
END_TEST

/* --- the rows of a conditional write ----------------------------------------------------------
 */

enum there { THERE_OURS, THERE_BASE, THERE_FOREIGN };

struct commit_row {
    const char *name;
    struct rky_s3_answer answer; /* to the first PUT */
    CURLcode curl;               /* instead of an answer */
    enum there there;            /* what a HEAD then finds */
    bool once;                   /* the second PUT is answered well */

    int code, puts, heads, charged;
    bool recovered;
    enum rky_outcome outcome; /* of a failure, whose job is given back */
};

#define PUT_ANSWER(status_, code_)  \
    .answer = {.method = "PUT",     \
               .conditional = true, \
               .if_match = true,    \
               .status = (status_), \
               .code = (code_)}

static const struct commit_row commits[] = {
    {"412, ours is there", PUT_ANSWER(412, "PreconditionFailed"), .there = THERE_OURS, .puts = 1,
     .heads = 1, .recovered = true},
    {"412, foreign", PUT_ANSWER(412, "PreconditionFailed"), .there = THERE_FOREIGN,
     .code = RKY_ERR_CONFLICT, .puts = 1, .heads = 1, .outcome = RKY_OUTCOME_CONFLICT},
    {"409, base still there", PUT_ANSWER(409, "ConditionalRequestConflict"), .there = THERE_BASE,
     .once = true, .puts = 2, .heads = 1, .charged = 1},
    {"409, foreign", PUT_ANSWER(409, "ConditionalRequestConflict"), .there = THERE_FOREIGN,
     .code = RKY_ERR_CONFLICT, .puts = 1, .heads = 1, .outcome = RKY_OUTCOME_CONFLICT},
    {"404 to If-Match", PUT_ANSWER(404, "NoSuchKey"), .there = THERE_BASE,
     .code = RKY_ERR_NOT_FOUND, .puts = 1, .outcome = RKY_OUTCOME_CONFLICT},
    {"reset, ours is there", .curl = CURLE_RECV_ERROR, .there = THERE_OURS, .puts = 1, .heads = 1,
     .charged = 1, .recovered = true},
    {"reset, base still there", .curl = CURLE_SEND_ERROR, .there = THERE_BASE, .once = true,
     .puts = 2, .heads = 1, .charged = 1},
    {"refused, base still there", .curl = CURLE_COULDNT_CONNECT, .there = THERE_BASE, .once = true,
     .puts = 2, .heads = 1, .charged = 1},
    {"empty reply, foreign", .curl = CURLE_GOT_NOTHING, .there = THERE_FOREIGN,
     .code = RKY_ERR_CONFLICT, .puts = 1, .heads = 1, .charged = 1,
     .outcome = RKY_OUTCOME_CONFLICT},
    {"500, ours is there", PUT_ANSWER(500, "InternalError"), .there = THERE_OURS, .puts = 1,
     .heads = 1, .charged = 1, .recovered = true},
    {"503, base still there", PUT_ANSWER(503, "SlowDown"), .there = THERE_BASE, .once = true,
     .puts = 2, .heads = 1, .charged = 1},
};

static const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = "bronze"};

static struct rky_snapshot_head new_head(void)
{
    struct rky_snapshot_head head = {.generation = 2};
    rky_uuid_v4(head.write_id);
    return head;
}

static void put_there(struct rky_remote *driver, const struct rky_snapshot_head *head,
                      char ret_etag[RKY_ETAG_MAX])
{
    struct rky_transfer transfer = {.clock = &clock_.base,
                                    .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS)};
    const struct rky_remote_put put = {
        .body = "x", .length = 1, .condition = RKY_IF_ANY, .head = head};
    ck_assert_int_eq(driver->ops->put(driver, &name, &put, &transfer, ret_etag, NULL), 0);
}

/* The script of the driver: every PUT, or the first, is answered as the row says. */
static void answer_puts(struct rky_remote *driver, const struct commit_row *row)
{
    struct rky_memory_fault fault = {.op = RKY_MEMORY_PUT, .times = row->once ? 1 : -1};
    if (row->curl != CURLE_OK) {
        fault.attempt = rky_http_fault(row->curl)->attempt;
        fault.code = rky_http_fault(row->curl)->error;
    } else {
        fault.code = rky_s3_classify(&row->answer, &fault.attempt);
    }
    rky_remote_memory_fault(driver, &fault);
}

static void expect_given_back(const struct commit_row *row, int code,
                              const struct rky_transfer *transfer)
{
    enum rky_outcome outcome = RKY_OUTCOME_NONE;
    enum rky_outcome cause = RKY_OUTCOME_NONE;
    const struct rky_transfer_failure failure = {.kind = RKY_TRANSFER_UPLOAD,
                                                 .end = transfer->end,
                                                 .code = code,
                                                 .error_class = transfer->attempt.error_class,
                                                 .policy = RKY_FAILURE_SKIP,
                                                 .skippable = true};
    ck_assert_int_eq(rky_outcome_decide(&failure, &outcome, &cause), RKY_SEQUEL_REQUEUE);
    ck_assert_int_eq(outcome, row->outcome);
    ck_assert_int_eq(cause, RKY_OUTCOME_NONE);
}

START_TEST(a_row_of_a_conditional_write)
{
    const struct commit_row *row = &commits[_i];
    static const struct rky_retry_config config = {
        .max_retries = 3, .initial_backoff_ms = 1000, .max_backoff_ms = 1000};
    struct rky_remote *store = NULL;
    struct rky_remote *driver = NULL;
    struct rky_remote *remote = NULL;
    struct rky_error err = {0};
    char base[RKY_ETAG_MAX] = "";
    char etag[RKY_ETAG_MAX] = "";
    rky_fake_clock_init(&clock_, INT64_C(1795255200000000));
    struct rky_leg leg = {.name = "s3", .retry = &config};
    leg.breaker = rky_breaker_new(THRESHOLD, 30000, &clock_.base);
    ck_assert_int_eq(rky_remote_memory_new(&store, &err), 0);
    ck_assert_int_eq(rky_remote_memory_share(store, &driver, &err), 0);
    ck_assert_int_eq(rky_remote_guarded(driver, &leg, &remote, &err), 0);

    const struct rky_snapshot_head ours = new_head();
    const struct rky_snapshot_head foreign = new_head();
    const struct rky_snapshot_head before = new_head();
    put_there(store, &before, base);
    if (row->there != THERE_BASE)
        put_there(store, row->there == THERE_OURS ? &ours : &foreign, etag);
    answer_puts(driver, row);

    struct rky_transfer transfer = {.clock = &clock_.base,
                                    .deadline = rky_deadline_in(&clock_.base, TRANSFER_MS),
                                    .wait = advance};
    const struct rky_remote_put put = {
        .body = "x", .length = 1, .condition = RKY_IF_ETAG, .etag = base, .head = &ours};
    int rc = remote->ops->put(remote, &name, &put, &transfer, etag, &err);
    ck_assert_msg(rc == row->code, "%s: %s: %s", row->name, rky_err_name(rc), err.message);
    ck_assert_msg(rky_remote_memory_calls(driver, RKY_MEMORY_PUT) == row->puts, "%s: PUTs",
                  row->name);
    ck_assert_msg(rky_remote_memory_calls(driver, RKY_MEMORY_HEAD) == row->heads, "%s: HEADs",
                  row->name);
    ck_assert_msg(transfer.retries == row->charged, "%s: retries", row->name);
    ck_assert_msg(transfer.recovered == row->recovered, "%s: recovered", row->name);
    ck_assert_msg(!transfer.unknown, "%s: unknown", row->name);
    if (rc != 0)
        expect_given_back(row, rc, &transfer);
    rky_remote_free(remote);
    rky_remote_free(store);
    rky_breaker_free(leg.breaker);
}
END_TEST

static Suite *suite(void)
{
    TCase *tcase = tcase_create("fault table");
    tcase_add_loop_test(tcase, a_row_of_the_fault_table, 0, (int)(sizeof(rows) / sizeof(rows[0])));
    tcase_add_test(tcase, answers_that_are_no_fault);
    tcase_add_loop_test(tcase, a_row_of_a_conditional_write, 0,
                        (int)(sizeof(commits) / sizeof(commits[0])));
    Suite *suite = suite_create("fault table");
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
