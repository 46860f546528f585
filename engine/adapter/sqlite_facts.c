/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of one source table for plan and discover, outside any copy. */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <string.h>
#include <sys/stat.h>

enum { FUTURE_US = 300000000 };

/** A connection that only reads, with its functions' state; kept between calls. */
struct rky_sqlite_reader {
    sqlite3 *db;
    char *file;
    dev_t device;
    ino_t inode;
    struct rky_sqlite_tracker tracker;
};

void rky_sqlite_reader_free(struct rky_sqlite_reader *reader)
{
    if (reader == NULL)
        return;
    (void)sqlite3_close(reader->db);
    rky_sqlite_tracker_done(&reader->tracker);
    rky_free(reader->file);
    rky_free(reader);
}

/* The idle reader when it is of this very file; a file that was replaced has another inode. */
static struct rky_sqlite_reader *take_idle(struct rky_sqlite *sqlite, const char *file)
{
    struct stat st;
    struct rky_sqlite_reader *reader = NULL;
    (void)pthread_mutex_lock(&sqlite->reader_lock);
    if (sqlite->reader != NULL && strcmp(sqlite->reader->file, file) == 0 && stat(file, &st) == 0 &&
        st.st_dev == sqlite->reader->device && st.st_ino == sqlite->reader->inode) {
        reader = sqlite->reader;
        sqlite->reader = NULL;
    }
    (void)pthread_mutex_unlock(&sqlite->reader_lock);
    return reader;
}

static void give_back(struct rky_sqlite *sqlite, struct rky_sqlite_reader *reader)
{
    if (reader == NULL)
        return;
    (void)pthread_mutex_lock(&sqlite->reader_lock);
    struct rky_sqlite_reader *old = sqlite->reader;
    sqlite->reader = reader;
    (void)pthread_mutex_unlock(&sqlite->reader_lock);
    rky_sqlite_reader_free(old);
}

static int open_reader(const char *file, struct rky_sqlite_reader **ret_reader,
                       struct rky_error *err)
{
    struct stat st = {0};
    struct rky_sqlite_reader *reader = rky_calloc(1, sizeof(*reader));
    if (reader == NULL)
        return rky_fail_nomem(err);
    reader->file = rky_strdup(file);
    int rc =
        reader->file != NULL ? rky_sqlite_open_reader(file, &reader->db, err) : rky_fail_nomem(err);
    if (rc == RKY_OK && stat(file, &st) == 0) {
        reader->device = st.st_dev;
        reader->inode = st.st_ino;
    }
    if (rc == RKY_OK &&
        rky_sqlite_functions_register(reader->db, &reader->tracker, NULL) != SQLITE_OK)
        rc = rky_fail_nomem(err);
    if (rc != RKY_OK) {
        rky_sqlite_reader_free(reader);
        return rc;
    }
    *ret_reader = reader;
    return RKY_OK;
}

/* --- figures ---------------------------------------------------------------------------------- */

struct question {
    struct rky_sqlite_reader *reader;
    const struct rky_table_ref *table;
    char *source, *cursor, *binary;
    bool indexed;
    const struct rky_cursor *after;
};

static void question_done(struct question *question)
{
    rky_free(question->source);
    rky_free(question->cursor);
    rky_free(question->binary);
}

