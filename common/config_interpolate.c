/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References in strings: `${VAR}`, `${VAR:-default}`, `${file:PATH}`, and `$${` for a literal `${`.
 *
 * It happens after TOML has been parsed, so what comes in is a value and can never become a key, a
 * quote or another table. Every reference of a string is looked at, also after a missing variable,
 * so that all of them are named at once. What comes from a file is a secret.
 */
#include <config.h>

#include "common/config_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"

/* Defaults may hold references; deeper than this nobody means it. */
#define DEPTH_MAX 8
#define FILE_BYTES_MAX ((size_t)1024 * 1024)

static const char NAME_CHARACTERS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

struct expansion {
    struct rky_walk *walk;
    const struct rky_place *place;
    struct rky_strbuf text;
    bool interpolated;
    bool secret;
    bool bad;    /* a problem was added */
    bool broken; /* the syntax is wrong: what follows has no meaning */
    int quiet;   /* above 0: inside a default that is not used, nothing is looked up */
};

static int expand(struct expansion *e, const char **at, int depth);

static int refuse(struct expansion *e, const char *hint, const char *what, const char *name,
                  int length)
{
    e->bad = true;
    return rky_walk_problem(e->walk, e->place, false, hint, "%s '%.*s'", what, length, name);
}

static int refuse_syntax(struct expansion *e)
{
    if (e->broken)
        return RKY_OK;
    e->bad = true;
    e->broken = true;
    return rky_walk_problem(e->walk, e->place, false, "write '$${' for a literal '${'",
                            "expected '${NAME}', '${NAME:-default}' or '${file:PATH}' after '${'");
}

/* The environment wants a terminated name. */
static int lookup(const char *name, size_t length, const char **ret_value)
{
    char *copy = rky_strndup(name, length);
    if (copy == NULL)
        return RKY_ERR_NOMEM;
    *ret_value = getenv(copy);
    rky_free(copy);
    return RKY_OK;
}

/* @p at stands behind "${" on a name. */
static int expand_variable(struct expansion *e, const char **at, int depth)
{
    const char *name = *at;
    size_t length = strspn(name, NAME_CHARACTERS);
    const char *value = NULL;
    int rc = RKY_OK;

    *at += length;
    if (e->quiet == 0)
        rc = lookup(name, length, &value);
    if (rc != RKY_OK)
        return rc;
    if (value != NULL && !rky_utf8_valid(value, strlen(value)))
        rc = refuse(e, NULL, "no UTF-8 in environment variable", name, (int)length);
    if (**at == '}') {
        *at += 1;
        if (value != NULL)
            rky_strbuf_add(&e->text, value);
        else if (e->quiet == 0)
            return refuse(e, "set it, or write a default: '${NAME:-default}'",
                          "missing environment variable", name, (int)length);
        return rc;
    }
    if (rc != RKY_OK)
        return rc;
    if (strncmp(*at, ":-", 2) != 0)
        return refuse_syntax(e);
    *at += 2;
    bool use_default = value == NULL || value[0] == '\0';
    if (!use_default) {
        rky_strbuf_add(&e->text, value);
        e->quiet++;
    }
    rc = expand(e, at, depth + 1);
    if (!use_default)
        e->quiet--;
    return rc;
}

static int read_secret_file(struct expansion *e, const char *written)
{
    struct rky_error why = {0};
    char *path = rky_path_join(e->walk->config->directory, written);
    char *data = NULL;
    size_t length = 0;
    int rc =
        path != NULL ? rky_read_file(path, FILE_BYTES_MAX, &data, &length, &why) : RKY_ERR_NOMEM;

    if (rc == RKY_OK && length > 0 && data[length - 1] == '\n')
        length -= length > 1 && data[length - 2] == '\r' ? 2 : 1;
    if (rc == RKY_OK) {
        data[length] = '\0';
        if (rky_utf8_valid(data, length)) {
            rky_strbuf_addn(&e->text, data, length);
            e->secret = true;
            rc = rky_secret_add(e->walk, data);
        } else {
            rc = refuse(e, NULL, "no UTF-8 text in file", written, (int)strlen(written));
        }
    } else if (rc != RKY_ERR_NOMEM) {
        e->bad = true;
        rc = rky_walk_problem(e->walk, e->place, false, NULL, "'${file:PATH}': %s", why.message);
    }
    rky_free(data);
    rky_free(path);
    return rc;
}

