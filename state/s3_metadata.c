/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a snapshot as x-amz-meta-* headers and back, so that a HEAD answers "is that mine?".
 *
 * S3 allows 2 KB of names and values; every field here has a fixed greatest length and all of them
 * together, with every ancestor, stay under 1.5 KB. Empty fields are left out: an empty header
 * would be signed here and dropped on the way. What is read back is checked field by field, because
 * anybody who may write the bucket may write the headers; it decides nothing but which write an
 * object is, and the snapshot itself repeats all of it under its own hash. Pure; any thread.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(field) "x-amz-meta-" field

static void add(struct rky_s3_metadata *meta, const char *name, const char *value)
{
    if (value[0] != '\0')
        meta->headers[meta->count++] = (struct rky_http_header){name, value};
}

static void add_number(struct rky_s3_metadata *meta, const char *name, char text[24], int64_t value)
{
    (void)snprintf(text, 24, "%" PRId64, value);
    add(meta, name, text);
}

void rky_s3_metadata_write(const struct rky_snapshot_head *head, struct rky_s3_metadata *ret_meta)
{
    memset(ret_meta, 0, sizeof(*ret_meta));
    if (head == NULL)
        return;
    size_t length = 0;
    for (size_t i = 0; i < head->ancestor_count && i < RKY_ANCESTORS_MAX; i++)
        length +=
            (size_t)snprintf(ret_meta->ancestors + length, sizeof(ret_meta->ancestors) - length,
                             "%s%s", i > 0 ? "," : "", head->ancestors[i]);
    add(ret_meta, NAME("namespace"), head->namespace_);
    add(ret_meta, NAME("lineage"), head->lineage);
    add_number(ret_meta, NAME("generation"), ret_meta->generation, head->generation);
    add(ret_meta, NAME("write-id"), head->write_id);
    add(ret_meta, NAME("ancestors"), ret_meta->ancestors);
    add_number(ret_meta, NAME("fence"), ret_meta->fence, head->fence);
    add_number(ret_meta, NAME("schema-version"), ret_meta->schema_version, head->schema_version);
    add_number(ret_meta, NAME("min-reader-version"), ret_meta->min_reader_version,
               head->min_reader_version);
    add(ret_meta, NAME("raw-sha256"), head->raw_sha256);
    add(ret_meta, NAME("job-id"), head->job_id);
}

/* Each reader: false when the header is there and wrong; a missing one leaves the field empty. */

static bool read_uuid(const struct rky_http_response *response, const char *name,
                      char ret_uuid[RKY_UUID_TEXT])
{
    const char *value = rky_http_response_header(response, name);
    if (value == NULL)
        return true;
    if (!rky_uuid_valid(value))
        return false;
    memcpy(ret_uuid, value, RKY_UUID_TEXT);
    return true;
}

static bool read_number(const struct rky_http_response *response, const char *name,
                        int64_t *ret_value)
{
    const char *value = rky_http_response_header(response, name);
    if (value == NULL)
        return true;
    size_t length = strlen(value);
    /* 18 digits always fit. */
    if (length == 0 || length > 18 || strspn(value, "0123456789") != length)
        return false;
    *ret_value = (int64_t)strtoll(value, NULL, 10);
    return true;
}

static bool read_hash(const struct rky_http_response *response, char ret_hex[RKY_SHA256_HEX])
{
    const char *value = rky_http_response_header(response, NAME("raw-sha256"));
    if (value == NULL)
        return true;
    if (strlen(value) != RKY_SHA256_HEX - 1 ||
        strspn(value, "0123456789abcdef") != RKY_SHA256_HEX - 1)
        return false;
    memcpy(ret_hex, value, RKY_SHA256_HEX);
    return true;
}

static bool read_namespace(const struct rky_http_response *response, struct rky_snapshot_head *head)
{
    const char *value = rky_http_response_header(response, NAME("namespace"));
    if (value == NULL || !rky_namespace_valid(value))
        return false;
    memcpy(head->namespace_, value, strlen(value) + 1);
    return true;
}

static bool read_ancestors(const struct rky_http_response *response, struct rky_snapshot_head *head)
{
    const char *at = rky_http_response_header(response, NAME("ancestors"));
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ",");
        if (head->ancestor_count == RKY_ANCESTORS_MAX || length != RKY_UUID_TEXT - 1)
            return false;
        char *uuid = head->ancestors[head->ancestor_count];
        memcpy(uuid, at, length);
        uuid[length] = '\0';
        if (!rky_uuid_valid(uuid))
            return false;
        head->ancestor_count++;
        at += length;
        at += *at == ',' ? 1 : 0;
    }
    return true;
}

bool rky_s3_metadata_read(const struct rky_http_response *response,
                          struct rky_snapshot_head *ret_head)
{
    struct rky_snapshot_head head;
    memset(&head, 0, sizeof(head));
    memset(ret_head, 0, sizeof(*ret_head));
    if (rky_http_response_header(response, NAME("write-id")) == NULL ||
        rky_http_response_header(response, NAME("generation")) == NULL)
        return false;
    if (!read_namespace(response, &head) || !read_uuid(response, NAME("lineage"), head.lineage) ||
        !read_number(response, NAME("generation"), &head.generation) ||
        !read_uuid(response, NAME("write-id"), head.write_id) || !read_ancestors(response, &head) ||
        !read_number(response, NAME("fence"), &head.fence) ||
        !read_number(response, NAME("schema-version"), &head.schema_version) ||
        !read_number(response, NAME("min-reader-version"), &head.min_reader_version) ||
        !read_hash(response, head.raw_sha256) || !read_uuid(response, NAME("job-id"), head.job_id))
        return false;
    *ret_head = head;
    return true;
}
