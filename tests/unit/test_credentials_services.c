/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials from services: STS, the container endpoint and the instance metadata, each played
 * by a script.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/credentials_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/credentials_kit.h"

/* ---- web identity ---- */

#define STS_ANSWER(access, expiration)                                                        \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
    "<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser>"    \
    "<Credentials>\n  <SessionToken>" SESSION "</SessionToken>"                               \
    "<SecretAccessKey>" SECRET "</SecretAccessKey><Expiration>" expiration "</Expiration>"    \
    "<AccessKeyId>" access "</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"   \
    "</AssumeRoleWithWebIdentityResponse>"

/* One answer for every request. */
struct canned {
    int status;
    const char *headers, *body;
};

static void answer_canned(struct kit_connection *connection, void *context)
{
    const struct canned *canned = context;
    while (kit_read(connection) &&
           kit_answer(connection, canned->status, canned->headers != NULL ? canned->headers : "",
                      canned->body)) {
    }
}

static void start_web_identity(struct bench *bench, struct canned *canned)
{
    bench_start(bench, answer_canned, canned);
    bench_set(bench, "AWS_WEB_IDENTITY_TOKEN_FILE", "%s", bench_file(0, "token", WEB_TOKEN "\n"));
    bench_set(bench, "AWS_ROLE_ARN", "arn:aws:iam::1:role/rocky");
    bench_set(bench, "AWS_ROLE_SESSION_NAME", "pod 1");
    bench_set(bench, "AWS_ENDPOINT_URL_STS", "%s", bench->server.url);
}

START_TEST(a_web_identity_is_given_keys_by_sts)
{
    struct canned canned = {200, NULL, STS_ANSWER("ASIAWEB", "2026-11-21T11:00:00Z")};
    struct bench bench;
    int64_t expires_us = 0;
    ck_assert_int_eq(rky_time_parse("2026-11-21T11:00:00Z", &expires_us), 0);
    start_web_identity(&bench, &canned);
    struct got got = bench_get(&bench);
    ck_assert_int_eq(got.keys.expires_us, expires_us);
    check_keys(&got, "web-identity", "ASIAWEB", SECRET, SESSION);
    const char *asked = bench.server.requests[0];
    ck_assert_int_eq(strncmp(asked, "POST / HTTP/1.1\r\n", 17), 0);
    ck_assert_ptr_nonnull(strstr(asked, "Content-Type: application/x-www-form-urlencoded\r\n"));
    ck_assert_ptr_null(strstr(asked, "Authorization"));
    ck_assert_str_eq(strstr(asked, "\r\n\r\n") + 4,
                     "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                     "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Frocky&RoleSessionName=pod%201&"
                     "WebIdentityToken=" WEB_TOKEN);
    check_log_hides(&bench, WEB_TOKEN);
    check_log_hides(&bench, SECRET);
    bench_stop(&bench);
}
END_TEST

START_TEST(a_profile_may_name_a_web_identity)
{
    struct canned canned = {200, NULL, STS_ANSWER("ASIAPROFILE", "2026-11-21T11:00:00Z")};
    struct bench bench;
    char config[4400];
    bench_start(&bench, answer_canned, &canned);
    (void)snprintf(config, sizeof(config),
                   "[profile p]\nrole_arn = arn:r\nweb_identity_token_file = %s\n",
                   bench_file(0, "token", WEB_TOKEN));
    bench_set(&bench, "AWS_PROFILE", "p");
    bench_set(&bench, "AWS_CONFIG_FILE", "%s", bench_file(1, "config", config));
    bench_set(&bench, "AWS_ENDPOINT_URL", "%s/", bench.server.url);
    struct got got = bench_get(&bench);
    check_keys(&got, "profile", "ASIAPROFILE", SECRET, SESSION);
    ck_assert_ptr_nonnull(strstr(bench.server.requests[0], "RoleSessionName=rocky-"));
    bench_stop(&bench);
}
END_TEST

