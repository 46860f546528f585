/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk through rocky.toml: each key is looked up in the table, its value checked and kept.
 *
 * `prefix` is the path of the table at hand as the rows write it ("pipeline.*.source"), `base` the
 * struct that its keys land in. An unknown key, a wrong type or a value that does not fit is a
 * problem and the walk goes on. What concerns several keys is left to the rules.
 */
#include <config.h>

#include "common/config_internal.h"

#include <string.h>

/* A prefix is a stretch of some row's path. */
struct prefix {
    const char *text;
    size_t length;
};

/* What the table knows about one key below a prefix. */
struct match {
    const struct rky_key *leaf;   /* the key itself */
    const struct rky_key *names;  /* NAMED or FREE: keys below are the user's */
    const struct rky_key *tables; /* array of tables */
    struct prefix inner;          /* a table with further keys; text NULL = none */
};

static int walk_table(struct rky_walk *walk, const struct rky_place *place, struct prefix prefix,
                      void *base);

static struct prefix whole(const char *path)
{
    return (struct prefix){path, strlen(path)};
}

/* What follows the prefix and its dot in a row's path, NULL when the row is elsewhere. */
static const char *below(const struct rky_key *key, struct prefix prefix)
{
    if (strncmp(key->path, prefix.text, prefix.length) != 0)
        return NULL;
    if (prefix.length == 0)
        return key->path;
    return key->path[prefix.length] == '.' ? key->path + prefix.length + 1 : NULL;
}

static struct match find(struct prefix prefix, const char *name)
{
    struct match match = {0};
    size_t count = 0;
    size_t length = strlen(name);
    const struct rky_key *keys = rky_config_keys(&count);

    /* A quoted key can hold what has a meaning in the rows' paths. */
    if (length == 0 || strpbrk(name, ".*[") != NULL)
        return match;
    for (size_t i = 0; i < count; i++) {
        const char *at = below(&keys[i], prefix);
        if (at == NULL || strncmp(at, name, length) != 0)
            continue;
        const char *rest = at + length;
        if (*rest == '\0')
            match.leaf = &keys[i];
        else if (strcmp(rest, ".*") == 0)
            match.names = &keys[i];
        else if (strcmp(rest, "[]") == 0)
            match.tables = &keys[i];
        else if (*rest == '.' && rest[1] != '*')
            match.inner = (struct prefix){keys[i].path, (size_t)(rest - keys[i].path)};
    }
    return match;
}

/* --- places and problems ------------------------------------------------------------------- */

static int add_candidate(struct rky_strings *names, const char *at, struct rky_error *err)
{
    char *name = rky_strndup(at, strcspn(at, ".["));
    int rc = name != NULL ? RKY_OK : RKY_ERR_NOMEM;
    if (rc == RKY_OK && strcmp(name, "*") != 0 && !rky_strings_has(names, name))
        rc = rky_strings_add(names, name, err);
    rky_free(name);
    return rc;
}

/* @return owned: "did you mean 'x'", or the list of what is known here. */
static char *unknown_key_hint(struct prefix prefix, const char *name, struct rky_error *err)
{
    struct rky_strings names = {0};
    struct rky_strbuf hint = {0};
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    const char **candidates = NULL;
    int rc = RKY_OK;

    for (size_t i = 0; i < count && rc == RKY_OK; i++) {
        const char *at = below(&keys[i], prefix);
        if (at != NULL)
            rc = add_candidate(&names, at, err);
    }
    candidates = rc == RKY_OK ? rky_calloc(names.count + 1, sizeof(*candidates)) : NULL;
    if (candidates == NULL) {
        hint.failed = true;
        goto out;
    }
    for (size_t i = 0; i < names.count; i++)
        candidates[i] = names.items[i];
    const char *nearest = rky_nearest(name, candidates);
    if (nearest != NULL)
        rky_strbuf_addf(&hint, "did you mean '%s'?", nearest);
    for (size_t i = 0; nearest == NULL && i < names.count; i++)
        rky_strbuf_addf(&hint, "%s%s", i == 0 ? "known here: " : ", ", names.items[i]);
out:
    rky_free(candidates);
    rky_strings_done(&names);
    char *text = rky_strbuf_take(&hint);
    rky_strbuf_done(&hint);
    return text;
}

static int unknown_key(struct rky_walk *walk, const struct rky_place *place, struct prefix prefix)
{
    if (json_is_object(place->value) && strcmp(prefix.text, "adapter.*") == 0 &&
        place->parent->parent != NULL && place->parent->parent->parent == NULL)
        return rky_walk_problem(walk, place, true,
                                "write [adapter.NAME] for each adapter when there are several",
                                "a bare [adapter] is the only one and has no named ones beside it");
    char *hint = unknown_key_hint(prefix, place->name, walk->err);
    if (hint == NULL)
        return RKY_ERR_NOMEM;
    int rc = rky_walk_problem(walk, place, true, hint, "unknown key '%s'", place->name);
    rky_free(hint);
    return rc;
}

