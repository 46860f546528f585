/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of Valkey servers: what each part becomes, what is refused, and that no refusal repeats what
 * may be a password.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "common/valkey_url.h"
#include "tests/kit/check_main.h"

struct good {
    const char *text;
    bool tls;
    const char *host, *port, *path, *user, *password;
    int64_t database;
    const char *uri;
};

static const struct good goods[] = {
    {"valkey://localhost", false, "localhost", "6379", NULL, NULL, NULL, 0,
     "valkey://localhost:6379/0"},
    {"redis://db.test:7001/3", false, "db.test", "7001", NULL, NULL, NULL, 3,
     "valkey://db.test:7001/3"},
    {"valkeys://db.test/", true, "db.test", "6379", NULL, NULL, NULL, 0,
     "valkeys://db.test:6379/0"},
    {"rediss://u:p@db.test:1/15", true, "db.test", "1", NULL, "u", "p", 15,
     "valkeys://db.test:1/15"},
    {"valkey://:only-password@h", false, "h", "6379", NULL, NULL, "only-password", 0,
     "valkey://h:6379/0"},
    {"valkey://us%65r:p%40%3a%2F%25@h", false, "h", "6379", NULL, "user", "p@:/%", 0,
     "valkey://h:6379/0"},
    {"valkey://u:a:b@c@h:65535", false, "h", "65535", NULL, "u", "a:b@c", 0, "valkey://h:65535/0"},
    {"valkey://[::1]:7000/2", false, "::1", "7000", NULL, NULL, NULL, 2, "valkey://[::1]:7000/2"},
    {"valkeys://u:p@[fe80::1%25eth0]", true, "fe80::1%eth0", "6379", NULL, "u", "p", 0,
     "valkeys://[fe80::1%eth0]:6379/0"},
    {"unix:///run/valkey.sock", false, NULL, NULL, "/run/valkey.sock", NULL, NULL, 0,
     "unix:///run/valkey.sock?db=0"},
    {"unix://u:p@/run/a%20b?db=4", false, NULL, NULL, "/run/a b", "u", "p", 4,
     "unix:///run/a b?db=4"},
};

START_TEST(each_part_of_a_url_is_taken)
{
    const struct good *good = &goods[_i];
    struct rky_valkey_url url = {0};
    struct rky_error err = {0};
    ck_assert_msg(rky_valkey_url_parse(good->text, &url, &err) == 0, "%s", err.message);
    ck_assert_int_eq(url.tls, good->tls);
    ck_assert_pstr_eq(url.host, good->host);
    ck_assert_pstr_eq(url.port, good->port);
    ck_assert_pstr_eq(url.path, good->path);
    ck_assert_pstr_eq(url.user, good->user);
    ck_assert_pstr_eq(url.password, good->password);
    ck_assert_int_eq(url.database, good->database);
    ck_assert_str_eq(url.uri, good->uri);
    rky_valkey_url_done(&url);
}
END_TEST

/* The word SESAME stands where a password may stand. */
static const struct {
    const char *text, *part_of_message;
} bads[] = {
    {"", "scheme"},
    {"http://h", "scheme"},
    {"SESAME", "scheme"},
    {"valkey:/h", "scheme"},
    {"valkey://", "no host"},
    {"valkey://u:SESAME@", "no host"},
    {"valkey://:7000", "no host"},
    {"valkey://SESAME@h", "no password"},
    {"valkey://u:@h", "empty"},
    {"valkey://u:SESAME%@h", "percent"},
    {"valkey://u:SESAME%4@h", "percent"},
    {"valkey://u:SESAME%zz@h", "percent"},
    {"valkey://u:SESAME%00@h", "percent"},
    {"valkey://u%:SESAME@h", "percent"},
    {"valkey://h:0", "port"},
    {"valkey://h:65536", "port"},
    {"valkey://h:", "port"},
    {"valkey://h:12x", "port"},
    {"valkey://h:99999999999999999999", "port"},
    {"valkey://u:SESAME/rest@h", "port"},
    {"valkey://u:SESAME#rest@h", "port"},
    {"valkey://u:SESAME?rest@h", "port"},
    {"valkey://h/x", "database"},
    {"valkey://h/-1", "database"},
    {"valkey://h/1/2", "database"},
    {"valkey://h/1000001", "database"},
    {"valkey://h/0?password=SESAME", "query"},
    {"valkey://h/0#SESAME", "'#'"},
    {"valkey://[::1", "']'"},
    {"valkey://[::1]x", "':port'"},
    {"valkey://[]", "no host"},
    {"unix://", "path"},
    {"unix:///", "path"},
    {"unix://u:SESAME@host/run/x", "no host"},
    {"unix:///run/x?db=", "'db='"},
    {"unix:///run/x?db=1&password=SESAME", "'db='"},
    {"unix:///run/x?password=SESAME", "'db='"},
};

START_TEST(what_is_no_url_is_refused_without_repeating_it)
{
    struct rky_valkey_url url = {0};
    struct rky_error err = {0};
    ck_assert_int_eq(rky_valkey_url_parse(bads[_i].text, &url, &err), RKY_ERR_CONFIG);
    ck_assert_msg(strstr(err.message, bads[_i].part_of_message) != NULL, "%s: %s", bads[_i].text,
                  err.message);
    ck_assert_ptr_null(strstr(err.message, "SESAME"));
    ck_assert_ptr_null(strstr(err.hint, "SESAME"));
    ck_assert_str_ne(err.hint, "");
    ck_assert_ptr_null(url.uri);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t nth = 1;; nth++) {
        struct rky_valkey_url url = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_valkey_url_parse("valkeys://user:password@host:7/1", &url, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            ck_assert_uint_gt(nth, 4);
            rky_valkey_url_done(&url);
            return;
        }
        ck_assert_int_eq(rc, RKY_ERR_NOMEM);
        ck_assert_ptr_null(url.uri);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("valkey url");
    TCase *tcase = tcase_create("url");
    tcase_add_loop_test(tcase, each_part_of_a_url_is_taken, 0,
                        (int)(sizeof(goods) / sizeof(goods[0])));
    tcase_add_loop_test(tcase, what_is_no_url_is_refused_without_repeating_it, 0,
                        (int)(sizeof(bads) / sizeof(bads[0])));
    tcase_add_test(tcase, every_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
