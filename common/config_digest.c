/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest of what decides a pipeline's plans: every kept key of the pipeline and of its two
 * adapters, by the table, so that a key added there is covered.
 *
 * Each value is written with its path and length, so no two configurations give the same text.
 * Lists of named tables are ordered by name; the order of arrays stays, because columns have one.
 *
 * A configuration is read by many threads and never changed, but for this one value, which has a
 * lock of its own.
 */
#include <config.h>

#include "common/config_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void add_struct(struct rky_strbuf *text, enum rky_key_owner owner, const void *base);

static void add_text(struct rky_strbuf *text, const char *value)
{
    if (value == NULL)
        rky_strbuf_add(text, "-;");
    else
        rky_strbuf_addf(text, "%zu:%s;", strlen(value), value);
}

static int by_name(const void *a, const void *b)
{
    const char *left = NULL;
    const char *right = NULL;
    memcpy(&left, *(const char *const *)a, sizeof(left));
    memcpy(&right, *(const char *const *)b, sizeof(right));
    return strcmp(left, right);
}

static void add_list(struct rky_strbuf *text, const struct rky_key *key, const void *base)
{
    size_t count = 0;
    size_t size = rky_owner_size(key->slot.content);
    const char *items = rky_slot_list(key, base, &count);
    const char **order = rky_calloc(count + 1, sizeof(*order));

    if (order == NULL) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = items + i * size;
    if (key->type == RKY_KEY_NAMED && count > 1)
        qsort(order, count, sizeof(*order), by_name);
    rky_strbuf_addf(text, "[%zu;", count);
    for (size_t i = 0; i < count; i++) {
        if (key->type == RKY_KEY_NAMED) {
            const char *name = NULL;
            memcpy(&name, order[i], sizeof(name));
            add_text(text, name);
        }
        add_struct(text, key->slot.content, order[i]);
    }
    rky_strbuf_addc(text, ']');
    rky_free(order);
}

static void add_strings(struct rky_strbuf *text, const void *at)
{
    struct rky_strings strings;
    memcpy(&strings, at, sizeof(strings));
    rky_strbuf_addf(text, "[%zu;", strings.count);
    for (size_t i = 0; i < strings.count; i++)
        add_text(text, strings.items[i]);
    rky_strbuf_addc(text, ']');
}

static void add_pointer(struct rky_strbuf *text, const void *at)
{
    const char *value = NULL;
    memcpy(&value, at, sizeof(value));
    add_text(text, value);
}

static void add_choice(struct rky_strbuf *text, const struct rky_key *key, const void *at)
{
    int value = 0;
    bool truth = false;
    if (key->slot.size == sizeof(char *)) {
        add_pointer(text, at);
        return;
    }
    if (key->slot.size == sizeof(truth)) {
        memcpy(&truth, at, sizeof(truth));
        value = truth;
    } else {
        memcpy(&value, at, sizeof(value));
    }
    rky_strbuf_addf(text, "%d;", value);
}

static void add_value(struct rky_strbuf *text, const struct rky_key *key, const void *base)
{
    const void *at = (const char *)base + key->slot.offset;
    int64_t integer = 0;
    double number = 0;
    bool truth = false;

    switch (key->type) {
    case RKY_KEY_STRING:
    case RKY_KEY_SECRET:
    case RKY_KEY_PATH:
        add_pointer(text, at);
        break;
    case RKY_KEY_BOOL:
        memcpy(&truth, at, sizeof(truth));
        rky_strbuf_add(text, truth ? "true;" : "false;");
        break;
    case RKY_KEY_INTEGER:
        memcpy(&integer, at, sizeof(integer));
        rky_strbuf_addf(text, "%" PRId64 ";", integer);
        break;
    case RKY_KEY_NUMBER:
        memcpy(&number, at, sizeof(number));
        rky_strbuf_addf(text, "%.17g;", number);
        break;
    case RKY_KEY_CHOICE:
        add_choice(text, key, at);
        break;
    case RKY_KEY_STRINGS:
        add_strings(text, at);
        break;
    case RKY_KEY_TABLES:
    case RKY_KEY_NAMED:
        add_list(text, key, base);
        break;
    case RKY_KEY_SECTION:
        add_struct(text, key->slot.content, at);
        break;
    case RKY_KEY_FREE: /* only queue.kafka.*, which decides no plan */
        break;
    }
}

/* What was not written in an override is the pipeline's and stands there. */
static bool is_inherited(const struct rky_key *key, const void *base)
{
    bool written = true;
    if (key->slot.owner == RKY_IN_OVERRIDE && key->slot.written != 0)
        memcpy(&written, (const char *)base + key->slot.written, sizeof(written));
    return !written;
}

static void add_struct(struct rky_strbuf *text, enum rky_key_owner owner, const void *base)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    rky_strbuf_addc(text, '{');
    for (size_t i = 0; i < count; i++) {
        if (keys[i].slot.owner != owner || keys[i].slot.size == 0 || is_inherited(&keys[i], base))
            continue;
        rky_strbuf_addf(text, "%s=", keys[i].path);
        add_value(text, &keys[i], base);
    }
    rky_strbuf_addc(text, '}');
}

/* --- made once ------------------------------------------------------------------------------ */

struct rky_pipeline_digest {
    pthread_mutex_t mutex;
    bool made;
    char hex[RKY_SHA256_HEX];
};

struct rky_pipeline_digest *rky_pipeline_digest_new(void)
{
    struct rky_pipeline_digest *digest = rky_calloc(1, sizeof(*digest));
    if (digest != NULL)
        (void)pthread_mutex_init(&digest->mutex, NULL);
    return digest;
}

void rky_pipeline_digest_free(struct rky_pipeline_digest *digest)
{
    if (digest == NULL)
        return;
    (void)pthread_mutex_destroy(&digest->mutex);
    rky_free(digest);
}

static bool make(const struct rky_pipeline_config *pipeline, char ret_hex[RKY_SHA256_HEX])
{
    struct rky_strbuf text = {0};
    add_text(&text, pipeline->name);
    add_struct(&text, RKY_IN_PIPELINE, pipeline);
    add_struct(&text, RKY_IN_ADAPTER, pipeline->source_adapter);
    add_struct(&text, RKY_IN_ADAPTER, pipeline->target_adapter);
    bool complete = !text.failed;
    if (complete)
        rky_sha256_hex(text.data, text.length, ret_hex);
    rky_strbuf_done(&text);
    return complete;
}

const char *rky_pipeline_digest(const struct rky_pipeline_config *pipeline)
{
    struct rky_pipeline_digest *digest = pipeline->digest;
    (void)pthread_mutex_lock(&digest->mutex);
    if (!digest->made)
        digest->made = make(pipeline, digest->hex);
    bool made = digest->made;
    (void)pthread_mutex_unlock(&digest->mutex);
    return made ? digest->hex : NULL;
}
