/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of [state]: what the chosen backend needs, what its values must look like
 * before a server is asked, and what contradicts itself.
 *
 * Refused is only what can work nowhere: a user should hear of a wrong port or key from `validate`,
 * not from the first upload. Nothing of an address or key that may be secret is shown.
 */
#include <config.h>

#include "common/config_internal.h"

#include <string.h>

#include "common/secret_key.h"
#include "common/valkey_url.h"

#define BLANKS " \t\r\n\v\f"

static bool has_scheme(const char *url, const char *const *schemes)
{
    for (size_t i = 0; schemes[i] != NULL; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0 && url[length] != '\0')
            return true;
    }
    return false;
}

static int problem(struct rky_walk *walk, const char *key, const char *hint, const char *what)
{
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", key), hint, "%s", what);
}

/* The address may hold a password, so it is not shown. */
static int check_valkey_url(struct rky_walk *walk, const char *text)
{
    static const char *const schemes[] = {"valkey://", "valkeys://", "redis://",
                                          "rediss://", "unix://",    NULL};
    struct rky_valkey_url url = {0};
    struct rky_error wrong = {0};
    if (text == NULL)
        return RKY_OK;
    if (!has_scheme(text, schemes))
        return problem(walk, "valkey_url", NULL,
                       "expected an address that begins with valkey://, valkeys://, redis://, "
                       "rediss:// or unix://");
    int rc = rky_valkey_url_parse(text, &url, &wrong);
    rky_valkey_url_done(&url);
    return rc == RKY_ERR_CONFIG ? problem(walk, "valkey_url", wrong.hint, wrong.message) : rc;
}

static int check_endpoint(struct rky_walk *walk, const char *endpoint)
{
    static const char *const schemes[] = {"http://", "https://", NULL};
    static const char hint[] = "write it as \"https://host\" or \"https://host:port\"";
    if (endpoint == NULL)
        return RKY_OK;
    if (!has_scheme(endpoint, schemes))
        return problem(walk, "s3_endpoint", NULL,
                       "expected an address that begins with http:// or https://");
    const char *host = strstr(endpoint, "://") + 3;
    size_t length = strcspn(host, "/?#");
    if (memchr(host, '@', length) != NULL)
        return problem(walk, "s3_endpoint",
                       "leave them out: the keys come from the environment, a profile or a role",
                       "expected an address alone, found a user or password in it");
    if (host[length + strcspn(host + length, "?#")] != '\0')
        return problem(walk, "s3_endpoint", hint,
                       "expected no query and no '#' behind the address");
    if (strpbrk(host, BLANKS) != NULL)
        return problem(walk, "s3_endpoint", hint, "expected an address, found a blank in it");
    if (!rky_rule_is_address(host, length, false))
        return problem(walk, "s3_endpoint", hint,
                       "expected a host and perhaps a port up to 65535 behind the scheme");
    return RKY_OK;
}

/* What no server takes is wrong with another endpoint, too: the name is a part of the URL. Amazon
 * keeps buckets of early years whose names it would not take today. */
static int check_bucket(struct rky_walk *walk, const char *bucket, bool amazon)
{
    static const char *const at[] = {"state", "s3_bucket", NULL};
    static const char today[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    static const char once[] = "abcdefghijklmnopqrstuvwxyz0123456789.-ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    char shown[RKY_SHOWN_MAX];
    if (bucket == NULL)
        return RKY_OK;
    size_t length = strlen(bucket);
    if (strchr(bucket, '/') != NULL)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, at, "a path belongs to s3_prefix",
                                "expected the name of a bucket alone, found %s",
                                rky_shown(bucket, false, shown));
    if (strpbrk(bucket, BLANKS) != NULL || strcmp(bucket, ".") == 0 || strcmp(bucket, "..") == 0)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, at, NULL,
                                "expected the name of a bucket without blanks, found %s",
                                rky_shown(bucket, false, shown));
    if (amazon && (length < 3 || length > 255 || strspn(bucket, once) != length))
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, at,
                                "of another server than Amazon's, s3_endpoint is needed, too",
                                "expected 3 to 63 of [a-z0-9.-], found %s",
                                rky_shown(bucket, false, shown));
    if (amazon && (length > 63 || strspn(bucket, today) != length))
        return rky_rule_problem(walk, RKY_PROBLEM_WARNING, at,
                                "only buckets that were made in us-east-1 before March 2018 may "
                                "have another name",
                                "expected 3 to 63 of [a-z0-9.-], found %s",
                                rky_shown(bucket, false, shown));
    return RKY_OK;
}

