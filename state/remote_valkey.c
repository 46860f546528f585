/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Valkey driver of the remote seam. One string per object (valkey_frame.h), replaced only by
 * scripts that compare its etag, which is random per write. Keys: `<prefix>{<ns>}:state`,
 * `:history:<suffix>`, `:probe:<suffix>`, `:lease`; the braces keep a namespace on one node.
 *
 * As the cache of `tiered` the same, but an entry carries the etag of the durable object it copies,
 * expires after a week, and is left out when it is so large that writing it would hold up the
 * server. Nothing a cache holds is believed before the durable store confirms that etag.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/valkey.h"
#include "state/valkey_frame.h"
#include "state/valkey_internal.h"

#define CACHE_TTL_MS "604800000"
#define NO_TTL "0"
enum { CACHE_ENTRY_MAX = 8 << 20, CACHE_OP_MS = 2000 };
/* proto-max-bulk-len of a server as it comes. */
static const size_t OBJECT_MAX = (size_t)512 << 20;

/* KEYS: object; ARGV: mark of the version to replace, new frame, time to live. */
static const char replace_script[] =
    "local old = redis.call('GETRANGE', KEYS[1], 0, string.len(ARGV[1]) - 1)\n"
    "if old == '' then return 0 end\n"
    "if old ~= ARGV[1] then return 2 end\n"
    "if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])\n"
    "else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end\n"
    "return 1\n";
/* KEYS: object; ARGV: mark of the version to remove. */
static const char remove_script[] =
    "local old = redis.call('GETRANGE', KEYS[1], 0, string.len(ARGV[1]) - 1)\n"
    "if old == '' then return 0 end\n"
    "if old ~= ARGV[1] then return 2 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "return 1\n";
/* KEYS: object; ARGV: mark of the version at hand, last byte of a head. A version at hand is
 * answered by its head alone, in an array. */
static const char get_script[] =
    "local mark = redis.call('GETRANGE', KEYS[1], 0, string.len(ARGV[1]) - 1)\n"
    "if mark == ARGV[1] then return {redis.call('GETRANGE', KEYS[1], 0, ARGV[2])} end\n"
    "return redis.call('GET', KEYS[1])\n";

enum verdict { VERDICT_ABSENT, VERDICT_DONE, VERDICT_OTHER };

struct driver {
    struct rky_remote base;
    struct rky_valkey *valkey; /* borrowed */
    char *prefix;
    bool cache;
    struct rky_valkey_script replace, remove, get;
};

static struct driver *driver_of(struct rky_remote *remote)
{
    return (struct driver *)remote;
}

static const char *kind_name(enum rky_remote_kind kind)
{
    switch (kind) {
    case RKY_REMOTE_HEAD:
        return "state";
    case RKY_REMOTE_HISTORY:
        return "history";
    case RKY_REMOTE_LEASE:
        return "lease";
    case RKY_REMOTE_PROBE:
        return "probe";
    }
    RKY_ASSERT(false);
}

static char *make_key(const struct driver *driver, const struct rky_remote_name *name)
{
    bool suffixed = name->suffix != NULL;
    return rky_asprintf("%s{%s}:%s%s%s", driver->prefix, name->namespace_, kind_name(name->kind),
                        suffixed ? ":" : "", suffixed ? name->suffix : "");
}

/* A cache that is slow is worse than none. */
static struct rky_deadline deadline_of(const struct driver *driver,
                                       const struct rky_transfer *transfer)
{
    struct rky_deadline limit = rky_deadline_in(transfer->deadline.clock, CACHE_OP_MS);
    return driver->cache && limit.mono_ms < transfer->deadline.mono_ms ? limit : transfer->deadline;
}

static int command(struct driver *driver, const struct rky_valkey_arg *args, size_t count,
                   struct rky_transfer *transfer, struct rky_valkey_reply *ret_reply,
                   struct rky_error *err)
{
    return rky_valkey_command(driver->valkey, args, count, deadline_of(driver, transfer), ret_reply,
                              &transfer->attempt, err);
}

static int eval(struct driver *driver, const struct rky_valkey_script *script,
                const struct rky_valkey_arg *args, size_t count, struct rky_transfer *transfer,
                struct rky_valkey_reply *ret_reply, struct rky_error *err)
{
    return rky_valkey_eval(driver->valkey, script, 1, args, count, deadline_of(driver, transfer),
                           ret_reply, &transfer->attempt, err);
}

