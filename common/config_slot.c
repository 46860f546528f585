/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the configuration's structs, by the rows of the table: does a text fit a key, keep it,
 * set defaults, copy, release.
 *
 * Nothing here knows a key by name. Members are reached by offset and moved with memcpy, so no
 * pointer of a wrong type is ever formed. A list is a pointer and, directly behind it, its count.
 */
#include <config.h>

#include "common/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"

struct list {
    void *items;
    size_t count;
};

#define COUNT_FOLLOWS(type_, items_, count_)                                          \
    _Static_assert(offsetof(struct type_, count_) ==                                  \
                       offsetof(struct type_, items_) + offsetof(struct list, count), \
                   #items_ " and " #count_ " are one list")
COUNT_FOLLOWS(rky_config, adapters, adapter_count);
COUNT_FOLLOWS(rky_config, pipelines, pipeline_count);
COUNT_FOLLOWS(rky_pipeline_config, metadata_columns, metadata_column_count);
COUNT_FOLLOWS(rky_pipeline_config, overrides, override_count);
COUNT_FOLLOWS(rky_checks_config, custom, custom_count);
COUNT_FOLLOWS(rky_queue_config, kafka, kafka_count);

size_t rky_owner_size(enum rky_key_owner owner)
{
    static const size_t sizes[] = {
        [RKY_IN_CONFIG] = sizeof(struct rky_config),
        [RKY_IN_ADAPTER] = sizeof(struct rky_adapter_config),
        [RKY_IN_RETRY] = sizeof(struct rky_retry_config),
        [RKY_IN_PIPELINE] = sizeof(struct rky_pipeline_config),
        [RKY_IN_METADATA_COLUMN] = sizeof(struct rky_metadata_column),
        [RKY_IN_OVERRIDE] = sizeof(struct rky_table_override),
        [RKY_IN_CHECKS] = sizeof(struct rky_checks_config),
        [RKY_IN_CUSTOM_CHECK] = sizeof(struct rky_custom_check),
        [RKY_IN_STATE] = sizeof(struct rky_state_config),
        [RKY_IN_QUEUE] = sizeof(struct rky_queue_config),
        [RKY_IN_KAFKA_PROPERTY] = sizeof(struct rky_kafka_property),
        [RKY_IN_WORKER] = sizeof(struct rky_worker_config),
    };
    return sizes[owner];
}

void *rky_slot_member(const struct rky_key *key, void *base)
{
    return (char *)base + key->slot.offset;
}

static const void *const_member(const struct rky_key *key, const void *base)
{
    return (const char *)base + key->slot.offset;
}

static struct list get_list(const struct rky_key *key, const void *base)
{
    struct list list = {0};
    memcpy(&list, const_member(key, base), sizeof(list));
    return list;
}

void *rky_slot_list(const struct rky_key *key, const void *base, size_t *ret_count)
{
    struct list list = get_list(key, base);
    *ret_count = list.count;
    return list.items;
}

void *rky_slot_append(const struct rky_key *key, void *base)
{
    size_t size = rky_owner_size(key->slot.content);
    struct list list = get_list(key, base);
    char *grown = rky_reallocarray(list.items, list.count + 1, size);
    if (grown == NULL)
        return NULL;
    void *fresh = grown + list.count * size;
    memset(fresh, 0, size);
    list = (struct list){.items = grown, .count = list.count + 1};
    memcpy(rky_slot_member(key, base), &list, sizeof(list));
    return fresh;
}

static bool keeps_text(const struct rky_key *key)
{
    return key->type == RKY_KEY_STRING || key->type == RKY_KEY_SECRET ||
           key->type == RKY_KEY_PATH ||
           (key->type == RKY_KEY_CHOICE && key->slot.size == sizeof(char *));
}

/* --- texts as values ----------------------------------------------------------------------- */

/* Position of @p word in "a|b|c", -1 when it is not there. */
static int choice_index(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int index = 0;
    for (const char *at = choices; length > 0; index++) {
        size_t span = strcspn(at, "|");
        if (span == length && strncmp(at, word, span) == 0)
            return index;
        if (at[span] == '\0')
            break;
        at += span + 1;
    }
    return -1;
}

bool rky_choice_listed(const char *choices, const char *word)
{
    return choices != NULL && choice_index(choices, word) >= 0;
}

size_t rky_choices_split(const char *choices, char *scratch, size_t size, const char **ret_items,
                         size_t capacity)
{
    size_t count = 0;
    RKY_ASSERT(strlen(choices) < size);
    memcpy(scratch, choices, strlen(choices) + 1);
    char *rest = NULL;
    for (char *word = strtok_r(scratch, "|", &rest); word != NULL;
         word = strtok_r(NULL, "|", &rest)) {
        RKY_ASSERT(count + 1 < capacity);
        ret_items[count++] = word;
    }
    ret_items[count] = NULL;
    return count;
}

static bool parse_integer(const char *text, int64_t *ret_value)
{
    char *end = NULL;
    if (isspace((unsigned char)text[0]))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_number(const char *text, double *ret_value)
{
    char *end = NULL;
    if (isspace((unsigned char)text[0]))
        return false;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

enum rky_fit rky_key_fits(const struct rky_key *key, const char *text)
{
    int64_t integer = 0;
    double number = 0;

    switch (key->type) {
    case RKY_KEY_BOOL:
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? RKY_FIT_OK : RKY_FIT_TYPE;
    case RKY_KEY_INTEGER:
        if (!parse_integer(text, &integer))
            return RKY_FIT_TYPE;
        number = (double)integer;
        break;
    case RKY_KEY_NUMBER:
        if (!parse_number(text, &number))
            return RKY_FIT_TYPE;
        break;
    case RKY_KEY_CHOICE:
        return choice_index(key->choices, text) >= 0 ? RKY_FIT_OK : RKY_FIT_CHOICE;
    case RKY_KEY_STRING:
    case RKY_KEY_SECRET:
    case RKY_KEY_PATH:
    case RKY_KEY_STRINGS:
        return text[0] != '\0' || key->slot.may_be_empty ? RKY_FIT_OK : RKY_FIT_EMPTY;
    case RKY_KEY_TABLES:
    case RKY_KEY_FREE:
    case RKY_KEY_NAMED:
    case RKY_KEY_SECTION:
        return RKY_FIT_TYPE;
    }
    if (key->minimum <= key->maximum && (number < key->minimum || number > key->maximum))
        return RKY_FIT_RANGE;
    return RKY_FIT_OK;
}

static int store_text(const struct rky_key *key, void *base, const char *directory,
                      const char *text, struct rky_error *err)
{
    char *old = NULL;
    char *fresh = key->type == RKY_KEY_PATH ? rky_path_join(directory, text) : rky_strdup(text);
    if (fresh == NULL)
        return rky_fail_nomem(err);
    memcpy(&old, rky_slot_member(key, base), sizeof(old));
    rky_free(old);
    memcpy(rky_slot_member(key, base), &fresh, sizeof(fresh));
    return RKY_OK;
}

/* A choice is an enum, or a bool where "no" comes first. */
static void store_choice(const struct rky_key *key, void *base, const char *text)
{
    int value = choice_index(key->choices, text) + key->slot.first_choice;
    bool truth = value != 0;
    if (key->slot.size == sizeof(truth))
        memcpy(rky_slot_member(key, base), &truth, sizeof(truth));
    else
        memcpy(rky_slot_member(key, base), &value, sizeof(value));
}

int rky_slot_store(const struct rky_key *key, void *base, const char *directory, const char *text,
                   struct rky_error *err)
{
    int64_t integer = 0;
    double number = 0;
    bool truth = strcmp(text, "true") == 0;

    if (key->slot.size == 0)
        return RKY_OK;
    if (keeps_text(key))
        return store_text(key, base, directory, text, err);
    if (key->type == RKY_KEY_BOOL) {
        memcpy(rky_slot_member(key, base), &truth, sizeof(truth));
    } else if (key->type == RKY_KEY_CHOICE) {
        store_choice(key, base, text);
    } else if (key->type == RKY_KEY_INTEGER && parse_integer(text, &integer)) {
        memcpy(rky_slot_member(key, base), &integer, sizeof(integer));
    } else if (key->type == RKY_KEY_NUMBER && parse_number(text, &number)) {
        memcpy(rky_slot_member(key, base), &number, sizeof(number));
    } else if (key->type == RKY_KEY_STRINGS) {
        struct rky_strings strings = {0};
        memcpy(&strings, rky_slot_member(key, base), sizeof(strings));
        int rc = rky_strings_add(&strings, text, err);
        memcpy(rky_slot_member(key, base), &strings, sizeof(strings));
        return rc;
    }
    return RKY_OK;
}

void rky_slot_mark_written(const struct rky_key *key, void *base)
{
    bool yes = true;
    if (key->slot.written != 0)
        memcpy((char *)base + key->slot.written, &yes, sizeof(yes));
}

/* --- whole structs ------------------------------------------------------------------------- */

static int set_default(const struct rky_key *key, void *base, const char *directory,
                       struct rky_error *err)
{
    const char *text = key->default_text;
    bool prose = text == NULL || text[0] == '(';

    if (key->type == RKY_KEY_SECTION)
        return rky_slot_defaults(key->slot.content, rky_slot_member(key, base), directory, err);
    if (key->type == RKY_KEY_INTEGER && prose)
        return rky_slot_store(key, base, directory, "-1", err);
    if (prose || strcmp(text, "[]") == 0)
        return RKY_OK;
    return rky_slot_store(key, base, directory, text, err);
}

int rky_slot_defaults(enum rky_key_owner owner, void *base, const char *directory,
                      struct rky_error *err)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        int rc = keys[i].slot.owner == owner ? set_default(&keys[i], base, directory, err) : RKY_OK;
        if (rc != RKY_OK)
            return rc;
    }
    return RKY_OK;
}

static void release_list(const struct rky_key *key, void *base)
{
    struct list list = get_list(key, base);
    for (size_t i = 0; i < list.count; i++) {
        char *element = (char *)list.items + i * rky_owner_size(key->slot.content);
        if (key->type == RKY_KEY_FREE) {
            struct rky_kafka_property property;
            memcpy(&property, element, sizeof(property));
            rky_free(property.name);
            rky_free(property.value);
            continue;
        }
        if (key->type == RKY_KEY_NAMED) {
            /* The name a user chose is the first member and no row of its own. */
            char *name = NULL;
            memcpy(&name, element, sizeof(name));
            rky_free(name);
        }
        rky_slot_release(key->slot.content, element);
    }
    rky_free(list.items);
}

void rky_slot_clear(const struct rky_key *key, void *base)
{
    if (key->type == RKY_KEY_SECTION) {
        rky_slot_release(key->slot.content, rky_slot_member(key, base));
        return;
    }
    if (keeps_text(key)) {
        char *text = NULL;
        memcpy(&text, rky_slot_member(key, base), sizeof(text));
        rky_free(text);
    } else if (key->type == RKY_KEY_STRINGS) {
        struct rky_strings strings;
        memcpy(&strings, rky_slot_member(key, base), sizeof(strings));
        rky_strings_done(&strings);
    } else if (key->type == RKY_KEY_TABLES || key->type == RKY_KEY_NAMED ||
               key->type == RKY_KEY_FREE) {
        release_list(key, base);
    }
    memset(rky_slot_member(key, base), 0, key->slot.size);
}

void rky_slot_release(enum rky_key_owner owner, void *base)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (keys[i].slot.owner == owner && keys[i].slot.size > 0)
            rky_slot_clear(&keys[i], base);
}

