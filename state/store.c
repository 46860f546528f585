/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the remote state of a process together from its configuration. Nothing here talks to a
 * server: that begins with the first transfer.
 */
#include "config.h"

#include "state/store_internal.h"

#include <string.h>

#include "common/breaker.h"
#include "common/credentials.h"
#include "common/http.h"
#include "common/mem.h"
#include "state/remote_s3.h"
#include "state/valkey.h"

struct rky_store {
    const struct rky_state_config *config;
    struct rky_clock *clock;
    struct rky_log *log;
    const char *worker_id;
    struct rky_snapshot_key key;

    struct rky_http *http;
    struct rky_credentials *credentials;
    struct rky_valkey *valkey;
    struct rky_leg s3_leg, valkey_leg;
    struct rky_remote *bare_s3, *bare_valkey; /**< owned by `remote` */
    struct rky_remote *remote;
    struct rky_leases *leases;
};

static bool uses_s3(const struct rky_state_config *config)
{
    return config->backend == RKY_BACKEND_S3 || config->backend == RKY_BACKEND_TIERED;
}

/* With backend s3 a Valkey server may still be there for the lease alone. */
static bool uses_valkey(const struct rky_state_config *config)
{
    return config->backend == RKY_BACKEND_VALKEY || config->backend == RKY_BACKEND_TIERED ||
           (config->backend == RKY_BACKEND_S3 && config->valkey_url != NULL &&
            config->lock_mode != RKY_LOCK_OFF);
}

static int make_leg(struct rky_store *store, struct rky_leg *leg, const char *name,
                    struct rky_error *err)
{
    const struct rky_retry_config *retry = &store->config->retry;
    leg->name = name;
    leg->retry = retry;
    leg->breaker =
        rky_breaker_new(retry->circuit_breaker_threshold,
                        retry->circuit_breaker_recovery_timeout_secs * 1000, store->clock);
    return leg->breaker == NULL ? rky_fail_nomem(err) : 0;
}

static int make_s3(struct rky_store *store, struct rky_remote **ret_remote, struct rky_error *err)
{
    const struct rky_state_config *config = store->config;
    struct rky_http_options http = {.ca_file = config->s3_ca_file, .clock = store->clock};
    int rc = make_leg(store, &store->s3_leg, "s3", err);
    if (rc == 0)
        rc = rky_http_new(&http, &store->http, err);
    struct rky_credentials_options credentials = {
        .http = store->http, .clock = store->clock, .log = store->log, .region = config->s3_region};
    if (rc == 0)
        rc = rky_credentials_new(&credentials, &store->credentials, err);
    struct rky_remote_s3_options options = {
        .bucket = config->s3_bucket,
        .prefix = config->s3_prefix,
        .region = config->s3_region,
        .endpoint = config->s3_endpoint,
        .path_style = config->s3_path_style,
        .sse = config->s3_sse,
        .kms_key_id = config->s3_kms_key_id,
        .conditional = config->cas,
        .http = store->http,
        .credentials = store->credentials,
        .clock = store->clock,
        .log = store->log,
    };
    if (rc == 0)
        rc = rky_remote_s3_new(&options, &store->bare_s3, err);
    return rc != 0 ? rc : rky_remote_guarded(store->bare_s3, &store->s3_leg, ret_remote, err);
}

static int make_valkey(struct rky_store *store, struct rky_error *err)
{
    const struct rky_state_config *config = store->config;
    struct rky_valkey_options options = {.url = config->valkey_url,
                                         .ca_file = config->valkey_ca_file,
                                         .cert_file = config->valkey_cert_file,
                                         .key_file = config->valkey_key_file,
                                         .clock = store->clock,
                                         .log = store->log};
    int rc = make_leg(store, &store->valkey_leg, "valkey", err);
    return rc != 0 ? rc : rky_valkey_new(&options, &store->valkey, err);
}

static int make_remote(struct rky_store *store, struct rky_error *err)
{
    const struct rky_state_config *config = store->config;
    struct rky_remote *durable = NULL, *cache = NULL;
    int rc = 0;
    if (uses_s3(config))
        rc = make_s3(store, &durable, err);
    if (rc == 0 && uses_valkey(config))
        rc = make_valkey(store, err);
    if (rc == 0 && config->backend != RKY_BACKEND_S3) {
        rc = rky_remote_valkey_new(store->valkey, config->valkey_prefix,
                                   config->backend == RKY_BACKEND_TIERED, &store->bare_valkey, err);
        if (rc == 0)
            rc = rky_remote_guarded(store->bare_valkey, &store->valkey_leg, &cache, err);
    }
    if (rc != 0) {
        rky_remote_free(cache);
        rky_remote_free(durable);
        return rc;
    }
    if (config->backend == RKY_BACKEND_TIERED)
        return rky_remote_tiered_new(durable, cache, &store->remote, err);
    store->remote = durable != NULL ? durable : cache;
    return 0;
}

/* Takes @p driver. */
static int lease_by(struct rky_store *store, struct rky_lease_driver *driver, struct rky_leg *leg,
                    struct rky_error *err)
{
    struct rky_leases_options options = {.driver = driver,
                                         .leg = leg,
                                         .ttl_ms = store->config->lock_ttl_seconds * 1000,
                                         .worker_id = store->worker_id,
                                         .clock = store->clock,
                                         .log = store->log};
    int rc = rky_leases_new(&options, &store->leases, err);
    if (rc != 0)
        driver->ops->free(driver);
    return rc;
}

