/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks JSON against published shapes with our own codec, for tests in other languages.
 *
 *   shape_check SHAPE FILE   one file ("-" = standard input); exit 0 when it fits
 *   shape_check -b           many: lines `SHAPE<tab>JSON` in, for each "ok" or the reason out
 *
 * NUL characters in strings are let through to the shapes, so that these can be compared with
 * validators that know nothing of our rules for bodies.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/shape.h"

#define FILE_MAX ((size_t)16 * 1024 * 1024)

static int check(const char *name, const char *text, size_t length, struct rky_error *err)
{
    json_error_t syntax = {0};
    const struct rky_shape *shape = rky_shape_find(name);
    if (shape == NULL)
        return rky_fail(err, RKY_ERR_USAGE, "unknown shape '%s'", name);
    json_t *json = json_loadb(text, length,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &syntax);
    if (json == NULL)
        return rky_fail(err, RKY_ERR_DECODE, "malformed JSON at line %d: %s", syntax.line,
                        syntax.text);
    int rc = rky_shape_check(shape, json, err);
    json_decref(json);
    return rc;
}

static int check_file(const char *name, const char *path)
{
    struct rky_error err = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = malloc(FILE_MAX);
    if (file == NULL || text == NULL) {
        perror(path);
        return 1;
    }
    size_t length = fread(text, 1, FILE_MAX, file);
    int rc = check(name, text, length, &err);
    if (rc != 0)
        (void)fprintf(stderr, "%s: %s\n", path, err.message);
    free(text);
    (void)fclose(file);
    return rc == 0 ? 0 : 1;
}

static int check_batch(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = 0;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        struct rky_error err = {0};
        char *tab = memchr(line, '\t', (size_t)length);
        if (tab == NULL) {
            (void)fprintf(stderr, "shape_check: expected SHAPE<tab>JSON\n");
            break;
        }
        *tab = '\0';
        size_t json_length = (size_t)(line + length - (tab + 1));
        (void)puts(check(line, tab + 1, json_length, &err) == 0 ? "ok" : err.message);
    }
    free(line);
    return length > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-b") == 0)
        return check_batch();
    if (argc == 3)
        return check_file(argv[1], argv[2]);
    (void)fprintf(stderr, "usage: shape_check SHAPE FILE | shape_check -b\n");
    return 64;
}
