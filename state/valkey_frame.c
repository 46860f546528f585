/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading the frame of an object in Valkey. What is read may come from anybody who can
 * write the key; every length is checked before it is used, and a head that makes no sense is no
 * head. Pure; any thread.
 */
#include "config.h"

#include "state/valkey_frame.h"

#include <string.h>

#include "common/mem.h"
#include "state/s3_internal.h"

#define MAGIC "RKYV\1"
enum { MAGIC_LENGTH = sizeof(MAGIC) - 1, FIXED_LENGTH = 8 + 2, LINES_MAX = 32 };

size_t rky_frame_mark(const char *etag, unsigned char ret_mark[RKY_FRAME_MARK_MAX])
{
    size_t length = strlen(etag);
    if (length == 0 || length >= RKY_ETAG_MAX)
        return 0;
    memcpy(ret_mark, MAGIC, MAGIC_LENGTH);
    ret_mark[MAGIC_LENGTH] = (unsigned char)length;
    memcpy(ret_mark + MAGIC_LENGTH + 1, etag, length);
    return MAGIC_LENGTH + 1 + length;
}

static void put_number(unsigned char *at, size_t bytes, uint64_t number)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)(number & 0xff);
        number >>= 8;
    }
}

static uint64_t get_number(const unsigned char *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

static void write_lines(const struct rky_snapshot_head *head, struct rky_strbuf *lines)
{
    struct rky_s3_metadata meta;
    rky_s3_metadata_write(head, &meta);
    for (size_t i = 0; i < meta.count; i++)
        rky_strbuf_addf(lines, "%s: %s\n", meta.headers[i].name, meta.headers[i].value);
}

int rky_frame_encode(const char *etag, int64_t modified_us, const struct rky_snapshot_head *head,
                     const void *body, size_t length, unsigned char **ret_frame, size_t *ret_length,
                     struct rky_error *err)
{
    unsigned char mark[RKY_FRAME_MARK_MAX];
    size_t mark_length = rky_frame_mark(etag, mark);
    struct rky_strbuf lines = {0};
    int rc = 0;
    RKY_ASSERT(mark_length > 0);
    write_lines(head, &lines);
    size_t offset = mark_length + FIXED_LENGTH + lines.length;
    unsigned char *frame = lines.failed ? NULL : rky_malloc(offset + length);
    if (frame == NULL) {
        rc = rky_fail_nomem(err);
        goto out;
    }
    RKY_ASSERT(offset <= RKY_FRAME_HEAD_MAX);
    memcpy(frame, mark, mark_length);
    put_number(frame + mark_length, 8, (uint64_t)modified_us);
    put_number(frame + mark_length + 8, 2, lines.length);
    if (lines.length > 0)
        memcpy(frame + mark_length + FIXED_LENGTH, lines.data, lines.length);
    if (length > 0)
        memcpy(frame + offset, body, length);
    *ret_frame = frame;
    *ret_length = offset + length;
out:
    rky_strbuf_done(&lines);
    return rc;
}

/* The lines as the headers of an answer, which is what the reader of metadata takes. Cuts @p text
 * into pieces. */
static void read_lines(char *text, struct rky_remote_object *object)
{
    char *lines[LINES_MAX];
    struct rky_http_response response = {.headers = lines};
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest);
         line != NULL && response.header_count < LINES_MAX; line = strtok_r(NULL, "\n", &rest))
        lines[response.header_count++] = line;
    object->has_head = rky_s3_metadata_read(&response, &object->head);
}

int rky_frame_decode(const void *bytes, size_t length, struct rky_remote_object *ret_object,
                     size_t *ret_offset)
{
    const unsigned char *frame = bytes;
    if (length <= MAGIC_LENGTH || memcmp(frame, MAGIC, MAGIC_LENGTH) != 0)
        return RKY_ERR_DECODE;
    size_t etag_length = frame[MAGIC_LENGTH];
    size_t fixed = MAGIC_LENGTH + 1 + etag_length;
    if (etag_length == 0 || length < fixed + FIXED_LENGTH ||
        memchr(frame + MAGIC_LENGTH + 1, '\0', etag_length) != NULL)
        return RKY_ERR_DECODE;
    size_t head_length = (size_t)get_number(frame + fixed + 8, 2);
    size_t head_at = fixed + FIXED_LENGTH;
    if (length - head_at < head_length || head_at + head_length > RKY_FRAME_HEAD_MAX)
        return RKY_ERR_DECODE;

    char *lines = rky_strndup((const char *)frame + head_at, head_length);
    if (lines == NULL)
        return RKY_ERR_NOMEM;
    memset(ret_object, 0, sizeof(*ret_object));
    ret_object->exists = true;
    memcpy(ret_object->etag, frame + MAGIC_LENGTH + 1, etag_length);
    ret_object->modified_us = (int64_t)get_number(frame + fixed, 8);
    read_lines(lines, ret_object);
    rky_free(lines);
    *ret_offset = head_at + head_length;
    return 0;
}
