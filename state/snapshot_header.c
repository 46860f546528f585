/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a snapshot, as a value and as the JSON header of the frame.
 *
 * Reading believes nothing: every field has its type, its range and its length, and the checksum
 * covers the prefix, too. Fields that this version does not know are skipped: a later version may
 * add some, and raises min_reader_version when an older reader must not go on without them.
 */
#include "config.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "state/ledger.h"
#include "state/snapshot_internal.h"

static const char MAGIC[4] = {'R', 'K', 'Y', 'S'};
/* Prefix: magic 4, format 2, flags 2, header length 4, checksum 4. */
enum { FORMAT_AT = 4, FLAGS_AT = 6, LENGTH_AT = 8, CHECKSUM_AT = 12 };

#define COMPRESSION "zstd"
#define ENCRYPTION "aes-256-gcm"

bool rky_snapshot_derives(const struct rky_snapshot_head *head, const char *write_id)
{
    if (strcmp(head->write_id, write_id) == 0)
        return true;
    for (size_t i = 0; i < head->ancestor_count; i++)
        if (strcmp(head->ancestors[i], write_id) == 0)
            return true;
    return false;
}

/* --- refusals --------------------------------------------------------------------------------- */

const char *rky_snapshot_fault_class(enum rky_snapshot_fault fault)
{
    switch (fault) {
    case RKY_SNAPSHOT_GOOD:
        return NULL;
    case RKY_SNAPSHOT_CORRUPT:
        return "corrupt";
    case RKY_SNAPSHOT_WRONG_STATE:
        return "wrong_namespace";
    case RKY_SNAPSHOT_WRONG_KEY:
        return "encryption_key";
    case RKY_SNAPSHOT_NEWER:
        return "schema_newer";
    case RKY_SNAPSHOT_TOO_LARGE:
        return "too_large";
    }
    return NULL;
}

static const char *hint_of(enum rky_snapshot_fault fault)
{
    switch (fault) {
    case RKY_SNAPSHOT_WRONG_STATE:
        return "give each namespace an object of its own: look at the prefix and at who writes to "
               "it; 'rocky state restore' brings one of this namespace's versions back";
    case RKY_SNAPSHOT_WRONG_KEY:
        return "set state.encryption_key to what the writers of this state have";
    case RKY_SNAPSHOT_NEWER:
        return "upgrade this program to the version that wrote the state";
    case RKY_SNAPSHOT_TOO_LARGE:
        return "lower state.retention and namespaces per state";
    case RKY_SNAPSHOT_GOOD:
    case RKY_SNAPSHOT_CORRUPT:
        break;
    }
    return "'rocky state versions' lists older versions, 'rocky state restore' brings one back";
}

int rky_snapshot_refuse(enum rky_snapshot_fault fault, enum rky_snapshot_fault *ret_fault,
                        struct rky_error *err, const char *format, ...)
{
    char what[256];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(what, sizeof(what), format, values);
    va_end(values);
    (void)rky_fail(err, RKY_ERR_STATE_FILE, "snapshot is %s: %s",
                   fault == RKY_SNAPSHOT_CORRUPT ? "corrupt" : "refused", what);
    rky_error_hint(err, "%s", hint_of(fault));
    *ret_fault = fault;
    return RKY_ERR_STATE_FILE;
}

/* --- the frame's integers --------------------------------------------------------------------- */

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

/* CRC-32C (Castagnoli), four bits at a time: a header is short. */
static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, size_t length)
{
    static const uint32_t TABLE[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ TABLE[crc & 15];
        crc = crc >> 4 ^ TABLE[crc & 15];
    }
    return ~crc;
}

static uint32_t checksum(const unsigned char *prefix, const unsigned char *json, size_t length)
{
    return crc32c(crc32c(0, prefix, CHECKSUM_AT), json, length);
}

