/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs of Valkey servers. Pure. A URL may hold a password, so no message quotes more of one than a
 * part that cannot contain it.
 */
#include <config.h>

#include "common/valkey_url.h"

#include <string.h>

#include "common/mem.h"

struct scheme {
    const char *prefix;
    bool tls, socket;
};
static const struct scheme schemes[] = {
    {"valkey://", false, false}, {"valkeys://", true, false}, {"redis://", false, false},
    {"rediss://", true, false},  {"unix://", false, true},
};
static const int64_t DATABASE_MAX = 1000000;

static int bad_url(struct rky_error *err, const char *what)
{
    int rc = rky_fail(err, RKY_ERR_CONFIG, "%s", what);
    rky_error_hint(err, "expected valkey://[user:password@]host[:port][/database], valkeys:// for "
                        "TLS, or unix://[user:password@]/path[?db=N]; percent-encode '@', ':', "
                        "'/', '?', '#' and '%%' in user and password");
    return rc;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded copy. NUL bytes are refused: they would cut what follows. */
static int decode(const char *text, size_t length, const char *what, char **ret_text,
                  struct rky_error *err)
{
    char *decoded = rky_malloc(length + 1);
    size_t used = 0;
    if (decoded == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            c = low >= 0 ? high * 16 + low : 0;
            i += 2;
        }
        if (c == 0) {
            explicit_bzero(decoded, length);
            rky_free(decoded);
            return bad_url(err, what);
        }
        decoded[used++] = (char)c;
    }
    decoded[used] = '\0';
    *ret_text = decoded;
    return 0;
}

static int parse_number(const char *text, size_t length, int64_t greatest, int64_t *ret_number)
{
    int64_t number = 0;
    if (length == 0 || length > 9)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    if (number > greatest)
        return -1;
    *ret_number = number;
    return 0;
}

static int parse_login(const char *text, size_t length, struct rky_valkey_url *url,
                       struct rky_error *err)
{
    const char *colon = memchr(text, ':', length);
    if (colon == NULL)
        return bad_url(err, "there is a user but no password");
    size_t user_length = (size_t)(colon - text);
    int rc = 0;
    if (user_length > 0)
        rc = decode(text, user_length, "the user is not percent-encoded text", &url->user, err);
    if (rc == 0)
        rc = decode(colon + 1, length - user_length - 1, "the password is not percent-encoded text",
                    &url->password, err);
    if (rc == 0 && url->password[0] == '\0')
        return bad_url(err, "the password is empty");
    return rc;
}

static int parse_host(const char *text, size_t length, struct rky_valkey_url *url,
                      struct rky_error *err)
{
    const char *end = text + length, *host = text, *host_end = NULL, *port = NULL;
    int64_t number = 6379;
    if (length > 0 && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', length - 1);
        if (host_end == NULL)
            return bad_url(err, "an IPv6 address begins with '[' and must end with ']'");
        if (host_end + 1 < end && host_end[1] != ':')
            return bad_url(err, "only ':port' may follow an IPv6 address");
        port = host_end + 1 < end ? host_end + 2 : NULL;
    } else {
        host_end = memchr(text, ':', length);
        port = host_end != NULL ? host_end + 1 : NULL;
        host_end = host_end != NULL ? host_end : end;
    }
    if (host_end == host)
        return bad_url(err, "there is no host");
    if (port != NULL &&
        (parse_number(port, (size_t)(end - port), 65535, &number) != 0 || number == 0))
        return bad_url(err, "the port is not a number from 1 to 65535");
    int rc = decode(host, (size_t)(host_end - host), "the host is not percent-encoded text",
                    &url->host, err);
    if (rc != 0)
        return rc;
    url->port = rky_asprintf("%d", (int)number);
    return url->port != NULL ? 0 : rky_fail_nomem(err);
}

/* What follows the authority: "/database", or a path, with "?db=N" behind it. */
static int parse_rest(const char *text, bool socket, struct rky_valkey_url *url,
                      struct rky_error *err)
{
    const char *query = strchr(text, '?');
    size_t length = query != NULL ? (size_t)(query - text) : strlen(text);
    if (strchr(text, '#') != NULL)
        return bad_url(err, "there is a '#'");
    if (query != NULL &&
        (!socket || strncmp(query, "?db=", 4) != 0 ||
         parse_number(query + 4, strlen(query + 4), DATABASE_MAX, &url->database) != 0))
        return bad_url(err, "only unix:// takes a query, and that is 'db=' and a number");
    if (socket) {
        if (length < 2)
            return bad_url(err, "unix:// needs the absolute path of a socket");
        return decode(text, length, "the path is not percent-encoded text", &url->path, err);
    }
    if (length > 1 && parse_number(text + 1, length - 1, DATABASE_MAX, &url->database) != 0)
        return bad_url(err, "the database is not a number");
    return 0;
}

static char *make_uri(const struct rky_valkey_url *url)
{
    if (url->path != NULL)
        return rky_asprintf("unix://%s?db=%d", url->path, (int)url->database);
    bool brackets = strchr(url->host, ':') != NULL;
    return rky_asprintf("%s://%s%s%s:%s/%d", url->tls ? "valkeys" : "valkey", brackets ? "[" : "",
                        url->host, brackets ? "]" : "", url->port, (int)url->database);
}

static const struct scheme *find_scheme(const char *text)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
            return &schemes[i];
    return NULL;
}

int rky_valkey_url_parse(const char *text, struct rky_valkey_url *ret_url, struct rky_error *err)
{
    struct rky_valkey_url url = {0};
    const struct scheme *scheme = find_scheme(text);
    if (scheme == NULL)
        return bad_url(err, "the scheme is not one of valkey, valkeys, redis, rediss, unix");
    url.tls = scheme->tls;
    text += strlen(scheme->prefix);

    size_t length = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', length);
    const char *host = at != NULL ? at + 1 : text;
    int rc = at != NULL ? parse_login(text, (size_t)(at - text), &url, err) : 0;
    if (rc == 0 && scheme->socket && host != text + length)
        rc = bad_url(err, "unix:// takes no host");
    if (rc == 0 && !scheme->socket)
        rc = parse_host(host, (size_t)(text + length - host), &url, err);
    if (rc == 0)
        rc = parse_rest(text + length, scheme->socket, &url, err);
    if (rc == 0) {
        url.uri = make_uri(&url);
        rc = url.uri != NULL ? 0 : rky_fail_nomem(err);
    }
    if (rc != 0) {
        rky_valkey_url_done(&url);
        return rc;
    }
    *ret_url = url;
    return 0;
}

static void free_secret(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    rky_free(secret);
}

void rky_valkey_url_done(struct rky_valkey_url *url)
{
    rky_free(url->path);
    rky_free(url->host);
    rky_free(url->port);
    rky_free(url->user);
    free_secret(url->password);
    rky_free(url->uri);
    *url = (struct rky_valkey_url){0};
}