static int ask(struct question *question, const struct rky_table_ref *table,
               const struct rky_table_info *info, const char *cursor_column, struct rky_error *err)
{
    struct rky_strbuf source = {0}, cursor = {0};
    question->table = table;
    rky_strbuf_add(&source, "main.");
    rky_sqlite_add_name(&source, table->table);
    question->source = rky_strbuf_take(&source);
    if (question->source == NULL)
        return rky_fail_nomem(err);
    if (cursor_column == NULL)
        return RKY_OK;
    const struct rky_column *column = rky_table_column(info, cursor_column);
    if (column == NULL)
        return rky_fail(err, RKY_ERR_QUERY, "table '%s' has no cursor column '%s'", table->table,
                        cursor_column);
    rky_sqlite_add_name(&cursor, column->name);
    question->cursor = rky_strbuf_take(&cursor);
    question->binary =
        question->cursor != NULL
            ? rky_asprintf("%s%s", question->cursor,
                           sqlite3_stricmp(column->collation, "BINARY") != 0 ? " COLLATE BINARY"
                                                                             : "")
            : NULL;
    for (size_t i = 0; i < info->indexed_count; i++)
        question->indexed |= sqlite3_stricmp(info->indexed[i], column->name) == 0;
    return question->binary != NULL ? RKY_OK : rky_fail_nomem(err);
}

static int fail(const struct question *question, struct rky_error *err)
{
    sqlite3 *db = question->reader->db;
    return rky_sqlite_fail(err, db, sqlite3_extended_errcode(db), question->reader->file,
                           "read a table's figures");
}

/* Run a query of one row. @param ret_statement at that row; the caller finalises it. */
static int one_row(const struct question *question, struct rky_strbuf *sql,
                   sqlite3_stmt **ret_statement, struct rky_error *err)
{
    int rc = sql->failed ? rky_fail_nomem(err) : RKY_OK;
    if (rc == RKY_OK && (sqlite3_prepare_v2(question->reader->db, rky_strbuf_text(sql), -1,
                                            ret_statement, NULL) != SQLITE_OK ||
                         sqlite3_step(*ret_statement) != SQLITE_ROW))
        rc = fail(question, err);
    rky_strbuf_done(sql);
    return rc;
}

static int count_where(const struct question *question, const char *operation,
                       const struct rky_cursor *bound, int64_t *ret_count, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    rky_strbuf_addf(&sql, "SELECT count(*) FROM %s", question->source);
    if (operation != NULL)
        rky_strbuf_addf(&sql, " WHERE %s %s ", question->binary, operation);
    if (bound != NULL)
        rky_sqlite_add_literal(&sql, bound);
    int rc = one_row(question, &sql, &statement, err);
    if (rc == RKY_OK)
        *ret_count = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return rc;
}

static enum rky_cursor_type type_of(int type)
{
    switch (type) {
    case SQLITE_INTEGER:
        return RKY_CURSOR_INTEGER;
    case SQLITE_FLOAT:
        return RKY_CURSOR_REAL;
    case SQLITE_TEXT:
        return RKY_CURSOR_TEXT;
    default:
        return RKY_CURSOR_NONE;
    }
}

static int by_index(const struct question *question, const char *column,
                    struct rky_table_facts *facts, struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    rky_strbuf_addf(&sql,
                    "SELECT (SELECT min(%s) FROM %s), (SELECT max(%s) FROM %s), (SELECT count(*) "
                    "FROM %s), (SELECT count(*) FROM %s WHERE %s IS NULL)",
                    question->binary, question->source, question->binary, question->source,
                    question->source, question->source, question->cursor);
    int rc = one_row(question, &sql, &statement, err);
    if (rc == RKY_OK) {
        facts->lowest_type = type_of(sqlite3_column_type(statement, 0));
        facts->highest_type = type_of(sqlite3_column_type(statement, 1));
        facts->row_count = facts->window_rows = sqlite3_column_int64(statement, 2);
        facts->null_cursors = sqlite3_column_int64(statement, 3);
        rc = rky_sqlite_column_cursor(statement, 1, question->table->table, column,
                                      &facts->greatest, err);
    }
    (void)sqlite3_finalize(statement);
    if (rc == RKY_OK && question->after != NULL)
        rc = count_where(question, ">", question->after, &facts->window_rows, err);
    return rc;
}

