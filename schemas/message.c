/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as bytes: set, add, find, copy. Every value is kept with a NUL behind it, which is not
 * part of its length.
 */
#include "config.h"

#include "schemas/message.h"

#include <string.h>

#include "common/mem.h"

/* NULL stays NULL; empty is not null. */
static int copy_bytes(const void *bytes, size_t length, char **ret_copy, struct rky_error *err)
{
    *ret_copy = NULL;
    if (bytes == NULL)
        return 0;
    char *copy = rky_malloc(length + 1);
    if (copy == NULL)
        return rky_fail_nomem(err);
    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    *ret_copy = copy;
    return 0;
}

int rky_message_set(struct rky_message *message, const void *key, size_t key_length,
                    const void *value, size_t value_length, struct rky_error *err)
{
    char *new_key = NULL;
    char *new_value = NULL;
    int rc = copy_bytes(key, key_length, &new_key, err);
    if (rc == 0)
        rc = copy_bytes(value, value_length, &new_value, err);
    if (rc != 0) {
        rky_free(new_key);
        return rc;
    }
    rky_free(message->key);
    rky_free(message->value);
    message->key = new_key;
    message->key_length = key != NULL ? key_length : 0;
    message->value = new_value;
    message->value_length = value != NULL ? value_length : 0;
    return 0;
}

int rky_message_add_header(struct rky_message *message, const char *name, const void *value,
                           size_t length, struct rky_error *err)
{
    struct rky_header header = {.length = value != NULL ? length : 0};
    int rc = copy_bytes(name, strlen(name), &header.name, err);
    if (rc == 0)
        rc = copy_bytes(value, length, &header.value, err);
    if (rc == 0)
        rc = rky_array_reserve(&message->headers, &message->header_capacity,
                               message->header_count + 1, sizeof(header), err);
    if (rc != 0) {
        rky_free(header.name);
        rky_free(header.value);
        return rc;
    }
    message->headers[message->header_count++] = header;
    return 0;
}

int rky_message_add_text(struct rky_message *message, const char *name, const char *value,
                         struct rky_error *err)
{
    return rky_message_add_header(message, name, value, strlen(value), err);
}

const struct rky_header *rky_message_header(const struct rky_message *message, const char *name)
{
    for (size_t i = message->header_count; i > 0; i--) {
        const struct rky_header *header = &message->headers[i - 1];
        if (strcmp(header->name, name) == 0)
            return header->value != NULL ? header : NULL;
    }
    return NULL;
}

int rky_message_copy(const struct rky_message *from, struct rky_message *ret_to,
                     struct rky_error *err)
{
    struct rky_message copy = {.timestamp_ms = from->timestamp_ms};
    int rc =
        rky_message_set(&copy, from->key, from->key_length, from->value, from->value_length, err);
    for (size_t i = 0; rc == 0 && i < from->header_count; i++) {
        const struct rky_header *header = &from->headers[i];
        rc = rky_message_add_header(&copy, header->name, header->value, header->length, err);
    }
    if (rc != 0) {
        rky_message_done(&copy);
        return rc;
    }
    *ret_to = copy;
    return 0;
}

void rky_message_done(struct rky_message *message)
{
    for (size_t i = 0; i < message->header_count; i++) {
        rky_free(message->headers[i].name);
        rky_free(message->headers[i].value);
    }
    rky_free(message->headers);
    rky_free(message->key);
    rky_free(message->value);
    *message = (struct rky_message){0};
}
