/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of credential providers and what it gave last.
 *
 * One thread at a time is with the providers (`asking`); the lock is not held meanwhile. Others
 * take what is still valid, or wait where nothing is, and then share that thread's luck: a service
 * that is down is asked once, not once per thread. What must stay true: keys that have expired are
 * never handed out, and no waiting outlives the transfer's deadline.
 */
#include "config.h"

#include "common/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/credentials_internal.h"
#include "common/ids.h"

#define SECOND_US ((int64_t)1000000)
/* Renew this long before expiry, earlier by up to a fifth so that a fleet does not ask at once. */
#define REFRESH_AHEAD_US (300 * SECOND_US)
/* After a renewal that failed while the old keys still hold. */
#define RETRY_AFTER_US (30 * SECOND_US)

static const struct {
    const char *name;
    rky_provider_fn *fn;
} chain[] = {
    {"environment", rky_provider_environment}, {"web-identity", rky_provider_web_identity},
    {"profile", rky_provider_profile},         {"container", rky_provider_container},
    {"instance", rky_provider_instance},
};

static const char *process_getenv(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

void rky_aws_keys_done(struct rky_aws_keys *keys)
{
    char *const texts[] = {keys->access_key, keys->secret_key, keys->session_token};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i] != NULL)
            explicit_bzero(texts[i], strlen(texts[i]));
        rky_free(texts[i]);
    }
    *keys = (struct rky_aws_keys){0};
}

static int copy_keys(const struct rky_aws_keys *keys, struct rky_aws_keys *ret_keys)
{
    struct rky_aws_keys copy = {.expires_us = keys->expires_us, .provider = keys->provider};
    copy.access_key = rky_strdup(keys->access_key);
    copy.secret_key = rky_strdup(keys->secret_key);
    if (keys->session_token != NULL)
        copy.session_token = rky_strdup(keys->session_token);
    if (copy.access_key == NULL || copy.secret_key == NULL ||
        (keys->session_token != NULL && copy.session_token == NULL)) {
        rky_aws_keys_done(&copy);
        return RKY_ERR_NOMEM;
    }
    *ret_keys = copy;
    return 0;
}

int rky_credentials_new(const struct rky_credentials_options *options,
                        struct rky_credentials **ret_credentials, struct rky_error *err)
{
    struct rky_credentials *credentials = rky_calloc(1, sizeof(*credentials));
    pthread_condattr_t attributes;
    if (credentials == NULL)
        return rky_fail_nomem(err);
    credentials->http = options->http;
    credentials->clock = options->clock;
    credentials->log = options->log;
    credentials->getenv = options->getenv != NULL ? options->getenv : process_getenv;
    credentials->getenv_context = options->getenv_context;
    if (options->region != NULL && options->region[0] != '\0') {
        credentials->region = rky_strdup(options->region);
        if (credentials->region == NULL) {
            rky_free(credentials);
            return rky_fail_nomem(err);
        }
    }
    /* Neither can fail on Linux with these arguments. */
    RKY_ASSERT(pthread_condattr_init(&attributes) == 0);
    RKY_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    RKY_ASSERT(pthread_cond_init(&credentials->changed, &attributes) == 0);
    RKY_ASSERT(pthread_mutex_init(&credentials->mutex, NULL) == 0);
    (void)pthread_condattr_destroy(&attributes);
    *ret_credentials = credentials;
    return 0;
}

void rky_credentials_free(struct rky_credentials *credentials)
{
    if (credentials == NULL)
        return;
    RKY_ASSERT(!credentials->asking);
    rky_aws_keys_done(&credentials->keys);
    (void)pthread_cond_destroy(&credentials->changed);
    (void)pthread_mutex_destroy(&credentials->mutex);
    rky_free(credentials->region);
    rky_free(credentials);
}

/* Nobody has keys. */
static int none(struct rky_provider_call *call)
{
    *call->attempt = (struct rky_attempt){.error_class = "no_credentials"};
    int rc = rky_fail(call->err, RKY_ERR_AUTH, "no AWS credentials: %s",
                      rky_strbuf_text(&call->reasons));
    rky_error_hint(call->err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod or "
                              "the machine a role");
    return rc;
}

