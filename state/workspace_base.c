/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is written in place, because making a new one for every job costs more than the rest of
 * its bookkeeping. It is not synced to disk either: a digest over the fields tells a torn one.
 */
#include "config.h"

#include "state/workspace_base.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"

/* A base file is a few hundred bytes; anything longer is not ours. */
enum { BASE_MAX = 4096 };

static char *base_path(const char *copy_path)
{
    return rky_asprintf("%s.base", copy_path);
}

static void digest_of(const struct rky_base *base, char ret_digest[RKY_SHA256_HEX])
{
    char text[RKY_ETAG_MAX + RKY_UUID_TEXT + 64];
    int length = snprintf(text, sizeof(text), "%s|%s|%" PRId64 "|%" PRId64, base->etag,
                          base->write_id, base->generation, base->fence);
    rky_sha256_hex(text, (size_t)length, ret_digest);
}

static bool is_as_seen(const struct stat *st, const struct rky_base_seen *seen)
{
    return seen->inode == st->st_ino && seen->size == st->st_size &&
           seen->changed.tv_sec == st->st_mtim.tv_sec &&
           seen->changed.tv_nsec == st->st_mtim.tv_nsec;
}

static void see(const struct stat *st, struct rky_base_seen *seen)
{
    *seen =
        (struct rky_base_seen){.inode = st->st_ino, .size = st->st_size, .changed = st->st_mtim};
}

static void copy_text(char *to, size_t size, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text != NULL && strlen(text) < size)
        memcpy(to, text, strlen(text) + 1);
}

static void parse(const char *text, size_t length, struct rky_base *base)
{
    char digest[RKY_SHA256_HEX];
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const char *said = json_string_value(json_object_get(object, "sha256"));
    copy_text(base->etag, sizeof(base->etag), json_object_get(object, "etag"));
    copy_text(base->write_id, sizeof(base->write_id), json_object_get(object, "write_id"));
    base->generation = json_integer_value(json_object_get(object, "generation"));
    base->fence = json_integer_value(json_object_get(object, "fence"));
    digest_of(base, digest);
    base->exists = said != NULL && strcmp(said, digest) == 0 && rky_uuid_valid(base->write_id) &&
                   base->etag[0] != '\0';
    base->known = base->exists;
    json_decref(object);
    if (!base->known)
        *base = (struct rky_base){0};
}

void rky_base_load(const char *copy_path, struct rky_base_seen *seen, struct rky_base *base)
{
    struct rky_error odd = {0};
    struct stat st;
    char *text = NULL, *path = base_path(copy_path);
    size_t length = 0;
    bool there = path != NULL && stat(path, &st) == 0;
    if (!there || !is_as_seen(&st, seen)) {
        *base = (struct rky_base){0};
        *seen = (struct rky_base_seen){0};
        if (there && rky_read_file(path, BASE_MAX, &text, &length, &odd) == 0) {
            parse(text, length, base);
            see(&st, seen);
        }
    }
    rky_free(text);
    rky_free(path);
}

/* What is longer than the new text goes last: until then it is no JSON. */
static bool write_all(int fd, const char *text, size_t length, struct rky_base_seen *seen)
{
    struct stat st;
    if (pwrite(fd, text, length, 0) != (ssize_t)length || fstat(fd, &st) != 0)
        return false;
    if (st.st_size != (off_t)length && (ftruncate(fd, (off_t)length) != 0 || fstat(fd, &st) != 0))
        return false;
    see(&st, seen);
    return true;
}

void rky_base_save(const char *copy_path, const struct rky_base *base, struct rky_base_seen *seen)
{
    char digest[RKY_SHA256_HEX];
    char *path = base_path(copy_path);
    *seen = (struct rky_base_seen){0};
    if (path == NULL)
        return;
    digest_of(base, digest);
    json_t *object = base->known && base->exists
                         ? json_pack("{s:s, s:s, s:I, s:I, s:s}", "etag", base->etag, "write_id",
                                     base->write_id, "generation", (json_int_t)base->generation,
                                     "fence", (json_int_t)base->fence, "sha256", digest)
                         : NULL;
    char text[BASE_MAX];
    size_t length = object != NULL ? json_dumpb(object, text, sizeof(text), JSON_COMPACT) : 0;
    bool written = false;
    if (length > 0 && length <= sizeof(text)) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        written = fd >= 0 && write_all(fd, text, length, seen);
        if (fd >= 0)
            (void)close(fd);
    }
    if (!written)
        (void)unlink(path);
    json_decref(object);
    rky_free(path);
}