static int corrupt(const char *key, struct rky_transfer *transfer, struct rky_error *err)
{
    (void)rky_valkey_fail(err, &transfer->attempt, RKY_ERR_STATE_FILE,
                          RKY_VALKEY_PERMANENT("corrupt"),
                          "valkey key '%s' holds something that is not an object of ours", key);
    rky_error_hint(err, "look at it with GETRANGE; another program may use state.valkey_prefix");
    return RKY_ERR_STATE_FILE;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* @param bytes a frame, or the beginning of one. */
static int decode(const char *key, const char *bytes, size_t length, bool with_body,
                  struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                  struct rky_error *err)
{
    struct rky_remote_object object;
    size_t offset = 0;
    int rc = rky_frame_decode(bytes, length, &object, &offset);
    if (rc != 0)
        return rc == RKY_ERR_NOMEM ? rky_fail_nomem(err) : corrupt(key, transfer, err);
    if (with_body) {
        object.length = length - offset;
        object.body = rky_malloc(object.length + 1);
        if (object.body == NULL)
            return rky_fail_nomem(err);
        memcpy(object.body, bytes + offset, object.length);
        object.body[object.length] = '\0';
    }
    *ret_object = object;
    return 0;
}

static void set_absent(struct rky_remote_object *ret_object)
{
    memset(ret_object, 0, sizeof(*ret_object));
}

static int valkey_head(struct rky_remote *remote, const struct rky_remote_name *name,
                       struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                       struct rky_error *err)
{
    struct driver *driver = driver_of(remote);
    struct rky_valkey_reply reply = {0};
    char last[24];
    char *key = make_key(driver, name);
    if (key == NULL)
        return rky_fail_nomem(err);
    (void)snprintf(last, sizeof(last), "%d", RKY_FRAME_HEAD_MAX - 1);
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("GETRANGE"), RKY_VALKEY_TEXT(key),
                                          RKY_VALKEY_TEXT("0"), RKY_VALKEY_TEXT(last)};
    int rc = command(driver, args, 4, transfer, &reply, err);
    if (rc == 0 && reply.length == 0)
        set_absent(ret_object); /* what a key that does not exist answers */
    else if (rc == 0)
        rc = decode(key, reply.text, reply.length, false, transfer, ret_object, err);
    rky_valkey_reply_done(&reply);
    rky_free(key);
    return rc;
}

static int take_object(const char *key, const struct rky_valkey_reply *reply,
                       struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                       struct rky_error *err)
{
    switch (reply->type) {
    case RKY_VALKEY_NIL:
        set_absent(ret_object);
        return 0;
    case RKY_VALKEY_STRING:
        return decode(key, reply->text, reply->length, true, transfer, ret_object, err);
    case RKY_VALKEY_ARRAY:
        if (reply->count == 1 && reply->items[0].type == RKY_VALKEY_STRING) {
            int rc = decode(key, reply->items[0].text, reply->items[0].length, false, transfer,
                            ret_object, err);
            if (rc == 0)
                ret_object->not_modified = true;
            return rc;
        }
        return corrupt(key, transfer, err);
    case RKY_VALKEY_INTEGER:
        break;
    }
    return corrupt(key, transfer, err);
}

static int valkey_get(struct rky_remote *remote, const struct rky_remote_name *name,
                      const char *if_none_match, struct rky_transfer *transfer,
                      struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct driver *driver = driver_of(remote);
    unsigned char mark[RKY_FRAME_MARK_MAX];
    size_t mark_length = if_none_match != NULL ? rky_frame_mark(if_none_match, mark) : 0;
    struct rky_valkey_reply reply = {0};
    char last[24];
    int rc = 0;
    char *key = make_key(driver, name);
    if (key == NULL)
        return rky_fail_nomem(err);
    (void)snprintf(last, sizeof(last), "%d", RKY_FRAME_HEAD_MAX - 1);
    if (mark_length > 0) {
        const struct rky_valkey_arg args[] = {
            RKY_VALKEY_TEXT(key), {mark, mark_length}, RKY_VALKEY_TEXT(last)};
        rc = eval(driver, &driver->get, args, 3, transfer, &reply, err);
    } else {
        const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("GET"), RKY_VALKEY_TEXT(key)};
        rc = command(driver, args, 2, transfer, &reply, err);
    }
    if (rc == 0)
        rc = take_object(key, &reply, transfer, ret_object, err);
    rky_valkey_reply_done(&reply);
    rky_free(key);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int conflict(const char *key, struct rky_transfer *transfer, struct rky_error *err)
{
    return rky_valkey_fail(err, &transfer->attempt, RKY_ERR_CONFLICT,
                           RKY_VALKEY_PERMANENT("conflict"),
                           "valkey key '%s' holds another version than the one to replace", key);
}