bool rky_snapshot_format(const unsigned char *bytes, size_t length, unsigned *ret_format)
{
    if (length < RKY_SNAPSHOT_PREFIX_BYTES || memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0)
        return false;
    *ret_format = (unsigned)bytes[FORMAT_AT] << 8 | bytes[FORMAT_AT + 1];
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What people and machines call themselves need not be UTF-8: the part that is. */
static json_t *name_json(const char *text)
{
    size_t length = strlen(text);
    size_t valid = 0;
    size_t next = 0;
    while ((next = rky_utf8_next(text + valid, length - valid)) > 0)
        valid += next;
    return json_stringn(text, valid);
}

static json_t *ancestors_json(const struct rky_snapshot_head *head)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < head->ancestor_count; i++) {
        if (json_array_append_new(list, json_string(head->ancestors[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* A NULL anywhere below makes json_pack() fail, which is the one thing that has to be checked. */
static json_t *header_json(const struct rky_snapshot_header *header)
{
    const struct rky_snapshot_head *head = &header->head;
    return json_pack(
        "{s:o, s:s, s:I, s:s, s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:s?, s:s?, s:I, s:{s:o, s:o, "
        "s:o}, s:o, s:o, s:I}",
        "namespace", name_json(head->namespace_), "lineage", head->lineage, "generation",
        (json_int_t)head->generation, "write_id", head->write_id, "ancestors", ancestors_json(head),
        "fence", (json_int_t)head->fence, "schema_version", (json_int_t)head->schema_version,
        "min_reader_version", (json_int_t)head->min_reader_version, "raw_size",
        (json_int_t)head->raw_size, "raw_sha256", head->raw_sha256, "compression", COMPRESSION,
        "encryption", header->sealed ? ENCRYPTION : NULL, "key_id",
        header->sealed ? header->key_id : NULL, "created_at_us", (json_int_t)head->created_at_us,
        "writer", "worker_id", name_json(head->worker_id), "version", name_json(head->version),
        "host", name_json(head->host), "run_id", name_json(head->run_id), "job_id",
        name_json(head->job_id), "restored_from", (json_int_t)head->restored_from);
}

int rky_snapshot_header_write(const struct rky_snapshot_header *header, struct rky_strbuf *frame,
                              struct rky_error *err)
{
    unsigned char prefix[RKY_SNAPSHOT_PREFIX_BYTES] = {0};
    json_t *json = header_json(header);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL)
        return rky_fail_nomem(err);
    size_t length = strlen(text);
    RKY_ASSERT(length <= RKY_SNAPSHOT_HEADER_MAX);
    memcpy(prefix, MAGIC, sizeof(MAGIC));
    prefix[FORMAT_AT + 1] = RKY_SNAPSHOT_FORMAT;
    put32(prefix + LENGTH_AT, (uint32_t)length);
    put32(prefix + CHECKSUM_AT, checksum(prefix, (const unsigned char *)text, length));
    rky_strbuf_addn(frame, prefix, sizeof(prefix));
    rky_strbuf_addn(frame, text, length);
    rky_free(text);
    return frame->failed ? rky_fail_nomem(err) : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Sticky: one field of the wrong kind spoils the whole. */
struct reader {
    const json_t *json;
    const char *wrong; /**< name of the first field that is not what it has to be */
};

static void read_text(struct reader *reader, const char *key, char *ret_text, size_t size)
{
    const json_t *value = json_object_get(reader->json, key);
    if (json_is_string(value) && json_string_length(value) < size)
        memcpy(ret_text, json_string_value(value), json_string_length(value) + 1);
    else if (reader->wrong == NULL)
        reader->wrong = key;
}

static int64_t read_int(struct reader *reader, const char *key, int64_t least)
{
    const json_t *value = json_object_get(reader->json, key);
    if (json_is_integer(value) && json_integer_value(value) >= least)
        return json_integer_value(value);
    if (reader->wrong == NULL)
        reader->wrong = key;
    return 0;
}

static void read_ancestors(struct reader *reader, struct rky_snapshot_head *head)
{
    const json_t *list = json_object_get(reader->json, "ancestors");
    bool good = json_is_array(list) && json_array_size(list) <= RKY_ANCESTORS_MAX;
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));
        good = id != NULL && rky_uuid_valid(id);
        if (good)
            memcpy(head->ancestors[head->ancestor_count++], id, RKY_UUID_TEXT);
    }
    if (!good && reader->wrong == NULL)
        reader->wrong = "ancestors";
}

static bool is_sha256(const char *text)
{
    return strlen(text) == RKY_SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == strlen(text);
}

static const char *read_head(const json_t *json, struct rky_snapshot_head *head)
{
    struct reader reader = {.json = json};
    read_text(&reader, "namespace", head->namespace_, sizeof(head->namespace_));
    read_text(&reader, "lineage", head->lineage, sizeof(head->lineage));
    head->generation = read_int(&reader, "generation", 0);
    read_text(&reader, "write_id", head->write_id, sizeof(head->write_id));
    read_ancestors(&reader, head);
    head->fence = read_int(&reader, "fence", 0);
    head->schema_version = read_int(&reader, "schema_version", 1);
    head->min_reader_version = read_int(&reader, "min_reader_version", 1);
    head->raw_size = read_int(&reader, "raw_size", 1);
    read_text(&reader, "raw_sha256", head->raw_sha256, sizeof(head->raw_sha256));
    head->created_at_us = read_int(&reader, "created_at_us", INT64_MIN);
    read_text(&reader, "run_id", head->run_id, sizeof(head->run_id));
    read_text(&reader, "job_id", head->job_id, sizeof(head->job_id));
    head->restored_from = read_int(&reader, "restored_from", 0);

    struct reader writer = {.json = json_object_get(json, "writer"), .wrong = reader.wrong};
    read_text(&writer, "worker_id", head->worker_id, sizeof(head->worker_id));
    read_text(&writer, "version", head->version, sizeof(head->version));
    read_text(&writer, "host", head->host, sizeof(head->host));
    if (writer.wrong != NULL)
        return writer.wrong;
    if (!rky_namespace_valid(head->namespace_))
        return "namespace";
    if (!rky_uuid_valid(head->lineage))
        return "lineage";
    if (!rky_uuid_valid(head->write_id))
        return "write_id";
    return is_sha256(head->raw_sha256) ? NULL : "raw_sha256";
}

/* How the payload was made. */
static int read_encoding(const json_t *json, struct rky_snapshot_header *header,
                         enum rky_snapshot_fault *fault, struct rky_error *err)
{
    struct reader reader = {.json = json};
    char compression[32] = "", encryption[32] = "";
    read_text(&reader, "compression", compression, sizeof(compression));
    header->sealed = !json_is_null(json_object_get(json, "encryption"));
    if (header->sealed) {
        read_text(&reader, "encryption", encryption, sizeof(encryption));
        read_text(&reader, "key_id", header->key_id, sizeof(header->key_id));
    }
    if (reader.wrong != NULL)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "'%s' of its header cannot be",
                                   reader.wrong);
    if (strcmp(compression, COMPRESSION) != 0 ||
        (header->sealed && strcmp(encryption, ENCRYPTION) != 0))
        return rky_snapshot_refuse(RKY_SNAPSHOT_NEWER, fault, err,
                                   "it is stored in a way that this program does not know");
    return 0;
}

static int read_json(const unsigned char *text, size_t length, struct rky_snapshot_header *header,
                     enum rky_snapshot_fault *fault, struct rky_error *err)
{
    json_error_t where;
    json_t *json = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL && json_error_code(&where) == json_error_out_of_memory)
        return rky_fail_nomem(err);
    int rc = 0;
    const char *wrong = json_is_object(json) ? read_head(json, &header->head) : "all";
    if (wrong != NULL)
        rc = rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "'%s' of its header cannot be",
                                 wrong);
    if (rc == 0)
        rc = read_encoding(json, header, fault, err);
    json_decref(json);
    return rc;
}

