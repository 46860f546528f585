/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrapping a ledger's image: digest, compress, seal, frame. The image is patched to rollback mode
 * on its way: an image in WAL mode cannot be opened without a journal beside it.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "common/ids.h"
#include "common/mem.h"
#include "state/ledger_internal.h"
#include "state/snapshot_internal.h"

/* Higher levels make state hardly smaller and cost several times the time. Of a large state the
 * compression is what an upload waits for: half the time for a quarter more bytes. */
#define COMPRESSION_LEVEL 1
#define COMPRESSION_LEVEL_LARGE (-1)
#define LARGE_BYTES ((size_t)512 * 1024)
/* Which version of the file format is needed to write and to read: 1 = rollback journal, 2 = WAL.
 */
enum { WRITE_VERSION_AT = 18, READ_VERSION_AT = 19 };

static int check_head(const struct rky_snapshot_head *head, struct rky_error *err)
{
    bool good = rky_namespace_valid(head->namespace_) && rky_uuid_valid(head->lineage) &&
                rky_uuid_valid(head->write_id) && head->generation >= 0 && head->fence >= 0 &&
                head->schema_version >= 1 && head->min_reader_version >= 1 &&
                head->restored_from >= 0 && head->ancestor_count <= RKY_ANCESTORS_MAX;
    for (size_t i = 0; good && i < head->ancestor_count; i++)
        good = rky_uuid_valid(head->ancestors[i]);
    return good
               ? 0
               : rky_fail(err, RKY_ERR_BUG, "the head of a snapshot of namespace '%s' is not whole",
                          head->namespace_);
}

static int check_raw(const struct rky_snapshot_head *head, size_t raw_length, struct rky_error *err)
{
    if (raw_length < RKY_SQLITE_HEADER_BYTES)
        return rky_fail(err, RKY_ERR_BUG, "the image of namespace '%s' is no SQLite file",
                        head->namespace_);
    if (raw_length <= (size_t)RKY_SNAPSHOT_RAW_MAX)
        return 0;
    (void)rky_fail(err, RKY_ERR_STATE_FILE,
                   "the state of namespace '%s' has %zu bytes, at most %" PRId64
                   " can be stored remotely",
                   head->namespace_, raw_length, RKY_SNAPSHOT_RAW_MAX);
    rky_error_hint(err, "lower state.retention");
    return RKY_ERR_STATE_FILE;
}

/* The image in rollback mode. */
struct image {
    const unsigned char *bytes;
    size_t length;
    unsigned char *patched; /* owned; NULL where the image was so already */
};

static int patch(const void *raw, size_t length, struct image *ret_image, struct rky_error *err)
{
    *ret_image = (struct image){.bytes = raw, .length = length};
    if (ret_image->bytes[WRITE_VERSION_AT] == 1 && ret_image->bytes[READ_VERSION_AT] == 1)
        return 0;
    unsigned char *patched = rky_malloc(length);
    if (patched == NULL)
        return rky_fail_nomem(err);
    memcpy(patched, raw, length);
    patched[WRITE_VERSION_AT] = patched[READ_VERSION_AT] = 1;
    ret_image->bytes = ret_image->patched = patched;
    return 0;
}

/* --- payload ------------------------------------------------------------------------------------
 */

/* One frame that says how long its content is. In one call, not as a stream: a stream would copy
 * the content once more. */
static int compress(const struct image *image, unsigned char **ret_payload, size_t *ret_length,
                    struct rky_error *err)
{
    size_t capacity = ZSTD_compressBound(image->length);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    unsigned char *payload = rky_malloc(capacity);
    if (context == NULL || payload == NULL) {
        (void)ZSTD_freeCCtx(context);
        rky_free(payload);
        return rky_fail_nomem(err);
    }
    int level = image->length < LARGE_BYTES ? COMPRESSION_LEVEL : COMPRESSION_LEVEL_LARGE;
    size_t length = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(length))
        length = ZSTD_compress2(context, payload, capacity, image->bytes, image->length);
    (void)ZSTD_freeCCtx(context); /* cannot fail */
    if (!ZSTD_isError(length)) {
        *ret_payload = payload;
        *ret_length = length;
        return 0;
    }
    rky_free(payload);
    return ZSTD_getErrorCode(length) == ZSTD_error_memory_allocation
               ? rky_fail_nomem(err)
               : rky_fail(err, RKY_ERR_BUG, "cannot compress the state: %s",
                          ZSTD_getErrorName(length));
}

/* --- frame --------------------------------------------------------------------------------------
 */

/* Header, payload, trailer. */
static int frame(const struct rky_strbuf *header, const unsigned char *payload,
                 size_t payload_length, const struct rky_snapshot_key *seal_key,
                 unsigned char **ret_bytes, size_t *ret_length, struct rky_error *err)
{
    size_t length = header->length + payload_length;
    unsigned char *bytes =
        rky_malloc(length + RKY_SNAPSHOT_SEAL_BYTES + RKY_SNAPSHOT_TRAILER_BYTES);
    int rc = 0;
    if (bytes == NULL)
        return rky_fail_nomem(err);
    unsigned char *place = bytes + header->length;
    memcpy(bytes, header->data, header->length);
    memcpy(place + (seal_key != NULL ? RKY_SNAPSHOT_NONCE_BYTES : 0), payload, payload_length);
    if (seal_key != NULL) {
        rc = rky_snapshot_seal(seal_key, bytes, header->length, place, payload_length, err);
        length += RKY_SNAPSHOT_SEAL_BYTES;
    }
    if (rc != 0) {
        rky_free(bytes);
        return rc;
    }
    rky_sha256(bytes, length, bytes + length);
    *ret_bytes = bytes;
    *ret_length = length + RKY_SNAPSHOT_TRAILER_BYTES;
    return 0;
}

int rky_snapshot_encode(struct rky_snapshot_head *head, const void *raw, size_t raw_length,
                        const struct rky_snapshot_key *key, unsigned char **ret_bytes,
                        size_t *ret_length, struct rky_error *err)
{
    struct rky_strbuf text = {.data = NULL};
    struct rky_snapshot_header header = {.sealed = key != NULL && key->present};
    struct image image = {.bytes = NULL};
    unsigned char *payload = NULL;
    size_t payload_length = 0;
    int rc = check_head(head, err);
    if (rc == 0)
        rc = check_raw(head, raw_length, err);
    if (rc == 0)
        rc = patch(raw, raw_length, &image, err);
    if (rc != 0)
        return rc;

    if (header.sealed)
        memcpy(header.key_id, key->id, sizeof(header.key_id));
    head->raw_size = (int64_t)raw_length;
    rky_sha256_hex(image.bytes, image.length, head->raw_sha256);
    header.head = *head;
    rc = compress(&image, &payload, &payload_length, err);
    if (rc == 0)
        rc = rky_snapshot_header_write(&header, &text, err);
    if (rc == 0)
        rc = frame(&text, payload, payload_length, header.sealed ? key : NULL, ret_bytes,
                   ret_length, err);
    rky_strbuf_done(&text);
    rky_free(image.patched);
    rky_free(payload);
    return rc;
}
