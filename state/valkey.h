/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Valkey (Redis protocol) client: hiredis' formatter and reader over our own non-blocking socket
 * or OpenSSL, so that name resolution, connect, TLS, AUTH and every command are bounded by one
 * deadline. A connection that timed out or lost its place in the protocol is dropped, never used
 * again. The only files that include hiredis are those named valkey*.
 *
 * URLs: valkey:// valkeys:// redis:// rediss:// [user[:password]@]host[:port][/database] and
 * unix://[user[:password]@]/path[?db=N]. A client keeps idle connections and is shared by threads.
 */
#ifndef RKY_STATE_VALKEY_H
#define RKY_STATE_VALKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/guard.h"
#include "common/log.h"
#include "state/remote.h"

struct rky_valkey;

/** Borrowed text. */
struct rky_valkey_options {
    const char *url;
    const char *ca_file, *cert_file,
        *key_file; /**< NULL = the system's CAs, no client certificate */
    struct rky_clock *clock;
    struct rky_log *log; /**< the password is registered with its redactor */
};
/** @brief Parse the URL; connects at first use. @return 0; RKY_ERR_CONFIG; RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_valkey_new(const struct rky_valkey_options *options,
                                  struct rky_valkey **ret_valkey, struct rky_error *err);
void rky_valkey_free(struct rky_valkey *valkey);
/** @brief "valkeys://host:port/0", no credentials. Borrowed. */
const char *rky_valkey_uri(const struct rky_valkey *valkey);

struct rky_valkey_arg {
    const void *bytes;
    size_t length;
};
#define RKY_VALKEY_TEXT(text_) \
    {                          \
        (text_), strlen(text_) \
    }

enum rky_valkey_type { RKY_VALKEY_NIL, RKY_VALKEY_STRING, RKY_VALKEY_INTEGER, RKY_VALKEY_ARRAY };
/** A reply without errors in it; those become rky_error. Owned. */
struct rky_valkey_reply {
    enum rky_valkey_type type;
    char *text; /**< NUL-terminated behind length */
    size_t length;
    int64_t integer;
    struct rky_valkey_reply *items;
    size_t count;
};
void rky_valkey_reply_done(struct rky_valkey_reply *reply);

/** @brief One command, one attempt. Errors as in remote.h, classified by rky_valkey_classify(). */
RKY_MUST_CHECK int rky_valkey_command(struct rky_valkey *valkey, const struct rky_valkey_arg *args,
                                      size_t count, struct rky_deadline deadline,
                                      struct rky_valkey_reply *ret_reply,
                                      struct rky_attempt *ret_attempt, struct rky_error *err);
/** A Lua script that is sent by its SHA-1 and in full only when the server does not know it. */
struct rky_valkey_script {
    const char *text;
    char sha1[41]; /**< filled by rky_valkey_script_init() */
};
void rky_valkey_script_init(struct rky_valkey_script *script, const char *text);
RKY_MUST_CHECK int rky_valkey_eval(struct rky_valkey *valkey,
                                   const struct rky_valkey_script *script, size_t key_count,
                                   const struct rky_valkey_arg *args, size_t count,
                                   struct rky_deadline deadline, struct rky_valkey_reply *ret_reply,
                                   struct rky_attempt *ret_attempt, struct rky_error *err);

/** @brief The Valkey rows of the fault table: an error reply by its first word ("LOADING", "OOM",
 *         "WRONGPASS", ...). Pure. @return the error code. */
enum rky_err rky_valkey_classify(const char *error_reply, struct rky_attempt *ret_attempt);

/** @brief The Valkey driver of the remote seam. An object is one string: etag, head and body
 *         together, so that no two writers can pair one's mark with the other's bytes. Compare and
 *         set by script on the etag.
 *  @param valkey, prefix borrowed. @param cache as the cache of `tiered`: entries expire after a
 *         week, large ones are not kept. */
RKY_MUST_CHECK int rky_remote_valkey_new(struct rky_valkey *valkey, const char *prefix, bool cache,
                                         struct rky_remote **ret_remote, struct rky_error *err);

#endif
