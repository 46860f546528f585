/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4: canonical request, string to sign, derived key, signature. Follows the steps
 * of "Create a signed AWS API request" in their order. Pure; any thread. Keys leave no copy behind.
 */
#include "config.h"

#include "common/sigv4.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/mem.h"

enum { DIGEST = 32 };
static const char ALGORITHM[] = "AWS4-HMAC-SHA256";

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void add_encoded(struct rky_strbuf *out, const char *text, size_t length, bool keep_slash)
{
    for (size_t i = 0; i < length; i++) {
        if (unreserved(text[i]) || (keep_slash && text[i] == '/'))
            rky_strbuf_addc(out, text[i]);
        else
            rky_strbuf_addf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
    }
}

char *rky_uri_encode(const char *text, bool keep_slash)
{
    struct rky_strbuf out = {0};
    rky_strbuf_add(&out, "");
    add_encoded(&out, text, strlen(text), keep_slash);
    return rky_strbuf_take(&out);
}

/* RFC 3986, 5.2.4, and runs of slashes become one. @return owned, NULL when memory is out. */
static char *normalized_path(const char *path)
{
    struct rky_strbuf out = {0};
    const char *at = path;
    bool directory = true; /* whether the path ends like one */
    rky_strbuf_add(&out, "/");
    while (*at != '\0' && !out.failed) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        bool up = length == 2 && memcmp(at, "..", 2) == 0;
        directory = length == 0 || up || (length == 1 && *at == '.') || at[length] == '/';
        if (up) {
            /* The text ends with a slash: back to the one before. */
            while (out.length > 1 && out.data[out.length - 2] != '/')
                out.length--;
            if (out.length > 1)
                out.length--;
            out.data[out.length] = '\0';
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            rky_strbuf_addn(&out, at, length);
            rky_strbuf_addc(&out, '/');
        }
        at += length;
    }
    if (!directory && !out.failed && out.length > 1)
        out.data[--out.length] = '\0';
    return rky_strbuf_take(&out);
}

/* @return owned, NULL when memory is out. */
static char *canonical_path(const struct rky_sigv4_input *input)
{
    const char *given = input->path != NULL && input->path[0] != '\0' ? input->path : "/";
    char *path = input->normalize_path ? normalized_path(given) : rky_strdup(given);
    if (path == NULL || !input->encode_path_again)
        return path;
    char *again = rky_uri_encode(path, true);
    rky_free(path);
    return again;
}

/* "name=value" pieces of a query or lines of headers, as pointers into one text. */
struct pair {
    const char *name, *value;
    size_t name_length, value_length;
    size_t place; /* in the request: headers of one name keep their order */
};

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter > 0 ? memcmp(a, b, shorter) : 0;
    if (order != 0)
        return order;
    return (a_length > b_length) - (a_length < b_length);
}

static int compare_parameters(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    int order = compare_bytes(a->name, a->name_length, b->name, b->name_length);
    return order != 0 ? order : compare_bytes(a->value, a->value_length, b->value, b->value_length);
}

/* Names in any case: by letters, not by lines, where '-' would come before the colon. */
static int compare_headers(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    for (size_t i = 0; i < a->name_length && i < b->name_length; i++) {
        int order = tolower((unsigned char)a->name[i]) - tolower((unsigned char)b->name[i]);
        if (order != 0)
            return order;
    }
    if (a->name_length != b->name_length)
        return a->name_length < b->name_length ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int add_canonical_query(struct rky_strbuf *out, const char *query, struct rky_error *err)
{
    size_t count = 1;
    size_t used = 0;
    for (const char *at = query; *at != '\0'; at++)
        count += *at == '&';
    struct pair *pairs = rky_calloc(count, sizeof(*pairs));
    if (pairs == NULL)
        return rky_fail_nomem(err);
    for (const char *at = query; *at != '\0';) {
        size_t length = strcspn(at, "&");
        const char *equals = memchr(at, '=', length);
        size_t name = equals != NULL ? (size_t)(equals - at) : length;
        if (length > 0) {
            pairs[used] = (struct pair){at, equals != NULL ? equals + 1 : at + length, name,
                                        equals != NULL ? length - name - 1 : 0, used};
            used++;
        }
        at += length;
        at += *at == '&';
    }
    qsort(pairs, used, sizeof(*pairs), compare_parameters);
    for (size_t i = 0; i < used; i++) {
        rky_strbuf_add(out, i > 0 ? "&" : "");
        rky_strbuf_addn(out, pairs[i].name, pairs[i].name_length);
        rky_strbuf_addc(out, '=');
        rky_strbuf_addn(out, pairs[i].value, pairs[i].value_length);
    }
    rky_free(pairs);
    return 0;
}

/* Without the space around it, and runs of space inside as one. */
static void add_trimmed(struct rky_strbuf *out, const char *value, size_t length)
{
    bool space = false;
    bool begun = false;
    for (size_t i = 0; i < length; i++) {
        if (isspace((unsigned char)value[i])) {
            space = begun;
            continue;
        }
        if (space)
            rky_strbuf_addc(out, ' ');
        rky_strbuf_addc(out, value[i]);
        space = false;
        begun = true;
    }
}

static struct pair header_pair(const char *name, const char *value, size_t place)
{
    return (struct pair){name, value, strlen(name), strlen(value), place};
}

/* Appends the canonical headers to @p out and the list of their names to @p names. */
static int add_canonical_headers(const struct rky_sigv4_input *input, const char *date,
                                 struct rky_strbuf *out, struct rky_strbuf *names,
                                 struct rky_error *err)
{
    size_t count = 0;
    struct pair *pairs = rky_calloc(input->header_count + 2, sizeof(*pairs));
    if (pairs == NULL)
        return rky_fail_nomem(err);
    for (; count < input->header_count; count++)
        pairs[count] = header_pair(input->headers[count].name, input->headers[count].value, count);
    pairs[count] = header_pair("x-amz-date", date, count);
    count++;
    if (input->session_token != NULL) {
        pairs[count] = header_pair("x-amz-security-token", input->session_token, count);
        count++;
    }
    qsort(pairs, count, sizeof(*pairs), compare_headers);
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && pairs[i].name_length == pairs[i - 1].name_length &&
                     strncasecmp(pairs[i].name, pairs[i - 1].name, pairs[i].name_length) == 0;
        if (again) {
            rky_strbuf_addc(out, ',');
        } else {
            rky_strbuf_add(out, i > 0 ? "\n" : "");
            rky_strbuf_add(names, i > 0 ? ";" : "");
            for (size_t j = 0; j < pairs[i].name_length; j++) {
                char lower = (char)tolower((unsigned char)pairs[i].name[j]);
                rky_strbuf_addc(out, lower);
                rky_strbuf_addc(names, lower);
            }
            rky_strbuf_addc(out, ':');
        }
        add_trimmed(out, pairs[i].value, pairs[i].value_length);
    }
    rky_strbuf_addc(out, '\n');
    rky_free(pairs);
    return 0;
}

