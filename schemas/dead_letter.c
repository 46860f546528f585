/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters: the original message, byte for byte, plus headers that say why and where from.
 *
 * A message that comes here a second time (redriven, refused again) loses the dlq-* headers of the
 * first time, so that they always tell one story and do not pile up.
 */
#include "config.h"

#include "schemas/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

static int add_number(struct rky_message *message, const char *name, int64_t number,
                      struct rky_error *err)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    return rky_message_add_text(message, name, text, err);
}

/* Too large even for the dead-letter topic: the beginning, and what identifies the whole. */
static int add_truncation(const struct rky_message *original, struct rky_message *message,
                          struct rky_error *err)
{
    char hash[RKY_SHA256_HEX];
    rky_sha256_hex(original->value, original->value_length, hash);
    int rc = add_number(message, "dlq-truncated", (int64_t)original->value_length, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "dlq-sha256", hash, err);
    return rc;
}

static int add_original_headers(const struct rky_message *original, struct rky_message *message,
                                struct rky_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < original->header_count; i++) {
        const struct rky_header *header = &original->headers[i];
        if (strncmp(header->name, "dlq-", 4) != 0)
            rc = rky_message_add_header(message, header->name, header->value, header->length, err);
    }
    return rc;
}

static int add_reason(const struct rky_dead_letter *letter, struct rky_message *message,
                      struct rky_error *err)
{
    char first_failed[RKY_TIME_TEXT_MAX];
    rky_time_format(letter->first_failed_at_us, first_failed);
    int rc = rky_message_add_text(message, "dlq-reason", letter->reason, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "dlq-message", letter->message, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "dlq-topic", letter->topic, err);
    if (rc == 0)
        rc = add_number(message, "dlq-partition", letter->partition, err);
    if (rc == 0)
        rc = add_number(message, "dlq-offset", letter->offset, err);
    if (rc == 0)
        rc = add_number(message, "dlq-attempt", letter->attempt, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "dlq-first-failed-at", first_failed, err);
    if (rc == 0)
        rc = rky_message_add_text(message, "dlq-worker", letter->worker_id, err);
    return rc;
}

int rky_dead_letter_encode(const struct rky_message *original, const struct rky_dead_letter *letter,
                           struct rky_message *ret_message, struct rky_error *err)
{
    struct rky_message message = {0};
    bool cut = letter->value_limit > 0 && original->value_length > letter->value_limit;
    int rc = rky_message_set(&message, original->key, original->key_length, original->value,
                             cut ? letter->value_limit : original->value_length, err);
    if (rc == 0)
        rc = add_original_headers(original, &message, err);
    if (rc == 0)
        rc = add_reason(letter, &message, err);
    if (rc == 0 && cut)
        rc = add_truncation(original, &message, err);
    if (rc != 0) {
        rky_message_done(&message);
        return rc;
    }
    *ret_message = message;
    return 0;
}
