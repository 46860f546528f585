/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials from the environment and from profile files, and what the chain says when there
 * are none.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/credentials_internal.h"
#include "tests/kit/check_main.h"
#include "tests/unit/credentials_kit.h"

/* ---- environment and order ---- */

START_TEST(the_environment_gives_keys_that_never_expire)
{
    struct bench bench;
    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_ACCESS_KEY_ID", "AKIDENV");
    bench_set(&bench, "AWS_SECRET_ACCESS_KEY", SECRET);
    struct got got = bench_get(&bench);
    ck_assert_int_eq(got.keys.expires_us, 0);
    check_keys(&got, "environment", "AKIDENV", SECRET, NULL);
    check_log_hides(&bench, SECRET);
    bench_stop(&bench);

    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_ACCESS_KEY_ID", "AKIDENV");
    bench_set(&bench, "AWS_SECRET_ACCESS_KEY", SECRET);
    bench_set(&bench, "AWS_SESSION_TOKEN", SESSION);
    got = bench_get(&bench);
    check_keys(&got, "environment", "AKIDENV", SECRET, SESSION);
    check_log_hides(&bench, SESSION);
    bench_stop(&bench);
}
END_TEST

START_TEST(keys_that_no_header_could_carry_are_refused)
{
    static const struct {
        const char *access_key, *secret_key, *session_token, *part;
    } rows[] = {
        {"AKID", "", NULL, "got only the first"},
        {"", SECRET, NULL, "got only the second"},
        {"AKID\n", SECRET, NULL, "white space"},
        {"AKID", SECRET "\r\nX-Evil: 1", NULL, "white space"},
        {"AKID", SECRET, SESSION " ", "white space"},
        {"AKID\xc3\xbc", SECRET, NULL, "white space"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;
        bench_start(&bench, NULL, NULL);
        bench_set(&bench, "AWS_ACCESS_KEY_ID", "%s", rows[i].access_key);
        bench_set(&bench, "AWS_SECRET_ACCESS_KEY", "%s", rows[i].secret_key);
        if (rows[i].session_token != NULL)
            bench_set(&bench, "AWS_SESSION_TOKEN", "%s", rows[i].session_token);
        struct got got = bench_get(&bench);
        check_failure(&got, RKY_ERR_AUTH, "credentials_refused", rows[i].part);
        check_failure(&got, RKY_ERR_AUTH, "credentials_refused", "environment: ");
        bench_stop(&bench);
    }
}
END_TEST

START_TEST(without_any_provider_the_message_names_each_and_why)
{
    struct bench bench;
    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials");
    bench_set(&bench, "AWS_CONFIG_FILE", "/nowhere/config");
    struct got got = bench_get(&bench);
    check_failure(&got, RKY_ERR_AUTH, "no_credentials", "no AWS credentials: ");
    ck_assert(!got.attempt.counts);
    ck_assert_str_eq(got.err.message,
                     "no AWS credentials: environment: AWS_ACCESS_KEY_ID is not set; "
                     "web-identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; "
                     "profile: no profile 'default'; "
                     "container: AWS_CONTAINER_CREDENTIALS_FULL_URI is not set; "
                     "instance: AWS_EC2_METADATA_DISABLED is set");
    ck_assert_str_ne(got.err.hint, "");
    bench_stop(&bench);
}
END_TEST

/* ---- profile ---- */

START_TEST(a_profile_gives_keys_and_region)
{
    struct bench bench;
    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_SHARED_CREDENTIALS_FILE", "%s",
              bench_file(0, "credentials",
                         "# people's file\n[default]\naws_access_key_id = AKIDDEFAULT\n"
                         "aws_secret_access_key = " SECRET "\n\n[other]\r\n"
                         "aws_access_key_id=AKIDOTHER ; mine\r\n  nested = 1\r\n"
                         "aws_secret_access_key=" SECRET "2\r\naws_session_token=" SESSION "\r\n"));
    bench_set(&bench, "AWS_CONFIG_FILE", "%s",
              bench_file(1, "config",
                         "[default]\nregion = eu-west-1\n[profile other]\nregion=eu-north-1\n"
                         "aws_access_key_id = NOT-THIS-ONE\n"));
    struct got got = bench_get(&bench);
    check_keys(&got, "profile", "AKIDDEFAULT", SECRET, NULL);
    char *region = rky_credentials_region(bench.credentials);
    ck_assert_str_eq(region, "eu-west-1");
    rky_free(region);
    bench_stop(&bench);

    bench_start(&bench, NULL, NULL);
    bench_set(&bench, "AWS_PROFILE", "other");
    bench_set(&bench, "AWS_SHARED_CREDENTIALS_FILE", "%s", bench_paths[0]);
    bench_set(&bench, "AWS_CONFIG_FILE", "%s", bench_paths[1]);
    got = bench_get(&bench);
    check_keys(&got, "profile", "AKIDOTHER", SECRET "2", SESSION);
    check_log_hides(&bench, SECRET "2");
    region = rky_credentials_region(bench.credentials);
    ck_assert_str_eq(region, "eu-north-1");
    rky_free(region);
    bench_set(&bench, "AWS_DEFAULT_REGION", "ap-south-1");
    region = rky_credentials_region(bench.credentials);
    ck_assert_str_eq(region, "ap-south-1");
    rky_free(region);
    bench_set(&bench, "AWS_REGION", "us-west-2");
    region = rky_credentials_region(bench.credentials);
    ck_assert_str_eq(region, "us-west-2");
    rky_free(region);
    bench_stop(&bench);
}
END_TEST

