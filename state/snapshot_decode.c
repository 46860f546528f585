/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying and unwrapping an envelope, from the outside in: the trailer over all of it, the
 * header, whose it is, whether this program may read it, the seal, the size, the content's digest,
 * and what the first bytes of the SQLite file say.
 *
 * Nothing that the envelope says makes this take more memory than its content can fill: the size is
 * held against the limit and against what so many compressed bytes can amount to at most, and the
 * output grows with what really comes.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "common/ids.h"
#include "state/ledger_internal.h"
#include "state/snapshot_internal.h"

/* The most that zstd can make of a byte: a block of 128 KiB out of four bytes. */
#define EXPANSION_MAX 32768
/* Our own frames need 512 KiB; whoever asks for more than this wants our memory. */
#define WINDOW_LOG_MAX 24
/* How much is unpacked between two looks at it. */
#define PIECE_BYTES ((size_t)256 * 1024)

/* --- outside ---------------------------------------------------------------------------------- */

static int check_trailer(const unsigned char *bytes, size_t length, size_t *ret_end,
                         enum rky_snapshot_fault *fault, struct rky_error *err)
{
    unsigned char digest[RKY_SNAPSHOT_TRAILER_BYTES];
    unsigned format = 0;
    if (!rky_snapshot_format(bytes, length, &format))
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "it does not begin like one");
    if (length < RKY_SNAPSHOT_PREFIX_BYTES + RKY_SNAPSHOT_TRAILER_BYTES)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "it is cut off");
    size_t end = length - RKY_SNAPSHOT_TRAILER_BYTES;
    rky_sha256(bytes, end, digest);
    if (memcmp(digest, bytes + end, sizeof(digest)) != 0)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                   "it does not have the digest it says");
    *ret_end = end;
    return 0;
}

static int check_key(const struct rky_snapshot_header *header, const struct rky_snapshot_key *key,
                     enum rky_snapshot_fault *fault, struct rky_error *err)
{
    bool present = key != NULL && key->present;
    if (header->sealed && !present)
        return rky_snapshot_refuse(RKY_SNAPSHOT_WRONG_KEY, fault, err,
                                   "it is encrypted, and there is no state.encryption_key");
    if (!header->sealed && present)
        return rky_snapshot_refuse(RKY_SNAPSHOT_WRONG_KEY, fault, err,
                                   "it is not encrypted, and there is a state.encryption_key");
    if (header->sealed && strcmp(header->key_id, key->id) != 0)
        return rky_snapshot_refuse(RKY_SNAPSHOT_WRONG_KEY, fault, err,
                                   "it is encrypted with key '%s', state.encryption_key is '%s'",
                                   header->key_id, key->id);
    return 0;
}

static int check_header(const struct rky_snapshot_header *header, const char *namespace_,
                        const struct rky_snapshot_key *key, enum rky_snapshot_fault *fault,
                        struct rky_error *err)
{
    const struct rky_snapshot_head *head = &header->head;
    if (namespace_ != NULL && strcmp(head->namespace_, namespace_) != 0)
        return rky_snapshot_refuse(RKY_SNAPSHOT_WRONG_STATE, fault, err,
                                   "it belongs to namespace '%s', expected '%s'", head->namespace_,
                                   namespace_);
    if (head->min_reader_version > RKY_LEDGER_SCHEMA_VERSION)
        return rky_snapshot_refuse(RKY_SNAPSHOT_NEWER, fault, err,
                                   "it needs a program of schema version %" PRId64
                                   ", this one has version %d",
                                   head->min_reader_version, RKY_LEDGER_SCHEMA_VERSION);
    if (head->raw_size > RKY_SNAPSHOT_RAW_MAX)
        return rky_snapshot_refuse(RKY_SNAPSHOT_TOO_LARGE, fault, err,
                                   "it holds %" PRId64 " bytes, at most %" PRId64 " are read",
                                   head->raw_size, RKY_SNAPSHOT_RAW_MAX);
    return check_key(header, key, fault, err);
}

/* --- inside ----------------------------------------------------------------------------------- */

/* What comes out of the payload: digested, and kept when somebody wants it. */
struct sink {
    struct rky_sha256 *sha256;
    bool keep;
    unsigned char *raw; /**< all of it, or room for one piece */
    size_t capacity, length;
    size_t expected;
    unsigned char start[RKY_SQLITE_HEADER_BYTES];
};

/* Room for the next piece. Never more than the content is said to have, and never more than twice
 * what has come already. */
static int make_room(struct sink *sink, struct rky_error *err)
{
    size_t used = sink->keep ? sink->length : 0;
    if (used < sink->capacity)
        return 0;
    size_t wanted = used < PIECE_BYTES ? PIECE_BYTES : 2 * used;
    if (sink->keep && wanted > sink->expected)
        wanted = sink->expected;
    unsigned char *raw = rky_reallocarray(sink->raw, 1, wanted);
    if (raw == NULL)
        return rky_fail_nomem(err);
    sink->raw = raw;
    sink->capacity = wanted;
    return 0;
}

static void take(struct sink *sink, const unsigned char *piece, size_t length)
{
    if (sink->length < sizeof(sink->start)) {
        size_t room = sizeof(sink->start) - sink->length;
        memcpy(sink->start + sink->length, piece, length < room ? length : room);
    }
    rky_sha256_add(sink->sha256, piece, length);
    sink->length += length;
}

