/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of librdkafka to messages of ours and back. Bytes are copied whole: a record that is kept
 * pins librdkafka's fetch buffer, and jobs are small. Null and empty stay different throughout.
 * Pure conversion; any thread.
 */
#include "config.h"

#include "transport/kafka_internal.h"

#include <string.h>

#include "common/mem.h"

static int copy_headers(const rd_kafka_message_t *record, struct rky_message *message,
                        struct rky_error *err)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    int rc = RKY_OK;
    if (rd_kafka_message_headers(record, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return RKY_OK; /* none */
    for (size_t i = 0; rc == RKY_OK && rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                                           RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        rc = rky_message_add_header(message, name, value, size, err);
    return rc;
}

int rky_kafka_inbound(const rd_kafka_message_t *record, struct rky_inbound *ret_inbound,
                      struct rky_error *err)
{
    rd_kafka_timestamp_type_t kind;
    struct rky_inbound inbound = {.partition = record->partition, .offset = record->offset};
    int rc = rky_message_set(&inbound.message, record->key, record->key_len, record->payload,
                             record->len, err);
    if (rc != RKY_OK)
        goto out;
    rc = copy_headers(record, &inbound.message, err);
    if (rc != RKY_OK)
        goto out;
    inbound.topic = rky_strdup(rd_kafka_topic_name(record->rkt));
    if (inbound.topic == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    int64_t timestamp_ms = rd_kafka_message_timestamp(record, &kind);
    inbound.message.timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0;
    *ret_inbound = inbound;
    return RKY_OK;
out:
    rky_inbound_done(&inbound);
    return rc;
}

int rky_kafka_headers(const struct rky_message *message, rd_kafka_headers_t **ret_headers,
                      struct rky_error *err)
{
    if (message->header_count == 0) {
        *ret_headers = NULL;
        return RKY_OK;
    }
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    if (headers == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct rky_header *header = &message->headers[i];
        rd_kafka_resp_err_t code =
            rd_kafka_header_add(headers, header->name, -1, header->value, (ssize_t)header->length);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(headers);
            return rky_kafka_fail(err, code, "header '%s'", header->name);
        }
    }
    *ret_headers = headers;
    return RKY_OK;
}
