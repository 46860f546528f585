/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problems found in a configuration: collected with their place in the file, sorted, printed.
 *
 * The dotted key of a problem is built here, when there is one, from the chain of places; a file
 * without problems pays nothing for it.
 */
#include <config.h>

#include "common/config_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void problem_done(struct rky_problem *problem)
{
    rky_free(problem->file);
    rky_free(problem->key);
    rky_free(problem->message);
    rky_free(problem->hint);
}

void rky_problems_done(struct rky_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        problem_done(&problems->items[i]);
    rky_free(problems->items);
    *problems = (struct rky_problems){0};
}

static int add_message(struct rky_problems *problems, struct rky_problem where, const char *file,
                       const char *key, const char *hint, const char *message)
{
    int rc = rky_array_reserve(&problems->items, &problems->capacity, problems->count + 1,
                               sizeof(*problems->items), NULL);
    if (rc != RKY_OK)
        return rc;
    where.file = rky_strdup(file);
    where.key = rky_strdup(key != NULL ? key : "");
    where.message = rky_strdup(message);
    where.hint = rky_strdup(hint != NULL ? hint : "");
    if (where.file == NULL || where.key == NULL || where.message == NULL || where.hint == NULL) {
        problem_done(&where);
        return RKY_ERR_NOMEM;
    }
    problems->items[problems->count++] = where;
    if (where.severity == RKY_PROBLEM_ERROR)
        problems->error_count++;
    return RKY_OK;
}

static int add_formatted(struct rky_problems *problems, struct rky_problem where, const char *file,
                         const char *key, const char *hint, const char *format, va_list arguments)
    __attribute__((format(printf, 6, 0)));

static int add_formatted(struct rky_problems *problems, struct rky_problem where, const char *file,
                         const char *key, const char *hint, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *message = length >= 0 ? rky_malloc((size_t)length + 1) : NULL;
    if (message == NULL)
        return RKY_ERR_NOMEM;
    (void)vsnprintf(message, (size_t)length + 1, format, arguments);
    int rc = add_message(problems, where, file, key, hint, message);
    rky_free(message);
    return rc;
}

int rky_problems_add(struct rky_problems *problems, enum rky_problem_severity severity,
                     const char *file, int line, int column, const char *key, const char *hint,
                     const char *format, ...)
{
    struct rky_problem where = {.severity = severity, .line = line, .column = column};
    va_list arguments;
    va_start(arguments, format);
    int rc = add_formatted(problems, where, file, key, hint, format, arguments);
    va_end(arguments);
    return rc;
}

/* A key that is no bare TOML key is quoted, so that the printed path can be pasted. */
static void add_key_text(struct rky_strbuf *path, const char *name)
{
    static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    if (path->length > 0)
        rky_strbuf_addc(path, '.');
    if (name[0] != '\0' && name[strspn(name, bare)] == '\0') {
        rky_strbuf_add(path, name);
        return;
    }
    rky_strbuf_addc(path, '"');
    for (const char *at = name; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ') {
            rky_strbuf_addf(path, "\\u%04x", (unsigned)(unsigned char)*at);
            continue;
        }
        if (*at == '"' || *at == '\\')
            rky_strbuf_addc(path, '\\');
        rky_strbuf_addc(path, *at);
    }
    rky_strbuf_addc(path, '"');
}

static void add_place_text(struct rky_strbuf *path, const struct rky_place *place)
{
    if (place->parent == NULL)
        return;
    add_place_text(path, place->parent);
    if (place->name != NULL)
        add_key_text(path, place->name);
    else
        rky_strbuf_addf(path, "[%zu]", place->index);
}

