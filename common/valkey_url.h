/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RKY_COMMON_VALKEY_URL_H
#define RKY_COMMON_VALKEY_URL_H
/**
 * @file
 * @brief The URL of a Valkey server in its parts, for the configuration and for the client alike.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct rky_valkey_url {
    bool tls;
    char *path; /**< of a unix socket, NULL = TCP */
    char *host, *port;
    char *user, *password; /**< decoded; NULL = none */
    int64_t database;
    char *uri; /**< for people: no credentials */
};
/** @brief No part of a bad URL is quoted that may hold a password. The message says what is wrong
 *         with it, and not where it stands. */
RKY_MUST_CHECK int rky_valkey_url_parse(const char *text, struct rky_valkey_url *ret_url,
                                        struct rky_error *err);
/** @brief Free, and wipe the password. */
void rky_valkey_url_done(struct rky_valkey_url *url);

#endif
