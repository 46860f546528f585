/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a Valkey server to replies: hiredis' parser, building our replies, with a bound on every
 * size that the other side announces.
 */
#include "config.h"

#include "state/valkey_internal.h"

#include <string.h>

#include "common/mem.h"

/* hiredis 1.0 counts elements in size_t and knows the types of a newer protocol, which no server
 * sends unasked. */
#if HIREDIS_MAJOR >= 1
typedef size_t rky_element_count;
#else
typedef int rky_element_count;
#endif

static struct rky_valkey_reader *reader_of(const redisReadTask *task)
{
    return task->privdata;
}

/* Where the reply of @p task goes: its place in the array around it, or a new root. */
static struct rky_valkey_reply *place(const redisReadTask *task)
{
    struct rky_valkey_reader *reader = reader_of(task);
    if (task->parent != NULL) {
        struct rky_valkey_reply *array = task->parent->obj;
        return &array->items[task->idx];
    }
    struct rky_valkey_reply *root = rky_calloc(1, sizeof(*root));
    reader->no_memory = reader->no_memory || root == NULL;
    return root;
}

/* A place that could not be filled; the ones inside an array belong to the array. */
static void *give_up(const redisReadTask *task, struct rky_valkey_reply *reply)
{
    reader_of(task)->no_memory = true;
    if (task->parent == NULL)
        rky_free(reply);
    return NULL;
}

static void keep_error(struct rky_valkey_reader *reader, const char *text, size_t length)
{
    if (reader->has_error)
        return;
    reader->has_error = true;
    if (length >= sizeof(reader->error))
        length = sizeof(reader->error) - 1;
    for (size_t i = 0; i < length; i++)
        reader->error[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    reader->error[length] = '\0';
}

static void *create_string(const redisReadTask *task, char *text, size_t length)
{
    struct rky_valkey_reply *reply = place(task);
    if (reply == NULL)
        return NULL;
    if (task->type == REDIS_REPLY_ERROR)
        keep_error(reader_of(task), text, length);
    reply->text = rky_malloc(length + 1);
    if (reply->text == NULL)
        return give_up(task, reply);
    memcpy(reply->text, text, length);
    reply->text[length] = '\0';
    reply->length = length;
    reply->type = RKY_VALKEY_STRING;
    return reply;
}

static void *create_array(const redisReadTask *task, rky_element_count count)
{
    struct rky_valkey_reader *reader = reader_of(task);
    /* Before any memory is taken: the number is only what the other side says. */
    if (count < 0 || (size_t)count > RKY_VALKEY_ELEMENTS_MAX - reader->elements) {
        reader->fault = "an array is too long";
        return NULL;
    }
    struct rky_valkey_reply *reply = place(task);
    if (reply == NULL)
        return NULL;
    reader->elements += (size_t)count;
    if (count > 0) {
        reply->items = rky_calloc((size_t)count, sizeof(*reply->items));
        if (reply->items == NULL)
            return give_up(task, reply);
    }
    reply->count = (size_t)count;
    reply->type = RKY_VALKEY_ARRAY;
    return reply;
}

static void *create_integer(const redisReadTask *task, long long number)
{
    struct rky_valkey_reply *reply = place(task);
    if (reply == NULL)
        return NULL;
    reply->integer = number;
    reply->type = RKY_VALKEY_INTEGER;
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return place(task); /* zeroed is nil */
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double number, char *text, size_t length)
{
    (void)number;
    (void)text;
    (void)length;
    reader_of(task)->fault = "a type that was not asked for";
    return NULL;
}

static void *create_bool(const redisReadTask *task, int truth)
{
    (void)truth;
    reader_of(task)->fault = "a type that was not asked for";
    return NULL;
}
#endif

static void free_root(void *object)
{
    if (object != NULL)
        rky_valkey_reply_done(object);
    rky_free(object);
}

void rky_valkey_reply_done(struct rky_valkey_reply *reply)
{
    /* As deep as the parser nests: at most nine. */
    for (size_t i = 0; i < reply->count; i++)
        rky_valkey_reply_done(&reply->items[i]);
    rky_free(reply->items);
    rky_free(reply->text);
    *reply = (struct rky_valkey_reply){0};
}

int rky_valkey_reader_init(struct rky_valkey_reader *reader, struct rky_error *err)
{
    *reader = (struct rky_valkey_reader){.functions = {.createString = create_string,
                                                       .createArray = create_array,
                                                       .createInteger = create_integer,
                                                       .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
                                                       .createDouble = create_double,
                                                       .createBool = create_bool,
#endif
                                                       .freeObject = free_root}};
    reader->hiredis = redisReaderCreateWithFunctions(&reader->functions);
    if (reader->hiredis == NULL)
        return rky_fail_nomem(err);
    reader->hiredis->privdata = reader;
    return 0;
}

void rky_valkey_reader_done(struct rky_valkey_reader *reader)
{
    if (reader->hiredis != NULL)
        redisReaderFree(reader->hiredis);
    reader->hiredis = NULL;
}

static int failed(const struct rky_valkey_reader *reader, struct rky_error *err)
{
    if (reader->no_memory || (reader->hiredis->err == REDIS_ERR_OOM && reader->fault == NULL))
        return rky_fail_nomem(err);
    return rky_fail(err, RKY_ERR_DECODE, "not a reply: %s",
                    reader->fault != NULL ? reader->fault : "unknown type, length or nesting");
}

int rky_valkey_reader_feed(struct rky_valkey_reader *reader, const void *bytes, size_t length,
                           struct rky_error *err)
{
    if (reader->hiredis->len - reader->hiredis->pos + length > RKY_VALKEY_REPLY_MAX) {
        reader->fault = "it is too long";
        return failed(reader, err);
    }
    return redisReaderFeed(reader->hiredis, bytes, length) == REDIS_OK ? 0 : failed(reader, err);
}

/* What is left begins with a line, or with the length of a string, which is a line too. The parser
 * would look for its end from the start again with every byte that comes. */
static bool has_endless_line(const redisReader *hiredis)
{
    size_t left = hiredis->len - hiredis->pos;
    return left > RKY_VALKEY_LINE_MAX &&
           memchr(hiredis->buf + hiredis->pos, '\n', RKY_VALKEY_LINE_MAX) == NULL;
}

int rky_valkey_reader_next(struct rky_valkey_reader *reader, bool *ret_found,
                           struct rky_valkey_reply *ret_reply, struct rky_error *err)
{
    void *root = NULL;
    if (redisReaderGetReply(reader->hiredis, &root) != REDIS_OK)
        return failed(reader, err);
    if (root == NULL && has_endless_line(reader->hiredis)) {
        reader->fault = "a line without an end";
        return failed(reader, err);
    }
    *ret_found = root != NULL;
    if (root != NULL) {
        reader->elements = 0;
        *ret_reply = *(struct rky_valkey_reply *)root;
        rky_free(root);
    }
    return 0;
}

bool rky_valkey_reader_pending(const struct rky_valkey_reader *reader)
{
    return reader->hiredis->len > reader->hiredis->pos;
}
