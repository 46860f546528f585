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
#include "state/ledger_internal.h"
#include "state/snapshot_internal.h"

/* Higher levels make state hardly smaller and cost several times the time. */
#define COMPRESSION_LEVEL 1
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

/* The image with its two version bytes patched, as pieces. */
struct image {
    unsigned char start[RKY_SQLITE_HEADER_BYTES];
    const unsigned char *rest;
    size_t rest_length;
};

static struct image patch(const void *raw, size_t length)
{
    struct image image = {.rest = (const unsigned char *)raw + RKY_SQLITE_HEADER_BYTES,
                          .rest_length = length - RKY_SQLITE_HEADER_BYTES};
    memcpy(image.start, raw, sizeof(image.start));
    image.start[WRITE_VERSION_AT] = 1;
    image.start[READ_VERSION_AT] = 1;
    return image;
}

static int digest(const struct image *image, char ret_hex[RKY_SHA256_HEX], struct rky_error *err)
{
    struct rky_sha256 *sha256 = rky_sha256_new();
    if (sha256 == NULL)
        return rky_fail_nomem(err);
    rky_sha256_add(sha256, image->start, sizeof(image->start));
    rky_sha256_add(sha256, image->rest, image->rest_length);
    rky_sha256_finish(sha256, ret_hex);
    return 0;
}

/* One frame that says how long its content is. */
static int compress(const struct image *image, unsigned char *out, size_t capacity,
                    size_t *ret_length, struct rky_error *err)
{
    ZSTD_outBuffer to = {.dst = out, .size = capacity};
    ZSTD_inBuffer start = {.src = image->start, .size = sizeof(image->start)};
    ZSTD_inBuffer rest = {.src = image->rest, .size = image->rest_length};
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL)
        return rky_fail_nomem(err);
    size_t left = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    if (!ZSTD_isError(left))
        left = ZSTD_CCtx_setPledgedSrcSize(context, start.size + rest.size);
    if (!ZSTD_isError(left))
        left = ZSTD_compressStream2(context, &to, &start, ZSTD_e_continue);
    if (!ZSTD_isError(left))
        left = ZSTD_compressStream2(context, &to, &rest, ZSTD_e_end);
    (void)ZSTD_freeCCtx(context); /* cannot fail */
    if (left == 0) {
        *ret_length = to.pos;
        return 0;
    }
    return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation
               ? rky_fail_nomem(err)
               : rky_fail(err, RKY_ERR_BUG, "cannot compress the state: %s",
                          ZSTD_isError(left) ? ZSTD_getErrorName(left) : "there is no room");
}

/* Room for the longest frame that may come out. */
static int make_room(struct rky_strbuf *frame, size_t header_length, size_t image_length,
                     unsigned char **ret_bytes, struct rky_error *err)
{
    size_t room = header_length + RKY_SNAPSHOT_SEAL_BYTES + ZSTD_compressBound(image_length) +
                  RKY_SNAPSHOT_TRAILER_BYTES;
    unsigned char *bytes = rky_malloc(room);
    if (bytes == NULL)
        return rky_fail_nomem(err);
    memcpy(bytes, frame->data, header_length);
    *ret_bytes = bytes;
    return 0;
}

static int fill(const struct image *image, const struct rky_snapshot_key *key, bool sealed,
                size_t header_length, unsigned char *bytes, size_t *ret_length,
                struct rky_error *err)
{
    unsigned char *payload = bytes + header_length;
    size_t length = 0;
    int rc = compress(image, payload + (sealed ? RKY_SNAPSHOT_NONCE_BYTES : 0),
                      ZSTD_compressBound(sizeof(image->start) + image->rest_length), &length, err);
    if (rc == 0 && sealed) {
        rc = rky_snapshot_seal(key, bytes, header_length, payload, length, err);
        length += RKY_SNAPSHOT_SEAL_BYTES;
    }
    length += header_length;
    if (rc == 0)
        rc = rky_snapshot_digest(bytes, length, bytes + length, err);
    if (rc == 0)
        *ret_length = length + RKY_SNAPSHOT_TRAILER_BYTES;
    return rc;
}

int rky_snapshot_encode(struct rky_snapshot_head *head, const void *raw, size_t raw_length,
                        const struct rky_snapshot_key *key, unsigned char **ret_bytes,
                        size_t *ret_length, struct rky_error *err)
{
    struct rky_strbuf frame = {.data = NULL};
    struct rky_snapshot_header header = {.sealed = key != NULL && key->present};
    unsigned char *bytes = NULL;
    size_t length = 0;
    int rc = check_head(head, err);
    if (rc == 0)
        rc = check_raw(head, raw_length, err);
    if (rc != 0)
        return rc;

    const struct image image = patch(raw, raw_length);
    if (header.sealed)
        memcpy(header.key_id, key->id, sizeof(header.key_id));
    head->raw_size = (int64_t)raw_length;
    rc = digest(&image, head->raw_sha256, err);
    header.head = *head;
    if (rc == 0)
        rc = rky_snapshot_header_write(&header, &frame, err);
    if (rc == 0)
        rc = make_room(&frame, frame.length, raw_length, &bytes, err);
    if (rc == 0)
        rc = fill(&image, key, header.sealed, frame.length, bytes, &length, err);
    rky_strbuf_done(&frame);
    if (rc != 0) {
        rky_free(bytes);
        return rc;
    }
    /* Given back because the frame waits in memory for a whole upload; with it or without it. */
    unsigned char *smaller = rky_reallocarray(bytes, 1, length);
    *ret_bytes = smaller != NULL ? smaller : bytes;
    *ret_length = length;
    return 0;
}
