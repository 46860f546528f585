/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holders of leases as text, and the answers that all drivers word alike. Pure.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/lease_internal.h"

void rky_lease_text(const struct rky_lease_holder *holder, bool with_token,
                    char ret_text[RKY_LEASE_TEXT_MAX])
{
    int length = snprintf(ret_text, RKY_LEASE_TEXT_MAX, "%s|%s|%s|", holder->worker_id,
                          holder->run_id, holder->nonce);
    RKY_ASSERT(length > 0 && length + 24 < RKY_LEASE_TEXT_MAX);
    if (with_token)
        (void)snprintf(ret_text + length, (size_t)(RKY_LEASE_TEXT_MAX - length), "%" PRId64,
                       holder->token);
}

/* The last field of the first @p length bytes. @return where it begins, NULL = there is no '|'. */
static const char *last_field(const char *text, size_t length)
{
    const char *bar = memrchr(text, '|', length);
    return bar != NULL ? bar + 1 : NULL;
}

static bool copy_field(char *ret_field, size_t size, const char *from, const char *to)
{
    size_t length = (size_t)(to - from);
    if (length >= size)
        return false;
    memcpy(ret_field, from, length);
    ret_field[length] = '\0';
    return true;
}

static bool parse(const char *text, struct rky_lease_holder *holder)
{
    const char *end = text + strlen(text);
    const char *token = last_field(text, (size_t)(end - text));
    const char *nonce = token != NULL ? last_field(text, (size_t)(token - 1 - text)) : NULL;
    const char *run = nonce != NULL ? last_field(text, (size_t)(nonce - 1 - text)) : NULL;
    char digits[24];
    if (run == NULL || !copy_field(digits, sizeof(digits), token, end) || digits[0] == '\0' ||
        strlen(digits) > 18 || strspn(digits, "0123456789") != strlen(digits) ||
        !copy_field(holder->nonce, sizeof(holder->nonce), nonce, token - 1) ||
        !rky_uuid_valid(holder->nonce) ||
        !copy_field(holder->run_id, sizeof(holder->run_id), run, nonce - 1) ||
        !copy_field(holder->worker_id, sizeof(holder->worker_id), text, run - 1))
        return false;
    holder->token = (int64_t)strtoll(digits, NULL, 10);
    return true;
}

void rky_lease_parse(const char *text, struct rky_lease_holder *ret_holder)
{
    struct rky_lease_holder holder = {.left_ms = ret_holder->left_ms};
    if (!parse(text, &holder)) {
        holder = (struct rky_lease_holder){.left_ms = ret_holder->left_ms};
        (void)snprintf(holder.worker_id, sizeof(holder.worker_id), "%s", text);
    }
    *ret_holder = holder;
}

void rky_lease_describe(const struct rky_lease_holder *holder, char ret_text[RKY_LEASE_TEXT_MAX])
{
    (void)snprintf(ret_text, RKY_LEASE_TEXT_MAX, "worker '%s'%s%s%s", holder->worker_id,
                   holder->run_id[0] != '\0' ? " (run " : "", holder->run_id,
                   holder->run_id[0] != '\0' ? ")" : "");
}

int rky_lease_gone(struct rky_error *err, struct rky_attempt *ret_attempt, const char *namespace_)
{
    *ret_attempt = (struct rky_attempt){.error_class = "lease_lost"};
    return rky_fail(err, RKY_ERR_FENCED,
                    "the lease of namespace '%s' has run out or is somebody else's", namespace_);
}

int rky_lease_held(struct rky_error *err, struct rky_attempt *ret_attempt, const char *namespace_,
                   const struct rky_lease_holder *other)
{
    char who[RKY_LEASE_TEXT_MAX];
    rky_lease_describe(other, who);
    *ret_attempt = (struct rky_attempt){.error_class = "lease_held"};
    int rc = rky_fail(err, RKY_ERR_LOCKED,
                      "namespace '%s' is held by %s, for at most %" PRId64 " ms unless it renews",
                      namespace_, who, other->left_ms > 0 ? other->left_ms : 0);
    rky_error_hint(err, "wait for it, or take the lease away with 'rocky state unlock' when that "
                        "worker is known to be gone");
    return rc;
}

int64_t rky_lease_deadline(int64_t sent_boot_ms, int64_t ttl_ms)
{
    return sent_boot_ms + ttl_ms - ttl_ms / 100 - 50;
}