static int unpack_all(ZSTD_DCtx *context, const unsigned char *payload, size_t length,
                      struct sink *sink, enum rky_snapshot_fault *fault, struct rky_error *err)
{
    ZSTD_inBuffer from = {.src = payload, .size = length};
    size_t hint = 1;
    while (hint != 0) {
        if (sink->length == sink->expected)
            return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                       "it holds more than it says");
        int rc = make_room(sink, err);
        if (rc != 0)
            return rc;
        size_t used = sink->keep ? sink->length : 0;
        size_t room = sink->capacity - used;
        ZSTD_outBuffer to = {.dst = sink->raw + used,
                             .size = room < PIECE_BYTES ? room : PIECE_BYTES};
        size_t before = from.pos;
        hint = ZSTD_decompressStream(context, &to, &from);
        if (ZSTD_isError(hint))
            return ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation
                       ? rky_fail_nomem(err)
                       : rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                             "it cannot be unpacked: %s", ZSTD_getErrorName(hint));
        if (hint != 0 && to.pos == 0 && from.pos == before)
            return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "it is cut off");
        take(sink, sink->raw + used, to.pos);
    }
    if (from.pos != from.size || sink->length != sink->expected)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                   "it is not as long as it says");
    return 0;
}

static int unpack(const unsigned char *payload, size_t length, struct sink *sink,
                  enum rky_snapshot_fault *fault, struct rky_error *err)
{
    if (ZSTD_getFrameContentSize(payload, length) != sink->expected ||
        sink->expected / EXPANSION_MAX > length)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                   "it is not as long as it says");
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return rky_fail_nomem(err);
    size_t set = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    int rc = ZSTD_isError(set) ? rky_fail(err, RKY_ERR_BUG, "cannot bound the unpacking: %s",
                                          ZSTD_getErrorName(set))
                               : unpack_all(context, payload, length, sink, fault, err);
    (void)ZSTD_freeDCtx(context); /* cannot fail */
    return rc;
}

static int check_content(const struct rky_snapshot_head *head, struct sink *sink,
                         enum rky_snapshot_fault *fault, struct rky_error *err)
{
    char hex[RKY_SHA256_HEX];
    rky_sha256_finish(sink->sha256, hex);
    sink->sha256 = NULL;
    if (strcmp(hex, head->raw_sha256) != 0)
        return rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err,
                                   "its content does not have the digest it says");
    const char *wrong = sink->length < sizeof(sink->start)
                            ? "it is too short for an SQLite database"
                            : rky_sqlite_header_fault(sink->start, head->raw_size);
    if (wrong == NULL && rky_sqlite_header_application_id(sink->start) != RKY_LEDGER_APPLICATION_ID)
        wrong = "it is a database of another program";
    if (wrong == NULL && rky_sqlite_header_user_version(sink->start) != head->schema_version)
        wrong = "its schema version is not what its header says";
    return wrong == NULL
               ? 0
               : rky_snapshot_refuse(RKY_SNAPSHOT_CORRUPT, fault, err, "its content: %s", wrong);
}

static int read_payload(const struct rky_snapshot_head *head, const unsigned char *payload,
                        size_t length, struct sink *sink, enum rky_snapshot_fault *fault,
                        struct rky_error *err)
{
    sink->expected = (size_t)head->raw_size;
    sink->sha256 = rky_sha256_new();
    if (sink->sha256 == NULL)
        return rky_fail_nomem(err);
    int rc = unpack(payload, length, sink, fault, err);
    return rc != 0 ? rc : check_content(head, sink, fault, err);
}

int rky_snapshot_decode(const void *bytes, size_t length, const char *namespace_,
                        const struct rky_snapshot_key *key, struct rky_snapshot_head *ret_head,
                        unsigned char **ret_raw, size_t *ret_raw_length,
                        enum rky_snapshot_fault *ret_fault, struct rky_error *err)
{
    const unsigned char *frame = bytes;
    struct rky_snapshot_header header = {.sealed = false};
    struct sink sink = {.keep = ret_raw != NULL};
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    unsigned char *plain = NULL;
    size_t start = 0, end = 0;
    char hex[RKY_SHA256_HEX];

    int rc = check_trailer(frame, length, &end, &fault, err);
    if (rc == 0)
        rc = rky_snapshot_header_read(frame, end, &header, &start, &fault, err);
    if (rc == 0)
        rc = check_header(&header, namespace_, key, &fault, err);
    if (rc == 0 && header.sealed)
        rc = rky_snapshot_open(key, frame, start, frame + start, end - start, &plain, &fault, err);
    if (rc == 0)
        rc = read_payload(&header.head, plain != NULL ? plain : frame + start,
                          end - start - (header.sealed ? RKY_SNAPSHOT_SEAL_BYTES : 0), &sink,
                          &fault, err);
    if (rc == 0) {
        *ret_head = header.head;
        if (sink.keep) {
            *ret_raw = sink.raw;
            *ret_raw_length = sink.length;
            sink.raw = NULL;
        }
    }
    if (sink.sha256 != NULL)
        rky_sha256_finish(sink.sha256, hex);
    rky_free(sink.raw);
    rky_free(plain);
    *ret_fault = fault;
    return rc;
}