const char *rky_shown(const char *text, bool secret, char ret_text[RKY_SHOWN_MAX])
{
    if (secret)
        return "a value that is not shown";
    size_t length = strlen(text);
    const size_t limit = RKY_SHOWN_MAX - sizeof("'...'");
    if (length > limit) {
        length = limit;
        /* Never cut inside a UTF-8 sequence: the message may go into JSON. */
        while (length > 0 && ((unsigned char)text[length] & 0xC0U) == 0x80U)
            length--;
    }
    (void)snprintf(ret_text, RKY_SHOWN_MAX, "'%.*s%s'", (int)length, text,
                   text[length] != '\0' ? "..." : "");
    return ret_text;
}

static int position_number(const json_t *position, const char *member)
{
    return (int)json_integer_value(json_object_get(position, member));
}

int rky_walk_problem(struct rky_walk *walk, const struct rky_place *place, bool at_key,
                     const char *hint, const char *format, ...)
{
    struct rky_problem where = {
        .severity = RKY_PROBLEM_ERROR,
        .line = position_number(place->position, at_key ? "kl" : "l"),
        .column = position_number(place->position, at_key ? "kc" : "c"),
    };
    struct rky_strbuf path = {0};
    va_list arguments;
    int rc = RKY_ERR_NOMEM;

    add_place_text(&path, place);
    if (!path.failed) {
        va_start(arguments, format);
        rc = add_formatted(walk->problems, where, walk->config->path, rky_strbuf_text(&path), hint,
                           format, arguments);
        va_end(arguments);
    }
    rky_strbuf_done(&path);
    return rc;
}

/* One step down the positions; NULL where nothing was written. */
static const json_t *position_below(const json_t *position, const char *segment)
{
    const json_t *children = json_object_get(position, "v");
    if (json_is_array(children))
        return json_array_get(children, (size_t)strtoul(segment, NULL, 10));
    return json_object_get(children, segment);
}

int rky_rule_problem(struct rky_walk *walk, enum rky_problem_severity severity,
                     const char *const *segments, const char *hint, const char *format, ...)
{
    struct rky_strbuf path = {0};
    const json_t *position = walk->positions;
    const json_t *deepest = position;
    va_list arguments;
    int rc = RKY_ERR_NOMEM;

    for (size_t i = 0; segments[i] != NULL; i++) {
        if (segments[i][0] == '\0')
            continue;
        if (json_is_array(json_object_get(position, "v")))
            rky_strbuf_addf(&path, "[%s]", segments[i]);
        else
            add_key_text(&path, segments[i]);
        position = position_below(position, segments[i]);
        deepest = position != NULL ? position : deepest;
    }
    struct rky_problem where = {
        .severity = severity,
        .line = position_number(deepest, "l"),
        .column = position_number(deepest, "c"),
    };
    if (!path.failed) {
        va_start(arguments, format);
        rc = add_formatted(walk->problems, where, walk->config->path, rky_strbuf_text(&path), hint,
                           format, arguments);
        va_end(arguments);
    }
    rky_strbuf_done(&path);
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct rky_problem *left = a;
    const struct rky_problem *right = b;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    if (left->column != right->column)
        return left->column < right->column ? -1 : 1;
    int order = strcmp(left->key, right->key);
    return order != 0 ? order : strcmp(left->message, right->message);
}

void rky_problems_sort(struct rky_problems *problems)
{
    if (problems->count > 1)
        qsort(problems->items, problems->count, sizeof(*problems->items), by_place);
}

void rky_problems_print(const struct rky_problems *problems, FILE *stream)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct rky_problem *problem = &problems->items[i];
        (void)fputs(problem->file, stream);
        if (problem->line > 0)
            (void)fprintf(stream, ":%d:%d", problem->line, problem->column);
        (void)fprintf(stream, ": %s%s%s%s",
                      problem->severity == RKY_PROBLEM_WARNING ? "warning: " : "", problem->key,
                      problem->key[0] != '\0' ? ": " : "", problem->message);
        if (problem->hint[0] != '\0')
            (void)fprintf(stream, " (%s)", problem->hint);
        (void)fputc('\n', stream);
    }
}