/* @p at stands behind "${file:". The path may hold references of its own. */
static int expand_file(struct expansion *e, const char **at, int depth)
{
    struct rky_strbuf outside = e->text;
    bool bad_before = e->bad;
    e->text = (struct rky_strbuf){0};
    e->bad = false;
    int rc = expand(e, at, depth + 1);
    struct rky_strbuf path = e->text;
    bool readable = !e->bad && e->quiet == 0;
    e->text = outside;

    if (rc == RKY_OK && path.failed)
        rc = RKY_ERR_NOMEM;
    if (rc == RKY_OK && readable)
        rc = path.length > 0 ? read_secret_file(e, rky_strbuf_text(&path)) : refuse_syntax(e);
    e->bad = e->bad || bad_before;
    rky_strbuf_done(&path);
    return rc;
}

static int expand_reference(struct expansion *e, const char **at, int depth)
{
    e->interpolated = true;
    if (strncmp(*at, "file:", 5) == 0) {
        *at += 5;
        return expand_file(e, at, depth);
    }
    if (isdigit((unsigned char)**at) || strspn(*at, NAME_CHARACTERS) == 0)
        return refuse_syntax(e);
    return expand_variable(e, at, depth);
}

/* Copy up to the end (depth 0) or to the '}' that closes a default, which is consumed. */
static int expand(struct expansion *e, const char **at, int depth)
{
    if (depth > DEPTH_MAX)
        return refuse_syntax(e);
    while (**at != '\0' && !e->broken) {
        if (depth > 0 && **at == '}') {
            *at += 1;
            return RKY_OK;
        }
        if (strncmp(*at, "$${", 3) == 0) {
            if (e->quiet == 0)
                rky_strbuf_add(&e->text, "${");
            *at += 3;
        } else if (strncmp(*at, "${", 2) == 0) {
            *at += 2;
            int rc = expand_reference(e, at, depth);
            if (rc != RKY_OK)
                return rc;
        } else {
            if (e->quiet == 0)
                rky_strbuf_addc(&e->text, **at);
            *at += 1;
        }
    }
    return depth > 0 ? refuse_syntax(e) : RKY_OK;
}

int rky_walk_expand(struct rky_walk *walk, const struct rky_place *place,
                    struct rky_given *ret_given)
{
    struct expansion e = {.walk = walk, .place = place};
    const char *at = json_string_value(place->value);
    int rc = expand(&e, &at, 0);
    char *text = NULL;

    if (rc == RKY_OK && !e.bad) {
        if (e.text.length == 0 && !e.text.failed)
            text = rky_strdup("");
        else
            text = rky_strbuf_take(&e.text);
        if (text == NULL)
            rc = RKY_ERR_NOMEM;
    }
    rky_strbuf_done(&e.text);
    *ret_given =
        (struct rky_given){.text = text, .interpolated = e.interpolated, .secret = e.secret};
    return rc;
}

/* --- secrets ------------------------------------------------------------------------------- */

int rky_secret_add(struct rky_walk *walk, const char *text)
{
    struct rky_strings *secrets = &walk->config->secrets;
    if (text[0] == '\0' || rky_strings_has(secrets, text))
        return RKY_OK;
    return rky_strings_add(secrets, text, walk->err);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* In place: "%2f" to "/". A text without escapes stays as it is. */
static void percent_decode(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        int high = *at == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        if (low >= 0 && (high > 0 || low > 0)) {
            *to++ = (char)(high * 16 + low);
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
}

int rky_secret_add_userinfo(struct rky_walk *walk, const char *text)
{
    const char *host = strstr(text, "://");
    if (host == NULL)
        return RKY_OK;
    host += 3;
    /* The last '@' before the path: a password that was not encoded may hold one. */
    const char *end = host + strcspn(host, "/?#");
    const char *at_sign = memrchr(host, '@', (size_t)(end - host));
    const char *colon = at_sign != NULL ? memchr(host, ':', (size_t)(at_sign - host)) : NULL;
    if (colon == NULL)
        return RKY_OK;
    char *password = rky_strndup(colon + 1, (size_t)(at_sign - colon - 1));
    if (password == NULL)
        return RKY_ERR_NOMEM;
    int rc = rky_secret_add(walk, password);
    percent_decode(password);
    if (rc == RKY_OK)
        rc = rky_secret_add(walk, password);
    rky_free(password);
    return rc;
}
