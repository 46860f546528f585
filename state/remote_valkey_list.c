/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing the objects of a namespace in Valkey. SCAN walks all keys of the database, a page at a
 * time, so nothing here belongs on the way of a job. It may give a key twice; one that is removed
 * meanwhile is left out.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/valkey_frame.h"
#include "state/valkey_internal.h"

enum { DESCRIBE_MAX = 100, CURSOR_MAX = 32 };

/* KEYS: objects; ARGV: last byte of a head. Size and head of each, in turn. */
static const char describe_script[] =
    "local found = {}\n"
    "for _, key in ipairs(KEYS) do\n"
    "  found[#found + 1] = redis.call('STRLEN', key)\n"
    "  found[#found + 1] = redis.call('GETRANGE', key, 0, ARGV[1])\n"
    "end\n"
    "return found\n";

struct listing {
    struct rky_valkey *valkey;
    const char *key_prefix;
    struct rky_transfer *transfer;
    struct rky_valkey_script describe;
    struct rky_strings keys; /* of one page */
    struct rky_remote_list list;
    size_t capacity;
};

/* A pattern that matches the text itself and whatever follows. */
static char *make_pattern(const char *text)
{
    struct rky_strbuf pattern = {0};
    for (; *text != '\0'; text++) {
        if (strchr("*?[]\\", *text) != NULL)
            rky_strbuf_addc(&pattern, '\\');
        rky_strbuf_addc(&pattern, *text);
    }
    rky_strbuf_addc(&pattern, '*');
    return rky_strbuf_take(&pattern);
}

static int protocol(const struct listing *listing, const char *what, struct rky_error *err)
{
    return rky_valkey_fail(err, &listing->transfer->attempt, RKY_ERR_CONNECTION,
                           RKY_VALKEY_TRANSIENT("protocol"), "valkey '%s': %s answered oddly",
                           rky_valkey_uri(listing->valkey), what);
}

static int add_entry(struct listing *listing, const char *key, int64_t size,
                     const struct rky_valkey_reply *head, struct rky_error *err)
{
    struct rky_remote_object object;
    size_t offset = 0;
    struct rky_remote_list *list = &listing->list;
    /* Gone since, or put there by somebody else. */
    if (head->type != RKY_VALKEY_STRING || size <= 0)
        return 0;
    int rc = rky_frame_decode(head->text, head->length, &object, &offset);
    if (rc != 0)
        return rc == RKY_ERR_NOMEM ? rky_fail_nomem(err) : 0;
    rc = rky_array_reserve(&list->items, &listing->capacity, list->count + 1, sizeof(*list->items),
                           err);
    if (rc != 0)
        return rc;
    char *suffix = rky_strdup(key + strlen(listing->key_prefix));
    if (suffix == NULL)
        return rky_fail_nomem(err);
    list->items[list->count++] = (struct rky_remote_entry){
        .suffix = suffix, .size = size - (int64_t)offset, .modified_us = object.modified_us};
    return 0;
}

/* Ask for sizes and heads of at most DESCRIBE_MAX keys. */
static int describe(struct listing *listing, char *const *keys, size_t count, struct rky_error *err)
{
    struct rky_valkey_arg args[DESCRIBE_MAX + 1];
    struct rky_valkey_reply reply = {0};
    char last[24];
    (void)snprintf(last, sizeof(last), "%d", RKY_FRAME_HEAD_MAX - 1);
    for (size_t i = 0; i < count; i++)
        args[i] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(keys[i]);
    args[count] = (struct rky_valkey_arg)RKY_VALKEY_TEXT(last);
    int rc = rky_valkey_eval(listing->valkey, &listing->describe, count, args, count + 1,
                             listing->transfer->deadline, &reply, &listing->transfer->attempt, err);
    if (rc == 0 && (reply.type != RKY_VALKEY_ARRAY || reply.count != 2 * count))
        rc = protocol(listing, "a script", err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_entry(listing, keys[i], reply.items[2 * i].integer, &reply.items[2 * i + 1], err);
    rky_valkey_reply_done(&reply);
    return rc;
}

/* One page. @p cursor moves on; "0" = that was the last. */
static int scan(struct listing *listing, const char *pattern, char cursor[CURSOR_MAX],
                struct rky_error *err)
{
    struct rky_valkey_reply reply = {0};
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("SCAN"),  RKY_VALKEY_TEXT(cursor),
                                          RKY_VALKEY_TEXT("MATCH"), {pattern, strlen(pattern)},
                                          RKY_VALKEY_TEXT("COUNT"), RKY_VALKEY_TEXT("500")};
    size_t length = strlen(listing->key_prefix);
    int rc = rky_valkey_command(listing->valkey, args, 6, listing->transfer->deadline, &reply,
                                &listing->transfer->attempt, err);
    if (rc == 0 && (reply.type != RKY_VALKEY_ARRAY || reply.count != 2 ||
                    reply.items[0].type != RKY_VALKEY_STRING ||
                    reply.items[0].length >= CURSOR_MAX || reply.items[1].type != RKY_VALKEY_ARRAY))
        rc = protocol(listing, "SCAN", err);
    if (rc == 0) {
        memcpy(cursor, reply.items[0].text, reply.items[0].length + 1);
        const struct rky_valkey_reply *keys = &reply.items[1];
        for (size_t i = 0; rc == 0 && i < keys->count; i++)
            if (keys->items[i].type == RKY_VALKEY_STRING &&
                strncmp(keys->items[i].text, listing->key_prefix, length) == 0)
                rc = rky_strings_add(&listing->keys, keys->items[i].text, err);
    }
    rky_valkey_reply_done(&reply);
    for (size_t i = 0; rc == 0 && i < listing->keys.count; i += DESCRIBE_MAX) {
        size_t left = listing->keys.count - i;
        rc = describe(listing, listing->keys.items + i, left < DESCRIBE_MAX ? left : DESCRIBE_MAX,
                      err);
    }
    rky_strings_done(&listing->keys);
    return rc;
}

static int by_suffix(const void *a, const void *b)
{
    const struct rky_remote_entry *left = a, *right = b;
    return strcmp(left->suffix, right->suffix);
}

static void sort_and_unite(struct rky_remote_list *list)
{
    size_t kept = 0;
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), by_suffix);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1].suffix, list->items[i].suffix) == 0)
            rky_free(list->items[i].suffix);
        else
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

int rky_valkey_list(struct rky_valkey *valkey, const char *key_prefix,
                    struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                    struct rky_error *err)
{
    struct listing listing = {.valkey = valkey, .key_prefix = key_prefix, .transfer = transfer};
    char cursor[CURSOR_MAX] = "0";
    int rc = 0;
    char *pattern = make_pattern(key_prefix);
    if (pattern == NULL)
        return rky_fail_nomem(err);
    rky_valkey_script_init(&listing.describe, describe_script);
    do {
        rc = scan(&listing, pattern, cursor, err);
    } while (rc == 0 && strcmp(cursor, "0") != 0);
    rky_free(pattern);
    sort_and_unite(&listing.list);
    if (rc != 0)
        rky_remote_list_done(&listing.list);
    else
        *ret_list = listing.list;
    return rc;
}