static int deleted(const char *key, struct rky_transfer *transfer, struct rky_error *err)
{
    return rky_valkey_fail(err, &transfer->attempt, RKY_ERR_NOT_FOUND,
                           RKY_VALKEY_PERMANENT("deleted"), "valkey key '%s' does not exist", key);
}

static int replace(struct driver *driver, const char *key, const char *etag,
                   const struct rky_valkey_arg *frame, struct rky_transfer *transfer,
                   struct rky_error *err)
{
    unsigned char mark[RKY_FRAME_MARK_MAX];
    size_t mark_length = rky_frame_mark(etag, mark);
    struct rky_valkey_reply reply = {0};
    if (mark_length == 0)
        return conflict(key, transfer, err);
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT(key),
                                          {mark, mark_length},
                                          *frame,
                                          RKY_VALKEY_TEXT(driver->cache ? CACHE_TTL_MS : NO_TTL)};
    int rc = eval(driver, &driver->replace, args, 4, transfer, &reply, err);
    if (rc == 0 && reply.integer == VERDICT_ABSENT)
        rc = deleted(key, transfer, err);
    else if (rc == 0 && reply.integer != VERDICT_DONE)
        rc = conflict(key, transfer, err);
    rky_valkey_reply_done(&reply);
    return rc;
}

static int set(struct driver *driver, const char *key, bool only_new,
               const struct rky_valkey_arg *frame, struct rky_transfer *transfer,
               struct rky_error *err)
{
    struct rky_valkey_reply reply = {0};
    struct rky_valkey_arg args[6] = {RKY_VALKEY_TEXT("SET"), RKY_VALKEY_TEXT(key), *frame};
    size_t count = 3;
    if (only_new)
        args[count++] = (struct rky_valkey_arg)RKY_VALKEY_TEXT("NX");
    if (driver->cache) {
        args[count++] = (struct rky_valkey_arg)RKY_VALKEY_TEXT("PX");
        args[count++] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(CACHE_TTL_MS);
    }
    int rc = command(driver, args, count, transfer, &reply, err);
    if (rc == 0 && reply.type == RKY_VALKEY_NIL)
        rc = conflict(key, transfer, err);
    rky_valkey_reply_done(&reply);
    return rc;
}

static int delete_key(struct driver *driver, const char *key, struct rky_transfer *transfer,
                      struct rky_error *err)
{
    struct rky_valkey_reply reply = {0};
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("DEL"), RKY_VALKEY_TEXT(key)};
    int rc = command(driver, args, 2, transfer, &reply, err);
    rky_valkey_reply_done(&reply);
    return rc;
}

static int store(struct driver *driver, const char *key, const struct rky_remote_put *put,
                 const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct rky_clock *clock = rky_valkey_clock(driver->valkey);
    unsigned char *bytes = NULL;
    struct rky_valkey_arg frame = {0};
    int rc = rky_frame_encode(etag, clock->wall_us(clock), put->head, put->body, put->length,
                              &bytes, &frame.length, err);
    if (rc != 0)
        return rc;
    frame.bytes = bytes;
    if (put->condition == RKY_IF_ETAG)
        rc = replace(driver, key, put->etag, &frame, transfer, err);
    else
        rc = set(driver, key, put->condition == RKY_IF_ABSENT, &frame, transfer, err);
    rky_free(bytes);
    return rc;
}