START_TEST(what_sts_says_decides_whether_to_ask_again)
{
    static const struct {
        struct canned canned;
        bool unavailable;
        const char *part;
        int64_t retry_after_ms;
    } rows[] = {
        {{403, NULL, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"},
         false,
         "STS refused role 'arn:aws:iam::1:role/rocky': HTTP 403, AccessDenied",
         0},
        {{400, NULL, "<Error><Code>ExpiredTokenException</Code></Error>"},
         false,
         "ExpiredTokenException",
         0},
        {{400, NULL, "<Error><Code>InvalidIdentityToken</Code><Message>" WEB_TOKEN "</Message>"},
         false,
         "InvalidIdentityToken",
         0},
        {{403, NULL, WEB_TOKEN}, false, "no error code", 0},
        {{403, NULL, "<Code>" SECRET "</Code>"}, false, "HTTP 403, s3cr3t", 0},
        {{400, NULL, "<Error><Code>Throttling</Code></Error>"}, true, "Throttling", 0},
        {{400, "Retry-After: 2\r\n", "<Error><Code>IDPCommunicationError</Code></Error>"},
         true,
         "IDPCommunicationError",
         2000},
        {{503, "Retry-After: 7\r\n", "busy"}, true, "HTTP 503", 7000},
        {{429, NULL, ""}, true, "HTTP 429", 0},
        {{500, NULL, "<Code>"}, true, "HTTP 500", 0},
        {{200, NULL, ""}, true, "expected keys from STS, got 0 bytes", 0},
        {{200, NULL, "{}"}, true, "expected keys from STS", 0},
        {{200, NULL, "<Credentials><AccessKeyId>A</AccessKeyId>"}, true, "expected keys", 0},
        {{200, NULL, "<Credentials><AccessKeyId>A<AccessKeyId>B</AccessKeyId>"},
         true,
         "expected keys",
         0},
        {{200, NULL, STS_ANSWER("A B", "2026-11-21T11:00:00Z")}, false, "white space", 0},
        {{200, NULL, STS_ANSWER("", "2026-11-21T11:00:00Z")}, false, "no access key", 0},
        {{200, NULL, STS_ANSWER("A", "tomorrow")}, false, "time of expiry", 0},
        {{200, NULL, STS_ANSWER("A", "2026-11-21T09:00:00Z")}, true, "expired already", 0},
        {{200, NULL, STS_ANSWER("&lt;script&gt;&", "x")}, false, "time of expiry", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct canned canned = rows[i].canned;
        struct bench bench;
        start_web_identity(&bench, &canned);
        struct got got = bench_get(&bench);
        if (rows[i].unavailable)
            check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", rows[i].part);
        else
            check_failure(&got, RKY_ERR_AUTH, "credentials_refused", rows[i].part);
        ck_assert_int_eq(got.attempt.counts, rows[i].unavailable);
        ck_assert_int_eq(got.attempt.retry_after_ms, rows[i].retry_after_ms);
        ck_assert_ptr_nonnull(strstr(got.err.message, "environment: AWS_ACCESS_KEY_ID is not set"));
        ck_assert_ptr_nonnull(strstr(got.err.message, "; web-identity: "));
        bench_stop(&bench);
    }
}
END_TEST

START_TEST(a_token_file_must_hold_one_token)
{
    static const struct {
        const char *text, *part;
    } rows[] = {{"", "got nothing"},
                {"\n \n", "got nothing"},
                {"two words", "something else"},
                {"two\nlines\n", "something else"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct canned canned = {200, NULL, ""};
        struct bench bench;
        start_web_identity(&bench, &canned);
        (void)bench_file(0, "token", rows[i].text);
        struct got got = bench_get(&bench);
        check_failure(&got, RKY_ERR_AUTH, "credentials_refused", rows[i].part);
        ck_assert_int_eq(kit_asked(&bench.server), 0);
        bench_stop(&bench);
    }
    struct canned canned = {200, NULL, ""};
    struct bench bench;
    start_web_identity(&bench, &canned);
    bench_set(&bench, "AWS_ROLE_ARN", "%s", "");
    struct got got = bench_get(&bench);
    check_failure(&got, RKY_ERR_AUTH, "credentials_refused", "AWS_ROLE_ARN is not");
    bench_stop(&bench);
}
END_TEST

/* ---- container ---- */

/* Answers with the Authorization it was sent as the access key, valid for an hour. */
static void answer_with_token(struct kit_connection *connection, void *context)
{
    char body[1024];
    (void)context;
    while (kit_read(connection)) {
        char token[128] = "none";
        const char *header = strstr(connection->request, "\r\nAuthorization: ");
        if (header != NULL)
            (void)sscanf(header + 17, "%127[^\r\n]", token);
        (void)snprintf(body, sizeof(body),
                       "{\"AccessKeyId\":\"ASIA-%s\",\"SecretAccessKey\":\"" SECRET
                       "\",\"Token\":\"" SESSION "\",\"Expiration\":\"2026-11-21T11:00:00Z\","
                       "\"RoleArn\":null,\"AccountId\":\"1\"}",
                       token);
        if (!kit_answer(connection, 200, "", body))
            return;
    }
}

START_TEST(the_container_endpoint_sees_the_token_of_the_moment)
{
    struct bench bench;
    bench_start(&bench, answer_with_token, NULL);
    bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/v1/credentials", bench.server.url);
    bench_set(&bench, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "not-this-one");
    bench_set(&bench, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "%s",
              bench_file(0, "token", "first-token\n"));
    struct got got = bench_get(&bench);
    check_log_hides(&bench, "first-token");
    ck_assert_int_eq(strncmp(bench.server.requests[0], "GET /v1/credentials HTTP/1.1\r\n", 30), 0);
    rky_credentials_expired(bench.credentials, &got.keys);
    check_keys(&got, "container", "ASIA-first-token", SECRET, SESSION);

    (void)bench_file(0, "token", "second-token");
    got = bench_get(&bench);
    check_keys(&got, "container", "ASIA-second-token", SECRET, SESSION);
    bench_stop(&bench);
}
END_TEST

START_TEST(the_container_endpoint_needs_no_token)
{
    struct bench bench;
    bench_start(&bench, answer_with_token, NULL);
    bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/v1/credentials", bench.server.url);
    struct got got = bench_get(&bench);
    check_keys(&got, "container", "ASIA-none", SECRET, SESSION);
    bench_stop(&bench);
}
END_TEST

START_TEST(what_the_container_endpoint_says_decides_whether_to_ask_again)
{
    static const struct {
        struct canned canned;
        bool unavailable;
        const char *part;
    } rows[] = {
        {{403, NULL, "{\"message\":\"" SECRET "\"}"}, false, "answered HTTP 403"},
        {{404, NULL, ""}, false, "answered HTTP 404"},
        {{301, "Location: http://example.com/\r\n", ""}, false, "answered HTTP 301"},
        {{500, NULL, ""}, true, "answered HTTP 500"},
        {{200, NULL, ""}, true, "JSON object"},
        {{200, NULL, "[1,2"}, true, "JSON object"},
        {{200, NULL, "[]"}, true, "JSON object"},
        {{200, NULL, "\"" SECRET "\""}, true, "JSON object"},
        {{200, NULL, "{\"AccessKeyId\":\"A\",\"AccessKeyId\":\"B\"}"}, true, "JSON object"},
        {{200, NULL, "{\"Code\":\"Failed\"}"}, true, "no keys at the moment"},
        {{200, NULL, "{}"}, false, "no access key"},
        {{200, NULL, "{\"AccessKeyId\":1,\"SecretAccessKey\":{}}"}, false, "no access key"},
        {{200, NULL, "{\"AccessKeyId\":\"A\"}"}, false, "no secret key"},
        {{200, NULL,
          "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" SECRET "\",\"Expiration\":\"\"}"},
         false,
         "time of expiry"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct canned canned = rows[i].canned;
        struct bench bench;
        bench_start(&bench, answer_canned, &canned);
        bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/", bench.server.url);
        struct got got = bench_get(&bench);
        if (rows[i].unavailable)
            check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", rows[i].part);
        else
            check_failure(&got, RKY_ERR_AUTH, "credentials_refused", rows[i].part);
        check_failure(&got, got.rc, got.attempt.error_class, "; container: ");
        bench_stop(&bench);
    }
}
END_TEST

START_TEST(keys_are_asked_for_only_where_nobody_listens_in)
{
    static const struct {
        const char *url;
        bool trusted;
    } rows[] = {
        {"https://example.com/x", true},
        {"HTTPS://example.com", true},
        {"http://127.0.0.1/", true},
        {"http://127.255.0.9:99/x", true},
        {"http://localhost:1/", true},
        {"http://[::1]:80/", true},
        {"http://169.254.170.2/x", true},
        {"http://169.254.170.23/v1/credentials", true},
        {"http://[fd00:ec2::23]/v1/credentials", true},
        {"http://[fe80::1]/", true},
        {"http://example.com/", false},
        {"http://10.0.0.1/", false},
        {"http://127.0.0.1.example.com/", false},
        {"http://127.1/", false},
        {"http://2130706433/", false},
        {"http://0177.0.0.1/", false},
        {"http://127.0.0.1@example.com/", false},
        {"http://example.com#@127.0.0.1/", false},
        {"http://127.0.0.1\\@example.com/", false},
        {"http://127.0.0.1 /", false},
        {"http://[::1", false},
        {"http://[fd00::23]/", false},
        {"http://[::ffff:10.0.0.1]/", false},
        {"http://localhost.example.com/", false},
        {"http:///", false},
        {"https://", false},
        {"https:///x", false},
        {"ftp://127.0.0.1/", false},
        {"file:///etc/passwd", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(rky_provider_trusted_url(rows[i].url) == rows[i].trusted, "'%s'",
                      rows[i].url);

    struct bench bench;
    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/");
    struct got got = bench_get(&bench);
    check_failure(&got, RKY_ERR_AUTH, "credentials_refused", "FULL_URI is refused");
    bench_stop(&bench);
    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example.com/");
    got = bench_get(&bench);
    check_failure(&got, RKY_ERR_AUTH, "credentials_refused", "to begin with '/'");
    bench_stop(&bench);
}
END_TEST

/* ---- instance ---- */

struct metadata {
    int token_status, role_status;
    const char *role;
};

static void answer_metadata(struct kit_connection *connection, void *context)
{
    static const char path[] = "GET /latest/meta-data/iam/security-credentials/";
    const struct metadata *metadata = context;
    bool more = true;
    while (more && kit_read(connection)) {
        const char *asked = connection->request;
        bool session = strstr(asked, "\r\nX-aws-ec2-metadata-token: the-session-token\r\n") != NULL;
        if (strncmp(asked, "PUT /latest/api/token HTTP", 26) == 0 &&
            strstr(asked, "\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\n") != NULL)
            more = kit_answer(connection, metadata->token_status, "", "the-session-token");
        else if (!session || strncmp(asked, path, sizeof(path) - 1) != 0)
            more = kit_answer(connection, 401, "", "");
        else if (strncmp(asked + sizeof(path) - 1, " HTTP", 5) == 0)
            more = kit_answer(connection, metadata->role_status, "", metadata->role);
        else if (strncmp(asked + sizeof(path) - 1, "my%20role HTTP", 14) == 0)
            more =
                kit_answer(connection, 200, "",
                           "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":"
                           "\"ASIAMACHINE\",\"SecretAccessKey\":\"" SECRET "\",\"Token\":\"" SESSION
                           "\",\"Expiration\":\"2026-11-21T16:00:00Z\"}");
        else
            more = kit_answer(connection, 404, "", "");
    }
}

static void start_instance(struct bench *bench, struct metadata *metadata)
{
    bench_start(bench, answer_metadata, metadata);
    bench_set(bench, "AWS_EC2_METADATA_DISABLED", "false");
    bench_set(bench, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/", bench->server.url);
}

START_TEST(the_machine_gives_the_keys_of_its_role)
{
    struct metadata metadata = {200, 200, "my role\nanother"};
    struct bench bench;
    start_instance(&bench, &metadata);
    struct got got = bench_get(&bench);
    check_keys(&got, "instance", "ASIAMACHINE", SECRET, SESSION);
    ck_assert_int_eq(kit_asked(&bench.server), 3);
    check_log_hides(&bench, "the-session-token");
    bench_stop(&bench);
}
END_TEST

START_TEST(a_machine_without_a_role_has_no_credentials)
{
    static const struct {
        struct metadata metadata;
        const char *part;
        bool unavailable;
    } rows[] = {
        {{403, 200, ""}, "HTTP 403 for a session", false},
        {{404, 200, ""}, "HTTP 404 for a session", false},
        {{200, 404, ""}, "HTTP 404 for the role's name", false},
        {{200, 200, ""}, "the machine has no role", false},
        {{200, 200, "\n"}, "the machine has no role", false},
        {{200, 200, "unknown"}, "HTTP 404 for the role's keys", false},
        {{200, 200, "../../x"}, "HTTP 404 for the role's keys", false},
        {{503, 200, ""}, "HTTP 503", true},
        {{200, 500, ""}, "HTTP 500", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct metadata metadata = rows[i].metadata;
        struct bench bench;
        start_instance(&bench, &metadata);
        struct got got = bench_get(&bench);
        if (rows[i].unavailable)
            check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", rows[i].part);
        else
            check_failure(&got, RKY_ERR_AUTH, "no_credentials", rows[i].part);
        bench_stop(&bench);
    }
}
END_TEST

START_TEST(where_no_metadata_service_listens_there_are_no_credentials)
{
    struct bench bench;
    struct kit_server gone;
    bench_start(&bench, NULL, NULL);
    kit_start(&gone, answer_metadata, NULL);
    kit_stop(&gone);
    bench_set(&bench, "AWS_EC2_METADATA_DISABLED", "%s", "");
    bench_set(&bench, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s", gone.url);
    struct got got = bench_get(&bench);
    check_failure(&got, RKY_ERR_AUTH, "no_credentials",
                  "instance: nobody listens at the metadata address");
    bench_stop(&bench);
}
END_TEST

static void never_answer(struct kit_connection *connection, void *context)
{
    (void)context;
    if (kit_read(connection))
        (void)kit_idle(connection, 60000);
}

START_TEST(a_silent_endpoint_ends_at_the_transfers_deadline)
{
    struct bench bench;
    struct rky_clock *clock = rky_clock_real();
    bench_start(&bench, never_answer, NULL);
    bench_set(&bench, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/", bench.server.url);
    int64_t start_ms = clock->mono_ms(clock);
    struct got got = bench_get_within(&bench, 300);
    ck_assert_int_le(clock->mono_ms(clock) - start_ms, 2800);
    check_failure(&got, RKY_ERR_CONNECTION, "credentials_unavailable", "container: ");
    ck_assert(got.attempt.counts);
    bench_stop(&bench);
}
END_TEST

START_TEST(memory_may_run_out_anywhere)
{
    struct canned canned = {200, NULL, STS_ANSWER("ASIAWEB", "2026-11-21T11:00:00Z")};
    struct bench bench;
    bool done = false;
    start_web_identity(&bench, &canned);
    for (uint64_t nth = 1; !done; nth++) {
        rky_mem_fail_nth(nth);
        struct got got = bench_get(&bench);
        done = !rky_mem_failed();
        rky_mem_fail_nth(0);
        if (got.rc == 0) {
            rky_credentials_expired(bench.credentials, &got.keys);
            rky_aws_keys_done(&got.keys);
        } else {
            ck_assert_msg(got.rc == RKY_ERR_NOMEM || got.rc == RKY_ERR_CONNECTION, "%s",
                          got.err.message);
            ck_assert_ptr_null(got.keys.access_key);
        }
    }
    bench_stop(&bench);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("credentials_services");
    TCase *tcase = tcase_create("credentials_services");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_web_identity_is_given_keys_by_sts);
    tcase_add_test(tcase, a_profile_may_name_a_web_identity);
    tcase_add_test(tcase, what_sts_says_decides_whether_to_ask_again);
    tcase_add_test(tcase, a_token_file_must_hold_one_token);
    tcase_add_test(tcase, the_container_endpoint_sees_the_token_of_the_moment);
    tcase_add_test(tcase, the_container_endpoint_needs_no_token);
    tcase_add_test(tcase, what_the_container_endpoint_says_decides_whether_to_ask_again);
    tcase_add_test(tcase, keys_are_asked_for_only_where_nobody_listens_in);
    tcase_add_test(tcase, the_machine_gives_the_keys_of_its_role);
    tcase_add_test(tcase, a_machine_without_a_role_has_no_credentials);
    tcase_add_test(tcase, where_no_metadata_service_listens_there_are_no_credentials);
    tcase_add_test(tcase, a_silent_endpoint_ends_at_the_transfers_deadline);
    tcase_add_test(tcase, memory_may_run_out_anywhere);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
