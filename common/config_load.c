/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading rocky.toml from a file or from memory: bytes, TOML, the walk by the table, the rules, and
 * the few values that depend on the machine. Also what readers of the result ask for.
 *
 * Either there is a complete configuration or a list of problems with at least one error, never
 * both and never neither.
 */
#include <config.h>

#include "common/config_internal.h"

#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/toml.h"

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)

void rky_config_free(struct rky_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->pipeline_count; i++)
        rky_pipeline_digest_free(config->pipelines[i].digest);
    rky_slot_release(RKY_IN_CONFIG, config);
    rky_strings_done(&config->secrets);
    rky_free(config->path);
    rky_free(config->directory);
    rky_free(config);
}

/* --- bytes to trees ------------------------------------------------------------------------ */

/* Where the first byte is that is no UTF-8 text; SIZE_MAX = nowhere. */
static size_t find_bad_byte(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t used = text[at] != '\0' ? rky_utf8_next(text + at, length - at) : 0;
        if (used == 0)
            return at;
        at += used;
    }
    return SIZE_MAX;
}

/* Columns count characters, as the parser's do. */
static void place_of_byte(const char *text, size_t offset, int *ret_line, int *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            *ret_line += 1;
            *ret_column = 1;
        } else if (((unsigned char)text[i] & 0xC0U) != 0x80U) {
            *ret_column += 1;
        }
    }
}

static int file_problem(struct rky_walk *walk, int line, int column, const char *message)
{
    return rky_problems_add(walk->problems, RKY_PROBLEM_ERROR, walk->config->path, line, column, "",
                            "", "%s", message);
}

/* @return 0 also when the text is refused; then there are no trees but a problem. */
static int read_trees(struct rky_walk *walk, const char *text, size_t length, json_t **ret_value,
                      json_t **ret_positions)
{
    struct rky_toml_fault fault = {0};
    int line = 0;
    int column = 0;
    size_t bad = find_bad_byte(text, length);

    if (length > FILE_BYTES_MAX)
        return file_problem(walk, 0, 0, "the file is larger than 4 MiB");
    if (bad != SIZE_MAX) {
        place_of_byte(text, bad, &line, &column);
        return file_problem(walk, line, column,
                            text[bad] == '\0' ? "the file holds a NUL byte"
                                              : "the file is not UTF-8 text");
    }
    int rc = rky_toml_parse(text, length, ret_value, ret_positions, &fault);
    if (rc != RKY_ERR_CONFIG)
        return rc;
    return file_problem(walk, fault.line, fault.column, fault.message);
}

/* --- what depends on the machine ----------------------------------------------------------- */