/* It is a part of what is signed, and of Amazon's host names. */
static int check_region(struct rky_walk *walk, const char *region, bool amazon)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    char shown[RKY_SHOWN_MAX];
    if (region == NULL)
        return RKY_OK;
    bool fine =
        amazon ? strspn(region, letters) == strlen(region) : strpbrk(region, BLANKS "/") == NULL;
    if (fine)
        return RKY_OK;
    return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", "s3_region"), NULL,
                            "expected a region's name such as 'eu-central-1', found %s",
                            rky_shown(region, false, shown));
}

static int check_key(struct rky_walk *walk, const char *text)
{
    unsigned char bytes[RKY_SECRET_KEY_BYTES];
    struct rky_error wrong = {0};
    int rc = text == NULL ? RKY_OK : rky_secret_key_parse(text, bytes, &wrong);
    explicit_bzero(bytes, sizeof(bytes));
    return rc == RKY_OK ? rc : problem(walk, "encryption_key", wrong.hint, wrong.message);
}

static int check_values(struct rky_walk *walk, const struct rky_state_config *state)
{
    bool amazon = state->s3_endpoint == NULL;
    int rc = check_valkey_url(walk, state->valkey_url);
    if (rc == RKY_OK)
        rc = check_endpoint(walk, state->s3_endpoint);
    if (rc == RKY_OK)
        rc = check_bucket(walk, state->s3_bucket, amazon);
    if (rc == RKY_OK)
        rc = check_region(walk, state->s3_region, amazon);
    return rc == RKY_OK ? check_key(walk, state->encryption_key) : rc;
}

/* A lock that is demanded and cannot be had would look like one that is held. */
static int check_lock(struct rky_walk *walk, const struct rky_state_config *state)
{
    if (state->lock_mode == RKY_LOCK_REQUIRE && state->backend == RKY_BACKEND_S3 && !state->lock_s3)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", "lock", "mode"),
                                "write s3 = true beside it, or take backend \"tiered\"",
                                "'require' needs a lease, and backend 's3' has none by itself");
    if (state->lock_mode == RKY_LOCK_OFF && state->lock_s3)
        return rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", "lock", "s3"), "remove it",
                                "mode 'off' takes no lease");
    return RKY_OK;
}

/* What is written for secrecy and silently not used. */
static int check_secrecy(struct rky_walk *walk, const struct rky_state_config *state)
{
    static const char *const tls[] = {"valkeys://", "rediss://", NULL};
    static const char *const files[] = {"valkey_ca_file", "valkey_cert_file", "valkey_key_file"};
    const char *const set[] = {state->valkey_ca_file, state->valkey_cert_file,
                               state->valkey_key_file};
    int rc = RKY_OK;
    if (state->s3_kms_key_id != NULL && state->s3_sse != NULL &&
        strcmp(state->s3_sse, "AES256") == 0)
        rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", "s3_kms_key_id"),
                              "write s3_sse = \"aws:kms\", or remove the key",
                              "s3_sse = 'AES256' uses no key of yours");
    if (state->valkey_url == NULL || has_scheme(state->valkey_url, tls))
        return rc;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == RKY_OK; i++)
        if (set[i] != NULL)
            rc = rky_rule_problem(walk, RKY_PROBLEM_ERROR, RKY_AT("state", files[i]),
                                  "write valkeys://, or remove the file",
                                  "the address in valkey_url is one without TLS");
    return rc;
}

int rky_rules_state(struct rky_walk *walk, const struct rky_state_config *state)
{
    bool tiered = state->backend == RKY_BACKEND_TIERED;
    char why[64];
    int rc = RKY_OK;

    (void)snprintf(why, sizeof(why), "backend '%s'", rky_backend_name(state->backend));
    if (state->backend == RKY_BACKEND_S3 || tiered)
        rc = rky_rule_require(walk, RKY_AT("state", "s3_bucket"), why);
    if (rc == RKY_OK && (state->backend == RKY_BACKEND_VALKEY || tiered))
        rc = rky_rule_require(walk, RKY_AT("state", "valkey_url"), why);
    if (rc == RKY_OK && state->valkey_cert_file != NULL)
        rc = rky_rule_require(walk, RKY_AT("state", "valkey_key_file"), "'valkey_cert_file'");
    if (rc == RKY_OK && state->valkey_key_file != NULL)
        rc = rky_rule_require(walk, RKY_AT("state", "valkey_cert_file"), "'valkey_key_file'");
    if (rc == RKY_OK)
        rc = check_values(walk, state);
    if (rc == RKY_OK)
        rc = check_lock(walk, state);
    return rc == RKY_OK ? check_secrecy(walk, state) : rc;
}