/* From the first provider to the one that decides. @param last who gave the last keys, or NULL. */
static int ask_chain(struct rky_credentials *credentials, struct rky_transfer *transfer,
                     const char *last, struct rky_aws_keys *ret_keys,
                     struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct rky_provider_call call = {
        .credentials = credentials, .transfer = transfer, .attempt = ret_attempt, .err = err};
    int rc = RKY_ERR_NOT_FOUND;
    for (size_t i = 0; i < sizeof(chain) / sizeof(chain[0]) && rc == RKY_ERR_NOT_FOUND; i++) {
        call.provider = chain[i].name;
        call.renewing = last != NULL && strcmp(last, chain[i].name) == 0;
        rc = chain[i].fn(&call, ret_keys);
    }
    if (call.reasons.failed && rc != 0) {
        rc = rky_provider_nomem(&call);
    } else if (rc == RKY_ERR_NOT_FOUND) {
        rc = none(&call);
    } else if (rc != 0 && rc != RKY_ERR_NOMEM) {
        rky_error_wrap(err, "no AWS credentials: %s%s%s", rky_strbuf_text(&call.reasons),
                       call.reasons.length > 0 ? "; " : "", call.provider);
    }
    rky_strbuf_done(&call.reasons);
    return rc;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t when_to_refresh(const struct rky_aws_keys *keys, int64_t now_us)
{
    if (keys->expires_us == 0)
        return INT64_MAX;
    /* Keys that live shorter than that: in the last half of their life. */
    int64_t ahead = smaller(REFRESH_AHEAD_US, (keys->expires_us - now_us) / 2);
    return keys->expires_us - ahead - (int64_t)((double)ahead * 0.2 * rky_random_unit());
}

static bool valid(const struct rky_credentials *credentials, int64_t now_us)
{
    return credentials->keys.access_key != NULL &&
           (credentials->keys.expires_us == 0 || credentials->keys.expires_us > now_us);
}

/* Take the result of a flight; under the lock. */
static void land(struct rky_credentials *credentials, int rc, struct rky_aws_keys *keys,
                 const struct rky_attempt *attempt, const struct rky_error *err)
{
    int64_t now_us = credentials->clock->wall_us(credentials->clock);
    credentials->failure = rc;
    if (rc == 0) {
        rky_aws_keys_done(&credentials->keys);
        credentials->keys = *keys;
        credentials->refresh_us = when_to_refresh(keys, now_us);
    } else {
        credentials->failure_error = *err;
        credentials->failure_attempt = *attempt;
        credentials->refresh_us =
            now_us + (int64_t)((double)RETRY_AFTER_US * (0.5 + rky_random_unit() / 2));
    }
    credentials->asking = false;
    credentials->flights++;
    (void)pthread_cond_broadcast(&credentials->changed);
}

/* Ask the chain without holding the lock; called and left with it held. */
static void fly(struct rky_credentials *credentials, struct rky_transfer *transfer)
{
    struct rky_aws_keys keys = {0};
    struct rky_attempt attempt = {0};
    struct rky_error err = {0};
    const char *last = credentials->keys.provider;
    credentials->asking = true;
    (void)pthread_mutex_unlock(&credentials->mutex);
    int rc = ask_chain(credentials, transfer, last, &keys, &attempt, &err);
    rky_log_write(credentials->log, RKY_LOG_DEBUG, NULL, "AWS credentials: %s",
                  rc == 0 ? keys.provider : err.message);
    (void)pthread_mutex_lock(&credentials->mutex);
    land(credentials, rc, &keys, &attempt, &err);
}

static struct timespec in_ms(int64_t ms)
{
    struct timespec when;
    (void)clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += (time_t)(ms / 1000);
    when.tv_nsec += (long)(ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Wait for the thread that asks. @return false when the deadline came first. */
static bool wait_for_flight(struct rky_credentials *credentials,
                            const struct rky_transfer *transfer)
{
    int64_t left_ms = smaller(rky_deadline_left_ms(&transfer->deadline), 24 * 3600 * 1000);
    struct timespec until = in_ms(left_ms);
    uint64_t flight = credentials->flights;
    int rc = 0;
    while (credentials->flights == flight && rc == 0)
        rc = pthread_cond_timedwait(&credentials->changed, &credentials->mutex, &until);
    return credentials->flights != flight;
}

static int failed(const struct rky_credentials *credentials, struct rky_attempt *ret_attempt,
                  struct rky_error *err)
{
    *ret_attempt = credentials->failure_attempt;
    if (err != NULL && err->code == RKY_OK)
        *err = credentials->failure_error;
    return credentials->failure;
}

int rky_credentials_get(struct rky_credentials *credentials, struct rky_transfer *transfer,
                        struct rky_aws_keys *ret_keys, struct rky_attempt *ret_attempt,
                        struct rky_error *err)
{
    int rc = 0;
    bool waited = true;
    (void)pthread_mutex_lock(&credentials->mutex);
    int64_t now_us = credentials->clock->wall_us(credentials->clock);
    bool usable = valid(credentials, now_us);
    bool due = !usable || now_us >= credentials->refresh_us;
    if (due && !credentials->asking)
        fly(credentials, transfer);
    else if (!usable)
        waited = wait_for_flight(credentials, transfer);

    if (valid(credentials, credentials->clock->wall_us(credentials->clock))) {
        rc = copy_keys(&credentials->keys, ret_keys);
        if (rc != 0) {
            *ret_attempt = (struct rky_attempt){.error_class = "no_memory"};
            rky_fail_nomem(err);
        }
    } else if (waited && credentials->failure != 0) {
        rc = failed(credentials, ret_attempt, err);
    } else {
        /* Somebody else still asks, or what he got is stale again: there may be more next time. */
        *ret_attempt = (struct rky_attempt){
            .error_class = "credentials_unavailable", .retry = RKY_RETRY_YES, .counts = false};
        rc = rky_fail(err, RKY_ERR_CONNECTION,
                      "no AWS credentials: another thread waits for them, too");
        if (err != NULL)
            err->transient = true;
    }
    (void)pthread_mutex_unlock(&credentials->mutex);
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_keys(const struct rky_aws_keys *a, const struct rky_aws_keys *b)
{
    return same_text(a->access_key, b->access_key) && same_text(a->secret_key, b->secret_key) &&
           same_text(a->session_token, b->session_token);
}

void rky_credentials_expired(struct rky_credentials *credentials, const struct rky_aws_keys *keys)
{
    (void)pthread_mutex_lock(&credentials->mutex);
    struct rky_aws_keys *own = &credentials->keys;
    if (same_keys(own, keys)) {
        const char *provider = own->provider;
        rky_aws_keys_done(own);
        own->provider = provider; /* who is expected to give the next ones */
    }
    (void)pthread_mutex_unlock(&credentials->mutex);
}

bool rky_credentials_replaced(struct rky_credentials *credentials, struct rky_transfer *transfer,
                              const struct rky_aws_keys *keys)
{
    struct rky_aws_keys now = {0};
    struct rky_attempt attempt = {0};
    struct rky_error err = {0};
    rky_credentials_expired(credentials, keys);
    /* What the service said is the fault to report, not that there is nothing better. */
    int rc = rky_credentials_get(credentials, transfer, &now, &attempt, &err);
    bool replaced = rc == 0 && !same_keys(&now, keys);
    rky_aws_keys_done(&now);
    return replaced;
}

char *rky_credentials_region(struct rky_credentials *credentials)
{
    struct rky_profile profile = {0};
    const char *region = rky_provider_getenv(credentials, "AWS_REGION");
    if (region == NULL)
        region = rky_provider_getenv(credentials, "AWS_DEFAULT_REGION");
    if (region != NULL)
        return rky_strdup(region);
    /* A file that cannot be read is reported by the provider, where it matters. */
    if (rky_profile_load(credentials, &profile, NULL) != 0)
        return NULL;
    char *own = profile.region;
    profile.region = NULL;
    rky_profile_done(&profile);
    return own;
}
