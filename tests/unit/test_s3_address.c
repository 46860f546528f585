/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request to S3 goes: URL, Host header and signed path of every kind of endpoint.
 */
#include "config.h"

#include <string.h>

#include "state/s3_internal.h"
#include "tests/kit/check_main.h"

static const struct {
    const char *bucket, *endpoint;
    bool path_style;
    const char *region, *key, *query;
    const char *url, *host, *path;
} rows[] = {
    {"state", NULL, false, "eu-west-1", "p/ns.db", NULL,
     "https://state.s3.eu-west-1.amazonaws.com/p/ns.db", "state.s3.eu-west-1.amazonaws.com",
     "/p/ns.db"},
    {"state", "", true, "eu-west-1", "p/ns.db", NULL,
     "https://s3.eu-west-1.amazonaws.com/state/p/ns.db", "s3.eu-west-1.amazonaws.com",
     "/state/p/ns.db"},
    {"state", NULL, false, "cn-north-1", "k", NULL,
     "https://state.s3.cn-north-1.amazonaws.com.cn/k", "state.s3.cn-north-1.amazonaws.com.cn",
     "/k"},
    /* A certificate's wildcard covers no dot, and old names fit no host at all. */
    {"a.b.c", NULL, false, "us-east-1", "k", NULL, "https://s3.us-east-1.amazonaws.com/a.b.c/k",
     "s3.us-east-1.amazonaws.com", "/a.b.c/k"},
    {"Old_Bucket", NULL, false, "us-east-1", "k", NULL,
     "https://s3.us-east-1.amazonaws.com/Old_Bucket/k", "s3.us-east-1.amazonaws.com",
     "/Old_Bucket/k"},
    {"state", "https://minio.example.com", true, "r", "k", NULL,
     "https://minio.example.com/state/k", "minio.example.com", "/state/k"},
    {"state", "https://minio.example.com/", false, "r", "k", NULL,
     "https://state.minio.example.com/k", "state.minio.example.com", "/k"},
    {"a.b", "http://minio.example.com", false, "r", "k", NULL, "http://a.b.minio.example.com/k",
     "a.b.minio.example.com", "/k"},
    /* The port that the scheme has anyway is not sent, so it is not signed. */
    {"state", "https://h.example.com:443", true, "r", "k", NULL, "https://h.example.com/state/k",
     "h.example.com", "/state/k"},
    {"state", "http://h.example.com:80/", true, "r", "k", NULL, "http://h.example.com/state/k",
     "h.example.com", "/state/k"},
    {"state", "http://h.example.com:443", true, "r", "k", NULL, "http://h.example.com:443/state/k",
     "h.example.com:443", "/state/k"},
    {"state", "https://h.example.com:9000/base/", true, "r", "k", NULL,
     "https://h.example.com:9000/base/state/k", "h.example.com:9000", "/base/state/k"},
    /* No name can stand before an address. */
    {"state", "http://127.0.0.1:9000", false, "r", "k", NULL, "http://127.0.0.1:9000/state/k",
     "127.0.0.1:9000", "/state/k"},
    {"state", "http://[::1]:9000", false, "r", "k", NULL, "http://[::1]:9000/state/k", "[::1]:9000",
     "/state/k"},
    {"state", "http://localhost:9000", false, "r", "k", NULL, "http://localhost:9000/state/k",
     "localhost:9000", "/state/k"},
    /* Keys are encoded once, slashes stay. */
    {"state", "http://h.example.com", true, "r", "a b/c+d/\xc3\xa4~?#%.db", NULL,
     "http://h.example.com/state/a%20b/c%2Bd/%C3%A4~%3F%23%25.db", "h.example.com",
     "/state/a%20b/c%2Bd/%C3%A4~%3F%23%25.db"},
    /* The bucket itself. */
    {"state", "http://h.example.com", true, "r", NULL, "list-type=2&prefix=a%2F",
     "http://h.example.com/state?list-type=2&prefix=a%2F", "h.example.com", "/state"},
    {"state", NULL, false, "us-west-2", NULL, "list-type=2",
     "https://state.s3.us-west-2.amazonaws.com/?list-type=2", "state.s3.us-west-2.amazonaws.com",
     "/"},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(a_request_goes_where_it_should)
{
    struct rky_s3_site site;
    struct rky_s3_address address;
    struct rky_error err = {0};
    ck_assert_msg(
        rky_s3_site_init(&site, rows[_i].bucket, rows[_i].endpoint, rows[_i].path_style, &err) == 0,
        "%s", err.message);
    ck_assert_int_eq(
        rky_s3_address_make(&site, rows[_i].region, rows[_i].key, rows[_i].query, &address, &err),
        0);
    ck_assert_str_eq(address.url, rows[_i].url);
    ck_assert_str_eq(address.host, rows[_i].host);
    ck_assert_str_eq(address.path, rows[_i].path);
    rky_s3_address_done(&address);
    rky_s3_site_done(&site);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("s3: addresses");
    TCase *tcase = tcase_create("addresses");
    tcase_add_loop_test(tcase, a_request_goes_where_it_should, 0, ROWS);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
