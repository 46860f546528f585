/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials from where the platform puts them, in the SDKs' order: environment, web identity
 * (EKS IRSA), profile files, container endpoint (EKS Pod Identity, ECS), instance metadata
 * (IMDSv2).
 *
 * The first provider that is configured decides; it is asked again before what it gave expires, by
 * one thread at a time while the others go on with what is still valid. Secrets that are learned
 * are registered with the log's redactor before anybody can print them. Thread-safe. Source: AWS
 * SDKs and Tools reference guide, "Standardized credential providers".
 */
#ifndef RKY_COMMON_CREDENTIALS_H
#define RKY_COMMON_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/guard.h"
#include "common/http.h"
#include "common/log.h"

/** Owned text. */
struct rky_aws_keys {
    char *access_key, *secret_key, *session_token; /**< token NULL = none */
    int64_t expires_us;                            /**< 0 = never */
    const char *provider; /**< static: "environment", "web-identity", "profile", "container",
                               "instance" */
};
void rky_aws_keys_done(struct rky_aws_keys *keys);

struct rky_credentials;

struct rky_credentials_options {
    struct rky_http *http;
    struct rky_clock *clock;
    struct rky_log *log;
    /** Reads a variable; NULL = getenv. Tests hand in a table. */
    const char *(*getenv)(void *context, const char *name);
    void *getenv_context;
    const char *region; /**< for the STS endpoint, NULL = from the environment, else global */
};
RKY_MUST_CHECK int rky_credentials_new(const struct rky_credentials_options *options,
                                       struct rky_credentials **ret_credentials,
                                       struct rky_error *err);
void rky_credentials_free(struct rky_credentials *credentials);

/**
 * @brief The keys to sign with now. Bounded by the transfer's deadline.
 * @param ret_keys a copy, released by the caller.
 * @return 0; RKY_ERR_AUTH (class "no_credentials" when no provider is configured, else
 *         "credentials_refused"), naming each provider that was looked at and why it gave nothing;
 *         RKY_ERR_CONNECTION (class "credentials_unavailable", transient); RKY_ERR_NOMEM.
 */
RKY_MUST_CHECK int rky_credentials_get(struct rky_credentials *credentials,
                                       struct rky_transfer *transfer, struct rky_aws_keys *ret_keys,
                                       struct rky_attempt *ret_attempt, struct rky_error *err);
/** @brief The service called these expired: forget them unless somebody already renewed. */
void rky_credentials_expired(struct rky_credentials *credentials, const struct rky_aws_keys *keys);
/** @brief The service does not know these, or not with that secret: forget them and look whether
 *         others are there by now. Bounded by the transfer's deadline. @return whether they are. */
bool rky_credentials_replaced(struct rky_credentials *credentials, struct rky_transfer *transfer,
                              const struct rky_aws_keys *keys);
/** @brief AWS_REGION, AWS_DEFAULT_REGION, the profile's region. @return owned, NULL when none. */
char *rky_credentials_region(struct rky_credentials *credentials);

#endif