static int copy_strings(const struct rky_key *key, void *target, const void *source,
                        struct rky_error *err)
{
    struct rky_strings strings;
    int rc = RKY_OK;
    memcpy(&strings, const_member(key, source), sizeof(strings));
    for (size_t i = 0; i < strings.count && rc == RKY_OK; i++)
        rc = rky_slot_store(key, target, NULL, strings.items[i], err);
    return rc;
}

static int copy_list(const struct rky_key *key, void *target, const void *source,
                     struct rky_error *err)
{
    struct list list = get_list(key, source);
    int rc = RKY_OK;
    RKY_ASSERT(key->type == RKY_KEY_TABLES);
    for (size_t i = 0; i < list.count && rc == RKY_OK; i++) {
        void *fresh = rky_slot_append(key, target);
        if (fresh == NULL)
            return rky_fail_nomem(err);
        rc = rky_slot_copy(key->slot.content, fresh,
                           (char *)list.items + i * rky_owner_size(key->slot.content), err);
    }
    return rc;
}

static int copy_member(const struct rky_key *key, void *target, const void *source,
                       struct rky_error *err)
{
    if (key->type == RKY_KEY_SECTION)
        return rky_slot_copy(key->slot.content, rky_slot_member(key, target),
                             const_member(key, source), err);
    if (keeps_text(key)) {
        const char *text = NULL;
        memcpy(&text, const_member(key, source), sizeof(text));
        /* A path is absolute by now; joining it again leaves it as it is. */
        return text != NULL ? store_text(key, target, "", text, err) : RKY_OK;
    }
    if (key->type == RKY_KEY_STRINGS)
        return copy_strings(key, target, source, err);
    if (key->type == RKY_KEY_TABLES || key->type == RKY_KEY_NAMED || key->type == RKY_KEY_FREE)
        return copy_list(key, target, source, err);
    memcpy(rky_slot_member(key, target), const_member(key, source), key->slot.size);
    return RKY_OK;
}

int rky_slot_copy(enum rky_key_owner owner, void *target, const void *source, struct rky_error *err)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        int rc = keys[i].slot.owner == owner && keys[i].slot.size > 0
                     ? copy_member(&keys[i], target, source, err)
                     : RKY_OK;
        if (rc != RKY_OK)
            return rc;
    }
    return RKY_OK;
}