struct rky_place rky_place_element(const struct rky_place *array, size_t index)
{
    return (struct rky_place){
        .parent = array,
        .index = index,
        .value = json_array_get(array->value, index),
        .position = json_array_get(json_object_get(array->position, "v"), index),
    };
}

struct rky_place rky_place_member(const struct rky_place *table, const char *name)
{
    return (struct rky_place){
        .parent = table,
        .name = name,
        .value = json_object_get(table->value, name),
        .position = json_object_get(json_object_get(table->position, "v"), name),
    };
}

/* --- tables and lists ---------------------------------------------------------------------- */

/* Report a key that must be written and is not, at the deepest table on its way. */
static int check_required(struct rky_walk *walk, const struct rky_place *place, const char *path)
{
    struct rky_place steps[6];
    char names[6][48];
    const struct rky_place *at = place;

    for (size_t i = 0; *path != '\0'; i++) {
        size_t length = strcspn(path, ".");
        RKY_ASSERT(i < 6 && length < sizeof(names[i]));
        (void)snprintf(names[i], sizeof(names[i]), "%.*s", (int)length, path);
        steps[i] = rky_place_member(at, names[i]);
        if (steps[i].position == NULL)
            steps[i].position = at->position;
        at = &steps[i];
        path += length + (path[length] == '.' ? 1 : 0);
    }
    if (at->value != NULL)
        return RKY_OK;
    return rky_walk_problem(walk, at, false, NULL, "required key '%s' is missing", at->name);
}

/* One struct of a list: its keys, then what of it is missing. */
static int walk_element(struct rky_walk *walk, const struct rky_place *place,
                        const struct rky_key *key, void *element)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    struct prefix prefix = whole(key->path);
    int rc = walk_table(walk, place, prefix, element);

    for (size_t i = 0; i < count && rc == RKY_OK; i++) {
        const char *rest = below(&keys[i], prefix);
        bool always = keys[i].required != NULL && strcmp(keys[i].required, "always") == 0;
        if (rest != NULL && always && keys[i].slot.owner == key->slot.content)
            rc = check_required(walk, place, rest);
    }
    return rc;
}

static int walk_tables(struct rky_walk *walk, const struct rky_place *place,
                       const struct rky_key *key, void *base)
{
    int rc = RKY_OK;
    if (!json_is_array(place->value))
        return rky_walk_wrong_type(walk, place, rky_key_expects(key->type));
    rky_slot_clear(key, base);
    for (size_t i = 0; i < json_array_size(place->value) && rc == RKY_OK; i++) {
        struct rky_place element = rky_place_element(place, i);
        if (!json_is_object(element.value)) {
            rc = rky_walk_wrong_type(walk, &element, "a table");
            continue;
        }
        if (key->unserved != NULL)
            rc = rky_walk_problem(walk, &element, false, NULL,
                                  "'%s' is not available in this build", place->name);
        void *fresh = rky_slot_append(key, base);
        if (fresh == NULL)
            return RKY_ERR_NOMEM;
        if (rc == RKY_OK)
            rc = rky_slot_defaults(key->slot.content, fresh, walk->config->directory, walk->err);
        if (rc == RKY_OK)
            rc = walk_element(walk, &element, key, fresh);
    }
    return rc;
}

/* What an element is before its own keys are read. The name is the first member of each. */
static int begin_named(struct rky_walk *walk, const struct rky_place *place,
                       const struct rky_key *key, const char *name, void *base, void *element)
{
    char *copy = rky_strdup(name);
    if (copy == NULL)
        return RKY_ERR_NOMEM;
    memcpy(element, &copy, sizeof(copy));
    int line = (int)json_integer_value(json_object_get(place->position, "l"));
    int rc = rky_slot_defaults(key->slot.content, element, walk->config->directory, walk->err);

    if (key->slot.content == RKY_IN_ADAPTER) {
        struct rky_adapter_config *adapter = element;
        adapter->line = line;
    } else if (key->slot.content == RKY_IN_PIPELINE) {
        struct rky_pipeline_config *pipeline = element;
        pipeline->line = line;
    } else {
        /* The pipeline's checks are complete: lists of named tables are walked last. */
        struct rky_table_override *override = element;
        const struct rky_pipeline_config *pipeline = base;
        override->line = line;
        rky_slot_release(RKY_IN_CHECKS, &override->checks);
        if (rc == RKY_OK)
            rc = rky_slot_copy(RKY_IN_CHECKS, &override->checks, &pipeline->checks, walk->err);
    }
    return rc;
}