int rky_snapshot_header_read(const unsigned char *bytes, size_t length,
                             struct rky_snapshot_header *ret_header, size_t *ret_end,
                             enum rky_snapshot_fault *ret_fault, struct rky_error *err)
{
    struct rky_snapshot_header header = {.sealed = false};
    unsigned format = 0;
    if (!rky_snapshot_format(bytes, length, &format))
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, ret_fault, err,
                                   "it does not begin like one");
    if (format != RKY_SNAPSHOT_FORMAT)
        return rky_snapshot_refuse(RKY_SNAPSHOT_NEWER, ret_fault, err,
                                   "it has format %u, this program knows format %d", format,
                                   RKY_SNAPSHOT_FORMAT);
    const unsigned char *json = bytes + RKY_SNAPSHOT_PREFIX_BYTES;
    size_t json_length = get32(bytes + LENGTH_AT);
    if (json_length > RKY_SNAPSHOT_HEADER_MAX || json_length > length - RKY_SNAPSHOT_PREFIX_BYTES)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, ret_fault, err, "its header is cut off");
    if (get32(bytes + CHECKSUM_AT) != checksum(bytes, json, json_length))
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, ret_fault, err,
                                   "its header does not have the checksum it says");
    if (bytes[FLAGS_AT] != 0 || bytes[FLAGS_AT + 1] != 0)
        return rky_snapshot_refuse(RKY_SNAPSHOT_NEWER, ret_fault, err,
                                   "it has flags that this program does not know");
    int rc = read_json(json, json_length, &header, ret_fault, err);
    if (rc != 0)
        return rc;
    *ret_header = header;
    *ret_end = RKY_SNAPSHOT_PREFIX_BYTES + json_length;
    return 0;
}

int rky_snapshot_peek(const void *bytes, size_t length, struct rky_snapshot_head *ret_head,
                      struct rky_error *err)
{
    struct rky_snapshot_header header;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    size_t end = 0;
    int rc = rky_snapshot_header_read(bytes, length, &header, &end, &fault, err);
    if (rc == 0)
        *ret_head = header.head;
    return rc;
}