static int by_scan(const struct question *question, const char *column,
                   struct rky_table_facts *facts, struct rky_error *err)
{
    struct rky_sqlite_tracker *tracker = &question->reader->tracker;
    sqlite3 *db = question->reader->db;
    struct rky_strbuf sql = {0};
    sqlite3_stmt *statement = NULL;
    rky_sqlite_tracker_reset(tracker);
    int rc = question->after != NULL
                 ? rky_sqlite_value_set(db, &tracker->plain_after, question->after, err)
                 : RKY_OK;
    if (rc != RKY_OK)
        return rc;
    rky_strbuf_addf(&sql, "SELECT rocky_survey(%s) FROM %s", question->cursor, question->source);
    rc = one_row(question, &sql, &statement, err);
    (void)sqlite3_finalize(statement);
    if (rc != RKY_OK)
        return rc;
    if (tracker->blobs > 0)
        return rky_fail(err, RKY_ERR_QUERY,
                        "column '%s' of table '%s' cannot be a cursor: it holds %lld BLOBs", column,
                        question->table->table, (long long)tracker->blobs);
    facts->row_count = tracker->rows;
    facts->null_cursors = tracker->nulls;
    facts->window_rows = question->after != NULL ? tracker->window_rows : tracker->rows;
    rc = rky_sqlite_value_cursor(db, &tracker->greatest, question->table->table, column,
                                 &facts->greatest, err);
    facts->highest_type = facts->greatest.type;
    facts->lowest_type =
        tracker->numbers > 0 && tracker->texts > 0 ? RKY_CURSOR_INTEGER : facts->greatest.type;
    return rc;
}

/* Only when the greatest value lies in the future are there rows to count. */
static int count_future(const struct question *question, int64_t now_us,
                        struct rky_table_facts *facts, struct rky_error *err)
{
    int64_t greatest_us = 0;
    struct rky_cursor bound = {0};
    if (rky_cursor_time(&facts->greatest, &greatest_us) != RKY_OK ||
        greatest_us <= now_us + FUTURE_US)
        return RKY_OK;
    int rc = rky_cursor_time_like(&facts->greatest, now_us + FUTURE_US, &bound, err);
    if (rc == RKY_OK)
        rc = count_where(question, ">", &bound, &facts->future_rows, err);
    rky_cursor_done(&bound);
    return rc;
}

int rky_sqlite_facts(const struct rky_adapter *adapter, const struct rky_table_ref *table,
                     const struct rky_table_info *info, const char *cursor_column,
                     const struct rky_cursor *after, int64_t now_us,
                     struct rky_table_facts *ret_facts, struct rky_error *err)
{
    /* The one thing in an adapter that changes has its own lock. */
    union {
        const struct rky_adapter *in;
        struct rky_sqlite *out;
    } own = {.in = adapter};
    struct question question = {.after =
                                    after != NULL && after->type != RKY_CURSOR_NONE ? after : NULL};
    struct rky_table_facts facts = {0};
    char *file = NULL;
    int rc = rky_sqlite_file(adapter, table->catalog, table->schema, &file, err);
    if (rc == RKY_OK)
        rc = ask(&question, table, info, cursor_column, err);
    if (rc == RKY_OK && (question.reader = take_idle(own.out, file)) == NULL)
        rc = open_reader(file, &question.reader, err);
    if (rc == RKY_OK && cursor_column == NULL) {
        rc = count_where(&question, NULL, NULL, &facts.row_count, err);
        facts.window_rows = facts.row_count;
    } else if (rc == RKY_OK) {
        rc = question.indexed ? by_index(&question, cursor_column, &facts, err)
                              : by_scan(&question, cursor_column, &facts, err);
        if (rc == RKY_OK)
            rc = count_future(&question, now_us, &facts, err);
    }
    give_back(own.out, question.reader);
    question_done(&question);
    rky_free(file);
    if (rc != RKY_OK) {
        rky_table_facts_done(&facts);
        return rc;
    }
    *ret_facts = facts;
    return RKY_OK;
}
