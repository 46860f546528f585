/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the published JSON Schema files from the shape tables; for developers, not installed.
 *
 *   print_schemas            names of all shapes, one a line
 *   print_schemas NAME       the schema of one, on standard output
 *   print_schemas -d DIR     DIR/NAME.schema.json for each
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/exitcode.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "schemas/json.h"
#include "schemas/shape.h"

static char *schema_text(const struct rky_published_shape *row)
{
    json_t *schema = rky_shape_schema(row);
    char *dumped = schema != NULL ? rky_json_text(schema, JSON_INDENT(2)) : NULL;
    char *text = dumped != NULL ? rky_asprintf("%s\n", dumped) : NULL;
    rky_free(dumped);
    json_decref(schema);
    return text;
}

static int write_file(const char *directory, const struct rky_published_shape *row,
                      struct rky_error *err)
{
    char *text = schema_text(row);
    char *path = rky_asprintf("%s/%s.schema.json", directory, row->name);
    int rc = text != NULL && path != NULL ? rky_write_file_atomic(path, text, strlen(text), err)
                                          : rky_fail_nomem(err);
    rky_free(path);
    rky_free(text);
    return rc;
}

int main(int argc, char **argv)
{
    struct rky_error err = {0};
    bool files = argc == 3 && strcmp(argv[1], "-d") == 0;
    bool known = argc == 1 || files;
    for (const struct rky_published_shape *row = rky_shapes(); row->name != NULL; row++) {
        if (argc == 1)
            (void)puts(row->name);
        if (files && write_file(argv[2], row, &err) != 0)
            break;
        if (argc == 2 && strcmp(argv[1], row->name) == 0) {
            char *text = schema_text(row);
            known = text != NULL && fputs(text, stdout) != EOF;
            rky_free(text);
        }
    }
    if (err.code != 0)
        (void)fprintf(stderr, "print_schemas: %s\n", err.message);
    else if (!known)
        (void)fprintf(stderr, "usage: print_schemas [NAME | -d DIR]\n");
    return err.code != 0 ? RKY_EXIT_FAILED : known ? RKY_EXIT_OK : RKY_EXIT_USAGE;
}