static int resolve_worker(struct rky_worker_config *worker)
{
    if (worker->concurrency < 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        worker->concurrency = 2 * (cores > 0 ? cores : 1);
    }
    if (worker->id == NULL) {
        char host[256] = "";
        if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
            (void)snprintf(host, sizeof(host), "localhost");
        worker->id = rky_asprintf("%s-%ld", host, (long)getpid());
    }
    return worker->id != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

/* Absolute, so that a later change of directory does not move the paths below it. */
static char *absolute_directory(const char *directory)
{
    char here[4096];
    if (directory[0] == '/' || getcwd(here, sizeof(here)) == NULL)
        return rky_strdup(directory);
    return strcmp(directory, ".") == 0 ? rky_strdup(here) : rky_path_join(here, directory);
}

/* --- the whole ----------------------------------------------------------------------------- */

static int fail_with_problems(const struct rky_problems *problems, struct rky_error *err)
{
    const struct rky_problem *first = problems->items;
    while (first->severity != RKY_PROBLEM_ERROR)
        first++;
    char where[32] = "";
    char more[64] = "";
    if (first->line > 0)
        (void)snprintf(where, sizeof(where), ":%d:%d", first->line, first->column);
    if (problems->error_count > 1)
        (void)snprintf(more, sizeof(more), " (and %zu more, see 'rocky validate')",
                       problems->error_count - 1);
    rky_fail(err, RKY_ERR_CONFIG, "%s%s: %s%s%s%s", first->file, where, first->key,
             first->key[0] != '\0' ? ": " : "", first->message, more);
    if (first->hint[0] != '\0')
        rky_error_hint(err, "%s", first->hint);
    return RKY_ERR_CONFIG;
}

static int fill(struct rky_walk *walk, const char *text, size_t length)
{
    struct rky_config *config = walk->config;
    json_t *value = NULL;
    json_t *positions = NULL;
    int rc = read_trees(walk, text, length, &value, &positions);

    walk->root = value;
    walk->positions = positions;
    if (rc == RKY_OK)
        rc = rky_slot_defaults(RKY_IN_CONFIG, config, config->directory, walk->err);
    if (rc == RKY_OK && value != NULL)
        rc = rky_walk_file(walk);
    if (rc == RKY_OK && value != NULL)
        rc = rky_rules_check(walk);
    if (rc == RKY_OK)
        rc = resolve_worker(&config->worker);
    json_decref(value);
    json_decref(positions);
    return rc;
}

int rky_config_parse(const char *text, size_t length, const char *path, const char *directory,
                     struct rky_config **ret_config, struct rky_problems *problems,
                     struct rky_error *err)
{
    struct rky_config *config = rky_calloc(1, sizeof(*config));
    struct rky_walk walk = {.config = config, .problems = problems, .err = err};
    int rc = RKY_ERR_NOMEM;

    if (config == NULL)
        return rky_fail_nomem(err);
    config->path = rky_strdup(path);
    config->directory = absolute_directory(directory);
    if (config->path != NULL && config->directory != NULL)
        rc = fill(&walk, text, length);
    if (rc == RKY_OK) {
        rky_problems_sort(problems);
        if (problems->error_count > 0)
            rc = fail_with_problems(problems, err);
        for (size_t i = 0; rc == RKY_OK && i < config->pipeline_count; i++) {
            config->pipelines[i].digest = rky_pipeline_digest_new();
            if (config->pipelines[i].digest == NULL)
                rc = rky_fail_nomem(err);
        }
    } else {
        (void)rky_fail(err, rc, "out of memory while reading '%s'", path);
    }
    if (rc != RKY_OK) {
        rky_config_free(config);
        return rc;
    }
    *ret_config = config;
    return RKY_OK;
}

/* The file itself is the problem. */
static int refuse_file(const char *path, int code, const struct rky_error *why,
                       struct rky_problems *problems, struct rky_error *err)
{
    static const char hint[] = "name the file with --config, or write one: see rocky.toml(5)";
    bool missing = code == RKY_ERR_NOT_FOUND;

    if (code == RKY_ERR_NOMEM ||
        rky_problems_add(problems, RKY_PROBLEM_ERROR, path, 0, 0, "", missing ? hint : "", "%s",
                         missing ? "the configuration file does not exist" : why->message) != 0)
        return rky_fail_nomem(err);
    if (!missing)
        return fail_with_problems(problems, err);
    (void)rky_fail(err, RKY_ERR_NOT_FOUND, "configuration file '%s' does not exist", path);
    rky_error_hint(err, "%s", hint);
    return RKY_ERR_NOT_FOUND;
}

int rky_config_load(const char *path, struct rky_config **ret_config, struct rky_problems *problems,
                    struct rky_error *err)
{
    struct rky_error why = {0};
    char *text = NULL;
    size_t length = 0;
    char *directory = rky_path_dirname(path);
    int rc = directory != NULL ? rky_read_file(path, FILE_BYTES_MAX, &text, &length, &why)
                               : RKY_ERR_NOMEM;

    if (rc == RKY_OK)
        rc = rky_config_parse(text, length, path, directory, ret_config, problems, err);
    else
        rc = refuse_file(path, rc, &why, problems, err);
    rky_free(text);
    rky_free(directory);
    return rc;
}

int rky_config_pipeline(const struct rky_config *config, const char *name,
                        const struct rky_pipeline_config **ret_pipeline, struct rky_error *err)
{
    struct rky_strbuf names = {0};

    if (config->pipeline_count == 0)
        return rky_fail(err, RKY_ERR_CONFIG, "no pipeline is configured in '%s'", config->path);
    if (name == NULL && config->pipeline_count == 1) {
        *ret_pipeline = config->pipelines;
        return RKY_OK;
    }
    for (size_t i = 0; i < config->pipeline_count; i++) {
        if (name != NULL && strcmp(config->pipelines[i].name, name) == 0) {
            *ret_pipeline = &config->pipelines[i];
            rky_strbuf_done(&names);
            return RKY_OK;
        }
        rky_strbuf_addf(&names, "%s'%s'", i == 0 ? "" : ", ", config->pipelines[i].name);
    }
    if (name == NULL)
        rky_fail(err, RKY_ERR_USAGE, "'%s' has several pipelines: name one", config->path);
    else
        rky_fail(err, RKY_ERR_USAGE, "unknown pipeline '%s'", name);
    rky_error_hint(err, "--pipeline with one of %s", rky_strbuf_text(&names));
    rky_strbuf_done(&names);
    return RKY_ERR_USAGE;
}