static int walk_named_element(struct rky_walk *walk, const struct rky_place *place,
                              const struct rky_key *key, const char *name, void *base)
{
    if (!json_is_object(place->value))
        return rky_walk_wrong_type(walk, place, "a table");
    void *element = rky_slot_append(key, base);
    int rc = element != NULL ? begin_named(walk, place, key, name, base, element) : RKY_ERR_NOMEM;
    return rc == RKY_OK ? walk_element(walk, place, key, element) : rc;
}

/* A bare table holds keys of its own, so at least one member is no table. */
static bool is_bare(json_t *table)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(table, name, value) if (!json_is_object(value)) return true;
    return json_object_size(table) == 0;
}

static int walk_named(struct rky_walk *walk, const struct rky_place *place,
                      const struct rky_key *key, void *base)
{
    const char *name = NULL;
    json_t *value = NULL;
    int rc = RKY_OK;

    if (!json_is_object(place->value))
        return rky_walk_wrong_type(walk, place, "a table");
    if (key->slot.may_be_bare && is_bare(place->value))
        return walk_named_element(walk, place, key, "", base);
    json_object_foreach(place->value, name, value)
    {
        struct rky_place element = rky_place_member(place, name);
        rc = walk_named_element(walk, &element, key, name, base);
        if (rc != RKY_OK)
            break;
    }
    return rc;
}

/* `freshness = { threshold_seconds = 60 }`: a switch that is written as a table is on. */
static int walk_switch(struct rky_walk *walk, const struct rky_place *place,
                       const struct rky_key *key, void *base)
{
    int rc = rky_slot_store(key, base, walk->config->directory, "true", walk->err);
    if (rc == RKY_OK && json_object_get(place->value, "enabled") == NULL)
        rc = rky_walk_served(walk, place, key, "true");
    return rc == RKY_OK ? walk_table(walk, place, whole(key->path), base) : rc;
}

static int walk_section(struct rky_walk *walk, const struct rky_place *place,
                        const struct rky_key *key, void *base)
{
    if (!json_is_object(place->value))
        return rky_walk_wrong_type(walk, place, "a table");
    rky_slot_mark_written(key, base);
    return walk_table(walk, place, whole(key->choices != NULL ? key->choices : key->path),
                      rky_slot_member(key, base));
}

static int walk_leaf(struct rky_walk *walk, const struct rky_place *place,
                     const struct rky_key *key, bool has_inner, void *base)
{
    if (key->type == RKY_KEY_SECTION)
        return walk_section(walk, place, key, base);
    rky_slot_mark_written(key, base);
    if (has_inner && json_is_object(place->value))
        return walk_switch(walk, place, key, base);
    if (key->type == RKY_KEY_STRINGS)
        return rky_walk_strings(walk, place, key, base);
    return rky_walk_scalar(walk, place, key, base);
}

static int walk_member(struct rky_walk *walk, const struct rky_place *place, struct prefix prefix,
                       void *base)
{
    struct match match = find(prefix, place->name);
    if (match.names != NULL && match.names->type == RKY_KEY_FREE)
        return rky_walk_kafka(walk, place, match.names, base);
    if (match.names != NULL)
        return walk_named(walk, place, match.names, base);
    if (match.tables != NULL)
        return walk_tables(walk, place, match.tables, base);
    if (match.leaf != NULL)
        return walk_leaf(walk, place, match.leaf, match.inner.text != NULL, base);
    if (match.inner.text == NULL)
        return unknown_key(walk, place, prefix);
    if (!json_is_object(place->value))
        return rky_walk_wrong_type(walk, place, "a table");
    return walk_table(walk, place, match.inner, base);
}

static int walk_table(struct rky_walk *walk, const struct rky_place *place, struct prefix prefix,
                      void *base)
{
    /* Named tables last: they build on what stands beside them, wherever in the file that is. */
    for (int pass = 0; pass < 2; pass++) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach(place->value, name, value)
        {
            struct rky_place member = rky_place_member(place, name);
            bool named = find(prefix, name).names != NULL;
            int rc = named == (pass == 1) ? walk_member(walk, &member, prefix, base) : RKY_OK;
            if (rc != RKY_OK)
                return rc;
        }
    }
    return RKY_OK;
}

int rky_walk_file(struct rky_walk *walk)
{
    struct rky_place root = {.value = walk->root, .position = walk->positions};
    return walk_table(walk, &root, whole(""), walk->config);
}