START_TEST(the_files_are_found_in_the_home_directory)
{
    struct bench bench;
    char command[4300];
    bench_start(&bench, NULL, NULL);
    (void)snprintf(command, sizeof(command), "mkdir -p '%s/.aws'", rky_test_directory());
    ck_assert_int_eq(system(command), 0);
    (void)bench_file(0, ".aws/credentials",
                     "[default]\naws_access_key_id=AKIDHOME\naws_secret_access_key=" SECRET "\n");
    bench_set(&bench, "HOME", "%s", rky_test_directory());
    struct got got = bench_get(&bench);
    check_keys(&got, "profile", "AKIDHOME", SECRET, NULL);
    bench_stop(&bench);
}
END_TEST

START_TEST(a_profile_that_cannot_be_used_says_why)
{
    static const struct {
        const char *profile, *text, *part, *hint;
    } rows[] = {
        {"gone", "[default]\naws_access_key_id = A\n", "no file has that profile", ""},
        {NULL, "[default]\naws_access_key_id = A\n", "no secret key", ""},
        {"p", "[p]\ncredential_process = /bin/steal " SECRET "\n",
         "profile 'p' uses 'credential_process', which is not supported",
         "web_identity_token_file"},
        {"p", "[p]\nsource_profile = q\nrole_arn = r\n", "'source_profile'", ""},
        {"p", "[p]\nsso_session = q\n", "'sso_session'", ""},
        {"p", "[p]\nrole_arn = arn\nweb_identity_token_file = /nowhere/token\n",
         "'/nowhere/token' does not exist", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;
        bench_start(&bench, NULL, NULL);
        if (rows[i].profile != NULL)
            bench_set(&bench, "AWS_PROFILE", "%s", rows[i].profile);
        bench_set(&bench, "AWS_SHARED_CREDENTIALS_FILE", "%s",
                  bench_file(0, "credentials", rows[i].text));
        struct got got = bench_get(&bench);
        check_failure(&got, RKY_ERR_AUTH, "credentials_refused", rows[i].part);
        check_failure(&got, RKY_ERR_AUTH, "credentials_refused", "profile: ");
        ck_assert_msg(strstr(got.err.hint, rows[i].hint) != NULL, "%s", got.err.hint);
        bench_stop(&bench);
    }
}
END_TEST

START_TEST(no_text_of_a_profile_file_does_harm)
{
    static const char alphabet[] = "[]= \n\r\t#;\"'adefultprofile_aws_access_key_id\xff\x01";
    unsigned state = 12345;
    for (int round = 0; round < 3000; round++) {
        char text[200];
        size_t length = 0;
        for (; length < sizeof(text) - 1; length++) {
            state = state * 1103515245 + 12345;
            text[length] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
        }
        text[length] = '\0';
        struct rky_profile profile = {0};
        ck_assert_int_eq(rky_profile_parse(text, "default", (round & 1) != 0, &profile), 0);
        rky_profile_done(&profile);
    }
    static const char *const odd[] = {"",
                                      "[",
                                      "[]",
                                      "[default",
                                      "[default]",
                                      "[default]\n=",
                                      "[default]\nregion",
                                      "=\n=\n",
                                      "[default]\nregion=",
                                      "[default]\nregion= # x",
                                      "\xef\xbb\xbf[default]\nregion=r",
                                      "[profile default]\nregion=r",
                                      "[profile  \"default\"]\nregion=r"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct rky_profile profile = {0};
        ck_assert_int_eq(rky_profile_parse(odd[i], "default", true, &profile), 0);
        ck_assert_int_eq(profile.region != NULL, i >= 10);
        rky_profile_done(&profile);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("credentials");
    TCase *tcase = tcase_create("credentials");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_environment_gives_keys_that_never_expire);
    tcase_add_test(tcase, keys_that_no_header_could_carry_are_refused);
    tcase_add_test(tcase, without_any_provider_the_message_names_each_and_why);
    tcase_add_test(tcase, a_profile_gives_keys_and_region);
    tcase_add_test(tcase, the_files_are_found_in_the_home_directory);
    tcase_add_test(tcase, a_profile_that_cannot_be_used_says_why);
    tcase_add_test(tcase, no_text_of_a_profile_file_does_harm);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rky_check_main(suite());
}
