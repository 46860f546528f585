/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the credential providers share; nobody else includes it.
 *
 * A provider looks whether it is configured and asks its source once. It runs on the thread that
 * needs keys, one at a time per chain, never holds the chain's lock, and keeps nothing between
 * calls: token files are read again each time because the platform replaces them.
 */
#ifndef RKY_COMMON_CREDENTIALS_INTERNAL_H
#define RKY_COMMON_CREDENTIALS_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/credentials.h"
#include "common/mem.h"

struct rky_credentials {
    struct rky_http *http; /**< borrowed, as are clock and log */
    struct rky_clock *clock;
    struct rky_log *log;
    const char *(*getenv)(void *context, const char *name);
    void *getenv_context;
    char *region; /**< owned, NULL = from the environment */

    pthread_mutex_t mutex; /**< guards all below */
    pthread_cond_t changed;
    struct rky_aws_keys keys; /**< access_key NULL = none */
    int64_t refresh_us;       /**< when to ask again, INT64_MAX = never */
    bool asking;              /**< a thread is with the providers */
    uint64_t flights;         /**< how often somebody came back */
    int failure;              /**< of the last flight, 0 = it brought keys */
    struct rky_error failure_error;
    struct rky_attempt failure_attempt;
};

/** One walk along the chain. */
struct rky_provider_call {
    struct rky_credentials *credentials;
    struct rky_transfer *transfer;
    const char *provider;      /**< whose turn it is */
    bool renewing;             /**< this provider gave the last keys: its silence is a failure */
    struct rky_strbuf reasons; /**< why those before gave nothing */
    struct rky_attempt *attempt;
    struct rky_error *err;
};

/** @return 0; RKY_ERR_NOT_FOUND with a reason added: the next one may try; else a failure that ends
 *          the walk, with attempt and error filled. */
typedef int rky_provider_fn(struct rky_provider_call *call, struct rky_aws_keys *ret_keys);
rky_provider_fn rky_provider_environment;
rky_provider_fn rky_provider_web_identity;
rky_provider_fn rky_provider_profile;
rky_provider_fn rky_provider_container;
rky_provider_fn rky_provider_instance;

/** @brief A variable, NULL when unset or empty. Borrowed. */
const char *rky_provider_getenv(const struct rky_credentials *credentials, const char *name);
/** @brief Nothing to be had here. @return RKY_ERR_NOT_FOUND. */
int rky_provider_none(struct rky_provider_call *call, const char *format, ...) RKY_PRINTF(2, 3);
/** @brief Configured, but wrong or refused: no retry mends it. @return RKY_ERR_AUTH. */
int rky_provider_refused(struct rky_provider_call *call, const char *format, ...) RKY_PRINTF(2, 3);
/** @brief Out of order for now. @return RKY_ERR_CONNECTION. */
int rky_provider_unavailable(struct rky_provider_call *call, int64_t retry_after_ms,
                             const char *format, ...) RKY_PRINTF(3, 4);

/**
 * @brief Ask an endpoint. Connection faults, 408, 429 and 5xx are failures here; any other status
 *        is the caller's to judge.
 * @param timeout_ms of this request, within the transfer's deadline.
 * @param ret_silent when not NULL: set where nobody listens, and no failure is recorded then.
 */
RKY_MUST_CHECK int rky_provider_ask(struct rky_provider_call *call,
                                    struct rky_http_request *request, int64_t timeout_ms,
                                    struct rky_http_response *ret_response, bool *ret_silent);
/** @brief The keys in a JSON answer of the container or the instance endpoint. */
RKY_MUST_CHECK int rky_provider_json_keys(struct rky_provider_call *call,
                                          const struct rky_http_response *response,
                                          struct rky_aws_keys *ret_keys);

/** What a source said, not yet believed. All borrowed. */
struct rky_provider_answer {
    const char *access_key, *secret_key, *session_token; /**< NULL or "" = missing */
    const char *expiration;                              /**< RFC 3339, NULL = never */
};
/** @brief Keep secrets out of the log from here on, check, copy. */
RKY_MUST_CHECK int rky_provider_accept(struct rky_provider_call *call,
                                       const struct rky_provider_answer *answer,
                                       struct rky_aws_keys *ret_keys);
/** @brief Read a token file: trimmed, one line, registered as a secret. @param ret_token owned. */
RKY_MUST_CHECK int rky_provider_token_file(struct rky_provider_call *call, const char *path,
                                           char **ret_token);
/** @brief Register a secret. @return 0 or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_provider_secret(struct rky_provider_call *call, const char *secret);
/** @brief The walk ran out of memory. @return RKY_ERR_NOMEM. */
int rky_provider_nomem(struct rky_provider_call *call);

/** @brief AssumeRoleWithWebIdentity. @param session NULL = a name of ours. */
RKY_MUST_CHECK int rky_provider_assume_role(struct rky_provider_call *call, const char *role,
                                            const char *token_file, const char *session,
                                            struct rky_aws_keys *ret_keys);
/** @brief Whether a URL may be asked for keys: https, or plain http on this machine or its link.
 *         Pure. */
bool rky_provider_trusted_url(const char *url);

/** Settings of one profile. Owned texts, NULL = not set. */
struct rky_profile {
    char *access_key, *secret_key, *session_token, *region;
    char *role_arn, *web_identity_token_file, *role_session_name;
    char *unsupported; /**< name of a setting that gives keys in a way we do not know */
    bool found;        /**< the profile stands in one of the files */
};
/** @brief Take the settings of one profile from a file's text; what is set already stays. No text
 *         is wrong: what cannot be understood is passed over. @param config whether it is the
 *         config file, whose sections say "profile". Pure. @return 0 or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_profile_parse(const char *text, const char *name, bool config,
                                     struct rky_profile *profile);
/** @brief Read the credentials file, then the config file; files that do not exist are empty. */
RKY_MUST_CHECK int rky_profile_load(const struct rky_credentials *credentials,
                                    struct rky_profile *ret_profile, struct rky_error *err);
void rky_profile_done(struct rky_profile *profile);
/** @brief AWS_PROFILE or "default". Borrowed. */
const char *rky_profile_name(const struct rky_credentials *credentials);

#endif
