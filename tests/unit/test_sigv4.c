/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signer against the published vectors: the AWS Signature Version 4 test suite and the worked
 * examples of the S3 and IAM documentation. Only their facts stand here: request and signature.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/sigv4.h"
#include "tests/kit/check_main.h"

enum { HEADERS_MAX = 6 };

struct vector {
    const char *name;
    const char *method, *path, *query, *body;
    struct rky_http_header headers[HEADERS_MAX]; /* beside host */
    const char *token;
    bool raw_path; /* the service's path is not normalized */
    const char *signed_headers, *signature;
};

#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define STS_TOKEN                                                                            \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRX" \
    "mxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsbur"  \
    "EDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPk"  \
    "UL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
#define VANILLA "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

/* Host example.amazonaws.com, 2015-08-30T12:36:00Z, us-east-1/service. */
static const struct vector suite_vectors[] = {
    {.name = "get-vanilla", .signature = VANILLA},
    {.name = "get-vanilla-query", .query = "", .signature = VANILLA},
    {.name = "get-vanilla-empty-query-key",
     .query = "Param1=value1",
     .signature = "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {.name = "get-vanilla-query-order-key-case",
     .query = "Param2=value2&Param1=value1",
     .signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {.name = "get-vanilla-query-order-value",
     .query = "Param1=value2&Param1=value1",
     .signature = "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {.name = "get-vanilla-query-order-encoded",
     .query = "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
     .signature = "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {.name = "get-vanilla-query-unreserved",
     .query = UNRESERVED "=" UNRESERVED,
     .signature = "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {.name = "get-vanilla-utf8-query",
     .query = "%E1%88%B4=bar",
     .signature = "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {.name = "get-unreserved",
     .path = "/" UNRESERVED,
     .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {.name = "get-utf8",
     .path = "/\xe1\x88\xb4",
     .signature = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {.name = "get-space-normalized",
     .path = "/example space/",
     .signature = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {.name = "get-relative-normalized", .path = "/example/..", .signature = VANILLA},
    {.name = "get-relative-relative-normalized",
     .path = "/example1/example2/../..",
     .signature = VANILLA},
    {.name = "get-relative-relative-unnormalized",
     .path = "/example1/example2/../..",
     .raw_path = true,
     .signature = "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"},
    {.name = "get-slash-normalized", .path = "//", .signature = VANILLA},
    {.name = "get-slash-dot-slash-normalized", .path = "/./", .signature = VANILLA},
    {.name = "get-slash-pointless-dot-normalized",
     .path = "/./example",
     .signature = "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
    {.name = "get-slashes-normalized",
     .path = "//example//",
     .signature = "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {.name = "get-slashes-unnormalized",
     .path = "//example//",
     .raw_path = true,
     .signature = "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
    {.name = "get-header-key-duplicate",
     .headers = {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {.name = "get-header-value-multiline",
     /* a folded value counts as one value per line */
     .headers = {{"My-Header1", "value1"}, {"My-Header1", "value2"}, {"My-Header1", "value3"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
    {.name = "get-header-value-order",
     .headers = {{"My-Header1", "value4"},
                 {"My-Header1", "value1"},
                 {"My-Header1", "value3"},
                 {"My-Header1", "value2"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {.name = "get-header-value-trim",
     .headers = {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
     .signed_headers = "host;my-header1;my-header2;x-amz-date",
     .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {.name = "get-vanilla-with-session-token",
     .token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {.name = "post-vanilla",
     .method = "POST",
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {.name = "post-vanilla-query",
     .method = "POST",
     .query = "Param1=value1",
     .signature = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {.name = "post-header-key-sort",
     .method = "POST",
     .headers = {{"My-Header1", "value1"}},
     .signed_headers = "host;my-header1;x-amz-date",
     .signature = "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {.name = "post-sts-header-before",
     .method = "POST",
     .token = STS_TOKEN,
     .signed_headers = "host;x-amz-date;x-amz-security-token",
     .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    {.name = "post-sts-header-after", /* the token is added after signing */
     .method = "POST",
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {.name = "post-x-www-form-urlencoded",
     .method = "POST",
     .body = "Param1=value1",
     .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
     .signed_headers = "content-type;host;x-amz-date",
     .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {.name = "post-x-www-form-urlencoded-parameters",
     .method = "POST",
     .body = "Param1=value1",
     .headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                 {"Content-Length", "13"},
                 {"x-amz-content-sha256",
                  "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
     .signed_headers = "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     .signature = "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
};

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_BASIC "host;x-amz-content-sha256;x-amz-date"

/* Host examplebucket.s3.amazonaws.com, 2013-05-24T00:00:00Z, us-east-1/s3. */
static const struct vector s3_vectors[] = {
    {.name = "GET object",
     .path = "/test.txt",
     .headers = {{"Range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY_SHA256}},
     .signed_headers = "host;range;x-amz-content-sha256;x-amz-date",
     .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {.name = "PUT object",
     .method = "PUT",
     .path = "/test%24file.text",
     .body = "Welcome to Amazon S3.",
     .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                 {"x-amz-content-sha256",
                  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
     .signed_headers = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {.name = "GET bucket lifecycle",
     .query = "lifecycle",
     .headers = {{"x-amz-content-sha256", EMPTY_SHA256}},
     .signed_headers = S3_BASIC,
     .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {.name = "GET bucket (list objects)",
     .query = "prefix=J&max-keys=2",
     .headers = {{"x-amz-content-sha256", EMPTY_SHA256}},
     .signed_headers = S3_BASIC,
     .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

struct signer {
    const char *host, *access_key, *secret_key, *service;
    const char *date; /* x-amz-date */
    bool s3;
};
static const struct signer suite_signer = {
    "example.amazonaws.com", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "service",
    "20150830T123600Z",      false,
};
static const struct signer s3_signer = {
    "examplebucket.s3.amazonaws.com",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "s3",
    "20130524T000000Z",
    true,
};

static char *sign(const struct signer *signer, const struct vector *vector)
{
    struct rky_http_header headers[HEADERS_MAX + 1] = {{"Host", signer->host}};
    char payload[RKY_SHA256_HEX];
    char date[17] = "";
    char *authorization = NULL;
    const char *body = vector->body != NULL ? vector->body : "";
    size_t count = 1;
    for (size_t i = 0; i < HEADERS_MAX && vector->headers[i].name != NULL; i++)
        headers[count++] = vector->headers[i];
    rky_sha256_hex(body, strlen(body), payload);
    struct rky_sigv4_input input = {
        .access_key = signer->access_key,
        .secret_key = signer->secret_key,
        .session_token = vector->token,
        .region = "us-east-1",
        .service = signer->service,
        .method = vector->method != NULL ? vector->method : "GET",
        .path = vector->path != NULL ? vector->path : "/",
        .query = vector->query,
        .headers = headers,
        .header_count = count,
        .payload_sha256 = payload,
        .normalize_path = !signer->s3 && !vector->raw_path,
        .encode_path_again = !signer->s3,
    };
    ck_assert_int_eq(rky_time_parse(signer->s3 ? "2013-05-24T00:00:00Z" : "2015-08-30T12:36:00Z",
                                    &input.time_us),
                     0);
    struct rky_error err = {0};
    ck_assert_int_eq(rky_sigv4_sign(&input, date, &authorization, &err), 0);
    ck_assert_str_eq(date, signer->date);
    return authorization;
}

static void check_vector(const struct signer *signer, const struct vector *vector)
{
    char expected[1024];
    char *authorization = sign(signer, vector);
    (void)snprintf(expected, sizeof(expected),
                   "AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request, "
                   "SignedHeaders=%s, Signature=%s",
                   signer->access_key, signer->date, signer->service,
                   vector->signed_headers != NULL ? vector->signed_headers : "host;x-amz-date",
                   vector->signature);
    ck_assert_msg(strcmp(authorization, expected) == 0, "'%s': expected\n%s\ngot\n%s", vector->name,
                  expected, authorization);
    rky_free(authorization);
}

START_TEST(the_published_suite_is_signed_as_published)
{
    check_vector(&suite_signer, &suite_vectors[_i]);
}
END_TEST

START_TEST(the_examples_of_the_s3_documentation_are_signed_as_published)
{
    check_vector(&s3_signer, &s3_vectors[_i]);
}
END_TEST

/* The worked example of the IAM user guide. */
START_TEST(the_example_of_the_iam_documentation_is_signed_as_published)
{
    struct signer signer = suite_signer;
    signer.host = "iam.amazonaws.com";
    signer.service = "iam";
    struct vector vector = {
        .name = "ListUsers",
        .query = "Action=ListUsers&Version=2010-05-08",
        .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
        .signed_headers = "content-type;host;x-amz-date",
        .signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    };
    check_vector(&signer, &vector);
}
END_TEST

START_TEST(header_names_are_ordered_as_names_and_not_as_lines)
{
    /* '-' sorts before ':': a signer that orders whole lines puts the longer name first. */
    struct vector vector = {
        .path = "/a",
        .headers = {{"x-amz-server-side-encryption-aws-kms-key-id", "k"},
                    {"x-amz-server-side-encryption", "aws:kms"},
                    {"X-Amz-Meta-A", "1"}},
    };
    char *authorization = sign(&s3_signer, &vector);
    ck_assert_ptr_nonnull(strstr(authorization, "SignedHeaders=host;x-amz-date;x-amz-meta-a;"
                                                "x-amz-server-side-encryption;"
                                                "x-amz-server-side-encryption-aws-kms-key-id, "));
    rky_free(authorization);
}
END_TEST

START_TEST(a_path_of_s3_is_signed_as_it_is_sent)
{
    struct vector as_is = {.path = "/a/../b"};
    struct vector collapsed = {.path = "/b"};
    char *one = sign(&s3_signer, &as_is);
    char *other = sign(&s3_signer, &collapsed);
    ck_assert_str_ne(one, other);
    rky_free(one);
    rky_free(other);
}
END_TEST

START_TEST(empty_parameters_between_others_do_not_matter)
{
    struct vector plain = {.query = "a=1&b="};
    struct vector ragged = {.query = "&b&&a=1&"};
    char *one = sign(&s3_signer, &plain);
    char *other = sign(&s3_signer, &ragged);
    ck_assert_str_eq(one, other);
    rky_free(one);
    rky_free(other);
}
END_TEST

START_TEST(text_is_percent_encoded_by_rfc_3986)
{
    static const struct {
        const char *text;
        bool keep_slash;
        const char *encoded;
    } rows[] = {
        {"", false, ""},
        {UNRESERVED, false, UNRESERVED},
        {"a/b c+d", true, "a/b%20c%2Bd"},
        {"a/b", false, "a%2Fb"},
        {"\xc3\xbc!'()*$%&", false, "%C3%BC%21%27%28%29%2A%24%25%26"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *encoded = rky_uri_encode(rows[i].text, rows[i].keep_slash);
        ck_assert_str_eq(encoded, rows[i].encoded);
        rky_free(encoded);
    }
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        struct rky_http_header headers[] = {{"Host", "a"}, {"B", "c"}};
        struct rky_sigv4_input input = {
            .access_key = "AKID",
            .secret_key = "secret",
            .session_token = "token",
            .region = "r",
            .service = "s",
            .method = "GET",
            .path = "/a/../b",
            .query = "a=1&b=2",
            .headers = headers,
            .header_count = 2,
            .payload_sha256 = EMPTY_SHA256,
            .normalize_path = true,
            .encode_path_again = true,
        };
        struct rky_error err = {0};
        char date[17] = "";
        char *authorization = NULL;
        rky_mem_fail_nth(nth);
        int rc = rky_sigv4_sign(&input, date, &authorization, &err);
        done = !rky_mem_failed();
        rky_mem_fail_nth(0);
        if (done) {
            ck_assert_int_eq(rc, 0);
            rky_free(authorization);
        } else {
            ck_assert_int_eq(rc, RKY_ERR_NOMEM);
            ck_assert_int_eq(err.code, RKY_ERR_NOMEM);
            ck_assert_ptr_null(authorization);
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("sigv4");
    TCase *tcase = tcase_create("sigv4");
    tcase_add_loop_test(tcase, the_published_suite_is_signed_as_published, 0,
                        sizeof(suite_vectors) / sizeof(suite_vectors[0]));
    tcase_add_loop_test(tcase, the_examples_of_the_s3_documentation_are_signed_as_published, 0,
                        sizeof(s3_vectors) / sizeof(s3_vectors[0]));
    tcase_add_test(tcase, the_example_of_the_iam_documentation_is_signed_as_published);
    tcase_add_test(tcase, header_names_are_ordered_as_names_and_not_as_lines);
    tcase_add_test(tcase, a_path_of_s3_is_signed_as_it_is_sent);
    tcase_add_test(tcase, empty_parameters_between_others_do_not_matter);
    tcase_add_test(tcase, text_is_percent_encoded_by_rfc_3986);
    tcase_add_test(tcase, every_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