static int make_leases(struct rky_store *store, struct rky_error *err)
{
    const struct rky_state_config *config = store->config;
    struct rky_lease_driver *driver = NULL;
    struct rky_leg *leg = NULL;
    int rc = 0;
    if (config->lock_mode == RKY_LOCK_OFF)
        return 0;
    if (store->valkey != NULL) {
        leg = &store->valkey_leg;
        rc = rky_lease_valkey_new(store->valkey, config->valkey_prefix, store->clock, &driver, err);
    } else if (config->lock_s3 && store->bare_s3 != NULL) {
        leg = &store->s3_leg;
        rc = rky_lease_s3_new(store->bare_s3, store->clock, &driver, err);
    } else {
        return 0;
    }
    return rc != 0 ? rc : lease_by(store, driver, leg, err);
}

static int make_store(const struct rky_store_options *options, struct rky_store **ret_store,
                      struct rky_error *err)
{
    struct rky_store *store = rky_calloc(1, sizeof(*store));
    if (store == NULL)
        return rky_fail_nomem(err);
    store->config = options->config;
    store->clock = options->clock;
    store->log = options->log;
    store->worker_id = options->worker_id;
    int rc = rky_snapshot_key_parse(options->config->encryption_key, &store->key, err);
    if (rc != 0) {
        rky_store_free(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

int rky_store_new(const struct rky_store_options *options, struct rky_store **ret_store,
                  struct rky_error *err)
{
    struct rky_store *store = NULL;
    int rc = make_store(options, &store, err);
    if (rc != 0)
        return rc;
    if (options->config->backend != RKY_BACKEND_LOCAL) {
        rc = make_remote(store, err);
        if (rc == 0)
            rc = make_leases(store, err);
    }
    if (rc != 0) {
        rky_store_free(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

/* Takes the parts that it uses out of @p parts. */
static int put_together(struct rky_store *store, struct rky_store_parts *parts,
                        struct rky_error *err)
{
    struct rky_remote *durable = NULL, *cache = NULL;
    int rc = make_leg(store, &store->s3_leg, "s3", err);
    if (rc == 0)
        rc = make_leg(store, &store->valkey_leg, "valkey", err);
    if (rc != 0)
        return rc;
    store->bare_s3 = parts->durable;
    parts->durable = NULL;
    rc = rky_remote_guarded(store->bare_s3, &store->s3_leg, &durable, err);
    if (rc == 0 && parts->cache != NULL) {
        store->bare_valkey = parts->cache;
        parts->cache = NULL;
        rc = rky_remote_guarded(store->bare_valkey, &store->valkey_leg, &cache, err);
        if (rc == 0)
            rc = rky_remote_tiered_new(durable, cache, &store->remote, err);
        else
            rky_remote_free(durable);
    } else if (rc == 0) {
        store->remote = durable;
    }
    if (rc == 0 && parts->leases != NULL) {
        rc = lease_by(store, parts->leases, &store->valkey_leg, err);
        parts->leases = NULL;
    }
    return rc;
}

int rky_store_new_with(const struct rky_store_options *options, const struct rky_store_parts *parts,
                       struct rky_store **ret_store, struct rky_error *err)
{
    struct rky_store *store = NULL;
    struct rky_store_parts left = *parts;
    int rc = make_store(options, &store, err);
    if (rc == 0)
        rc = put_together(store, &left, err);
    if (rc != 0) {
        rky_store_free(store);
        rky_remote_free(left.durable);
        rky_remote_free(left.cache);
        if (left.leases != NULL)
            left.leases->ops->free(left.leases);
        return rc;
    }
    *ret_store = store;
    return 0;
}

void rky_store_free(struct rky_store *store)
{
    if (store == NULL)
        return;
    rky_leases_free(store->leases);
    rky_remote_free(store->remote);
    rky_valkey_free(store->valkey);
    rky_credentials_free(store->credentials);
    rky_http_free(store->http);
    rky_breaker_free(store->s3_leg.breaker);
    rky_breaker_free(store->valkey_leg.breaker);
    explicit_bzero(&store->key, sizeof(store->key));
    rky_free(store);
}

const struct rky_state_config *rky_store_config(const struct rky_store *store)
{
    return store->config;
}

struct rky_remote *rky_store_remote(struct rky_store *store)
{
    return store->remote;
}

struct rky_leases *rky_store_leases(struct rky_store *store)
{
    return store->leases;
}

const struct rky_snapshot_key *rky_store_key(const struct rky_store *store)
{
    return &store->key;
}

struct rky_leg *rky_store_main_leg(struct rky_store *store)
{
    if (store->bare_s3 != NULL)
        return &store->s3_leg;
    return store->bare_valkey != NULL ? &store->valkey_leg : NULL;
}

void rky_store_reset_breakers(struct rky_store *store)
{
    if (store->s3_leg.breaker != NULL)
        rky_breaker_reset(store->s3_leg.breaker);
    if (store->valkey_leg.breaker != NULL)
        rky_breaker_reset(store->valkey_leg.breaker);
}

size_t rky_store_legs(struct rky_store *store, struct rky_store_leg ret_legs[RKY_STORE_LEGS])
{
    size_t count = 0;
    if (store->bare_s3 != NULL)
        ret_legs[count++] = (struct rky_store_leg){store->bare_s3, &store->s3_leg};
    if (store->bare_valkey != NULL)
        ret_legs[count++] = (struct rky_store_leg){store->bare_valkey, &store->valkey_leg};
    return count;
}

struct rky_valkey *rky_store_valkey(struct rky_store *store)
{
    return store->valkey;
}