static int valkey_put(struct rky_remote *remote, const struct rky_remote_name *name,
                      const struct rky_remote_put *put, struct rky_transfer *transfer,
                      char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct driver *driver = driver_of(remote);
    char etag[RKY_ETAG_MAX] = "";
    int rc = 0;
    if (put->length > OBJECT_MAX - RKY_FRAME_HEAD_MAX)
        return rky_valkey_fail(err, &transfer->attempt, RKY_ERR_CONFIG,
                               RKY_VALKEY_PERMANENT("too_large"),
                               "a state of %zu bytes is too large for valkey: at most %zu",
                               put->length, OBJECT_MAX - RKY_FRAME_HEAD_MAX);
    char *key = make_key(driver, name);
    if (key == NULL)
        return rky_fail_nomem(err);
    rky_uuid_v4(etag);
    if (driver->cache && put->condition == RKY_IF_ANY && put->etag != NULL)
        (void)snprintf(etag, sizeof(etag), "%s", put->etag);
    if (driver->cache && put->length > CACHE_ENTRY_MAX)
        rc = delete_key(driver, key, transfer, err); /* what is there is older than this */
    else
        rc = store(driver, key, put, etag, transfer, err);
    if (rc == 0)
        memcpy(ret_etag, etag, sizeof(etag));
    rky_free(key);
    return rc;
}

static int valkey_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                         const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct driver *driver = driver_of(remote);
    unsigned char mark[RKY_FRAME_MARK_MAX];
    size_t mark_length = etag != NULL ? rky_frame_mark(etag, mark) : 0;
    struct rky_valkey_reply reply = {0};
    int rc = 0;
    char *key = make_key(driver, name);
    if (key == NULL)
        return rky_fail_nomem(err);
    if (etag == NULL) {
        rc = delete_key(driver, key, transfer, err);
    } else {
        const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT(key), {mark, mark_length}};
        rc = eval(driver, &driver->remove, args, 2, transfer, &reply, err);
        if (rc == 0 && reply.integer == VERDICT_OTHER)
            rc = conflict(key, transfer, err);
        rky_valkey_reply_done(&reply);
    }
    rky_free(key);
    return rc;
}

/* --- the rest --------------------------------------------------------------------------------- */

static char *valkey_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    struct driver *driver = driver_of(remote);
    char *key = make_key(driver, name);
    char *uri = key != NULL ? rky_asprintf("%s/%s", rky_valkey_uri(driver->valkey), key) : NULL;
    rky_free(key);
    return uri;
}

static void valkey_free(struct rky_remote *remote)
{
    struct driver *driver = driver_of(remote);
    rky_free(driver->prefix);
    rky_free(driver);
}

static int valkey_list(struct rky_remote *remote, enum rky_remote_kind kind, const char *namespace_,
                       struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                       struct rky_error *err)
{
    struct driver *driver = driver_of(remote);
    const struct rky_remote_name all = {.kind = kind, .namespace_ = namespace_, .suffix = ""};
    char *key_prefix = make_key(driver, &all);
    if (key_prefix == NULL)
        return rky_fail_nomem(err);
    int rc = rky_valkey_list(driver->valkey, key_prefix, transfer, ret_list, err);
    rky_free(key_prefix);
    return rc;
}

static const struct rky_remote_ops valkey_ops = {
    .name = "valkey",
    .head = valkey_head,
    .get = valkey_get,
    .put = valkey_put,
    .remove = valkey_remove,
    .list = valkey_list,
    .uri = valkey_uri,
    .free = valkey_free,
};

int rky_remote_valkey_new(struct rky_valkey *valkey, const char *prefix, bool cache,
                          struct rky_remote **ret_remote, struct rky_error *err)
{
    struct driver *driver = rky_calloc(1, sizeof(*driver));
    if (driver == NULL)
        return rky_fail_nomem(err);
    driver->base.ops = &valkey_ops;
    driver->valkey = valkey;
    driver->cache = cache;
    driver->prefix = rky_strdup(prefix != NULL ? prefix : "");
    if (driver->prefix == NULL) {
        rky_free(driver);
        return rky_fail_nomem(err);
    }
    rky_valkey_script_init(&driver->replace, replace_script);
    rky_valkey_script_init(&driver->remove, remove_script);
    rky_valkey_script_init(&driver->get, get_script);
    *ret_remote = &driver->base;
    return 0;
}