/* @param ret_names ";"-separated names of the signed headers. @param ret_hash of the canonical
 * request. */
static int hash_request(const struct rky_sigv4_input *input, const char *date,
                        struct rky_strbuf *ret_names, char ret_hash[RKY_SHA256_HEX],
                        struct rky_error *err)
{
    struct rky_strbuf out = {0};
    char *path = canonical_path(input);
    int rc = path == NULL ? rky_fail_nomem(err) : 0;
    if (rc != 0)
        goto out;
    rky_strbuf_addf(&out, "%s\n%s\n", input->method, path);
    rc = add_canonical_query(&out, input->query != NULL ? input->query : "", err);
    if (rc != 0)
        goto out;
    rky_strbuf_addc(&out, '\n');
    rc = add_canonical_headers(input, date, &out, ret_names, err);
    if (rc != 0)
        goto out;
    rky_strbuf_addf(&out, "\n%s\n%s", rky_strbuf_text(ret_names), input->payload_sha256);
    if (out.failed || ret_names->failed)
        rc = rky_fail_nomem(err);
    else
        rky_sha256_hex(out.data, out.length, ret_hash);

out:
    if (out.data != NULL)
        explicit_bzero(out.data, out.length); /* the session token stands in it */
    rky_strbuf_done(&out);
    rky_free(path);
    return rc;
}

static int hmac(const void *key, size_t key_length, const char *text,
                unsigned char ret_digest[DIGEST], struct rky_error *err)
{
    if (HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, strlen(text),
             ret_digest, NULL) == NULL)
        return rky_fail_nomem(err); /* nothing else can go wrong with valid arguments */
    return 0;
}

/* The key of one day, region and service, in four steps. */
static int derive_key(const struct rky_sigv4_input *input, const char *day,
                      unsigned char ret_key[DIGEST], struct rky_error *err)
{
    const char *const steps[] = {day, input->region, input->service, "aws4_request"};
    char *secret = rky_asprintf("AWS4%s", input->secret_key);
    if (secret == NULL)
        return rky_fail_nomem(err);
    int rc = hmac(secret, strlen(secret), steps[0], ret_key, err);
    for (size_t i = 1; i < sizeof(steps) / sizeof(steps[0]) && rc == 0; i++) {
        unsigned char previous[DIGEST];
        memcpy(previous, ret_key, DIGEST);
        rc = hmac(previous, DIGEST, steps[i], ret_key, err);
        explicit_bzero(previous, sizeof(previous));
    }
    explicit_bzero(secret, strlen(secret));
    rky_free(secret);
    return rc;
}

int rky_sigv4_sign(const struct rky_sigv4_input *input, char ret_date[17], char **ret_authorization,
                   struct rky_error *err)
{
    struct rky_strbuf names = {0};
    char hash[RKY_SHA256_HEX];
    char date[17];
    char day[9];
    unsigned char key[DIGEST];
    unsigned char signature[DIGEST];
    char *scope = NULL;
    char *to_sign = NULL;
    struct tm parts;
    time_t seconds = (time_t)(input->time_us / 1000000);
    RKY_ASSERT(gmtime_r(&seconds, &parts) != NULL);
    RKY_ASSERT(strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &parts) == 16);
    memcpy(day, date, 8);
    day[8] = '\0';

    int rc = hash_request(input, date, &names, hash, err);
    if (rc != 0)
        goto out;
    scope = rky_asprintf("%s/%s/%s/aws4_request", day, input->region, input->service);
    if (scope != NULL)
        to_sign = rky_asprintf("%s\n%s\n%s\n%s", ALGORITHM, date, scope, hash);
    if (to_sign == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    rc = derive_key(input, day, key, err);
    if (rc == 0)
        rc = hmac(key, DIGEST, to_sign, signature, err);
    if (rc != 0)
        goto out;
    struct rky_strbuf line = {0};
    rky_strbuf_addf(&line, "%s Credential=%s/%s, SignedHeaders=%s, Signature=", ALGORITHM,
                    input->access_key, scope, rky_strbuf_text(&names));
    for (size_t i = 0; i < DIGEST; i++)
        rky_strbuf_addf(&line, "%02x", (unsigned)signature[i]);
    char *authorization = rky_strbuf_take(&line);
    if (authorization == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    *ret_authorization = authorization;
    memcpy(ret_date, date, sizeof(date));

out:
    explicit_bzero(key, sizeof(key));
    rky_strbuf_done(&names);
    rky_free(to_sign);
    rky_free(scope);
    return rc;
}
