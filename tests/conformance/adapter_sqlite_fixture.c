/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/conformance/adapter_sqlite_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

static const struct rky_adapter_config *config(enum adapter_side side)
{
    static char paths[2][4200];
    static char type[] = "sqlite", names[2][8] = {"source", "target"};
    static struct rky_adapter_config configs[2];
    /* A child that was started anew works where its parent does. */
    const char *directory = getenv("RKY_TEST_WAREHOUSES");
    (void)snprintf(paths[side], sizeof(paths[side]), "%s/%s",
                   directory != NULL ? directory : rky_test_directory(), names[side]);
    configs[side] =
        (struct rky_adapter_config){.name = names[side], .type = type, .path = paths[side]};
    return &configs[side];
}

char *sqlite_fixture_file(enum adapter_side side, const char *schema)
{
    char *file = NULL;
    ck_assert_int_ge(asprintf(&file, "%s/%s/%s.db", config(side)->path, ADAPTER_CATALOG, schema),
                     0);
    return file;
}

sqlite3 *sqlite_fixture_open(enum adapter_side side, const char *schema)
{
    sqlite3 *db = NULL;
    struct rky_error err = {0};
    char *file = sqlite_fixture_file(side, schema);
    char *directory = rky_path_dirname(file);
    adapter_ok(rky_mkdir_p(directory, &err), err);
    ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    /* What tests write need not survive a power cut. */
    sqlite_fixture_run(db, "PRAGMA synchronous = OFF");
    rky_free(directory);
    free(file);
    return db;
}

void sqlite_fixture_run(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    int code = sqlite3_exec(db, sql, NULL, NULL, &message);
    ck_assert_msg(code == SQLITE_OK, "%s: %s", message != NULL ? message : "", sql);
}

static void exec(enum adapter_side side, const char *schema, const char *sql)
{
    sqlite3 *db = sqlite_fixture_open(side, schema);
    sqlite_fixture_run(db, sql);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static char *quoted(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_TEXT:
        return sqlite3_mprintf("%Q", (const char *)sqlite3_column_text(statement, column));
    case SQLITE_NULL:
        return sqlite3_mprintf("NULL");
    default:
        return sqlite3_mprintf("%s", (const char *)sqlite3_column_text(statement, column));
    }
}

static char *query(enum adapter_side side, const char *schema, const char *sql)
{
    sqlite3 *db = sqlite_fixture_open(side, schema);
    sqlite3_stmt *statement = NULL;
    struct rky_strbuf text = {0};
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    ck_assert_msg(code == SQLITE_OK, "%s: %s", sqlite3_errmsg(db), sql);
    rky_strbuf_add(&text, "");
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            char *value = quoted(statement, i);
            rky_strbuf_addf(&text, "%s%s", i > 0 ? "|" : "", value);
            sqlite3_free(value);
            if (i == sqlite3_column_count(statement) - 1)
                rky_strbuf_addc(&text, '\n');
        }
    ck_assert_msg(code == SQLITE_DONE, "%s: %s", sqlite3_errmsg(db), sql);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    char *owned = strdup(rky_strbuf_text(&text));
    rky_strbuf_done(&text);
    return owned;
}

const struct adapter_fixture sqlite_fixture = {.config = config, .exec = exec, .query = query};
