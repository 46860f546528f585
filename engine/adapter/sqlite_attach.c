/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source file of a session: attached read-only under the source schema's own name, kept from
 * one copy to the next, attached anew when another source is wanted or the file was replaced.
 */
#include "config.h"

#include "engine/adapter/sqlite_internal.h"

#include <errno.h>
#include <string.h>

void rky_sqlite_forget_source(struct rky_sqlite_session *session)
{
    (void)sqlite3_finalize(session->source_probe);
    session->source_probe = NULL;
    rky_free(session->attached_file);
    rky_free(session->attached_alias);
    session->attached_file = session->attached_alias = NULL;
}

void rky_sqlite_detach(struct rky_sqlite_session *session)
{
    if (session->attached_alias == NULL)
        return;
    (void)sqlite3_finalize(session->source_probe);
    session->source_probe = NULL;
    char *sql = sqlite3_mprintf("DETACH \"%w\"", session->attached_alias);
    /* Without memory for the statement the next ATTACH fails and says so. */
    if (session->db != NULL && sql != NULL)
        (void)sqlite3_exec(session->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    rky_sqlite_forget_source(session);
}

/* Text as bytes is what cursors, digests and watermarks are made of, so both files must be UTF-8.
 * @param db any connection to the file. */
static int require_utf8(sqlite3 *db, const char *file, struct rky_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = RKY_OK;
    if (sqlite3_prepare_v2(db, "PRAGMA main.encoding", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const char *encoding = (const char *)sqlite3_column_text(statement, 0);
        if (encoding != NULL && strcmp(encoding, "UTF-8") != 0) {
            rc = rky_fail(err, RKY_ERR_UNSUPPORTED, "database '%s' is encoded in %s, not in UTF-8",
                          file, encoding);
            rky_error_hint(err, "write it anew: sqlite3 OLD .dump | sqlite3 NEW");
        }
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

/* SQLite refuses to attach another encoding without a code of its own for it. */
static int check_encoding(const char *file, struct rky_error *err)
{
    sqlite3 *db = NULL;
    int rc = rky_sqlite_open_reader(file, &db, err);
    if (rc == RKY_OK)
        rc = require_utf8(db, file, err);
    (void)sqlite3_close(db);
    return rc;
}

static int attach(struct rky_sqlite_session *session, const char *file, const char *alias,
                  struct rky_error *err)
{
    struct rky_strbuf sql = {0};
    struct rky_error problem = {0};
    char *uri = rky_sqlite_uri(file, "mode=ro");
    if (uri == NULL)
        return rky_fail_nomem(err);
    rky_strbuf_add(&sql, "ATTACH ");
    rky_sqlite_add_text(&sql, uri);
    rky_strbuf_add(&sql, " AS ");
    rky_sqlite_add_name(&sql, alias);
    rky_free(uri);
    session->attaching = true;
    int rc = sql.failed ? rky_fail_nomem(&problem)
                        : rky_sqlite_exec_patiently(session, rky_strbuf_text(&sql),
                                                    "attach the source", &problem);
    session->attaching = false;
    rky_strbuf_done(&sql);
    if (rc == RKY_OK)
        return require_utf8(session->db, session->file, err);
    if (rc == RKY_ERR_QUERY) {
        int why = check_encoding(file, err);
        if (why != RKY_OK)
            return why;
    }
    if (err != NULL && err->code == RKY_OK)
        *err = problem;
    return rc;
}

static bool is_attached(const struct rky_sqlite_session *session, const char *file,
                        const char *alias, const struct stat *st)
{
    return session->attached_file != NULL && strcmp(session->attached_file, file) == 0 &&
           strcmp(session->attached_alias, alias) == 0 && session->attached_device == st->st_dev &&
           session->attached_inode == st->st_ino;
}

int rky_sqlite_attach(struct rky_sqlite_session *session, const char *file, const char *alias,
                      struct rky_error *err)
{
    struct stat st = {0};
    if (stat(file, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        rky_sqlite_detach(session);
        return rky_fail(err, RKY_ERR_SOURCE_MISSING, "there is no database '%s'", file);
    }
    if (is_attached(session, file, alias, &st))
        return RKY_OK;
    rky_sqlite_detach(session);
    session->attached_file = rky_strdup(file);
    session->attached_alias = rky_strdup(alias);
    session->attached_device = st.st_dev;
    session->attached_inode = st.st_ino;
    int rc = session->attached_file != NULL && session->attached_alias != NULL
                 ? attach(session, file, alias, err)
                 : rky_fail_nomem(err);
    if (rc == RKY_ERR_UNSUPPORTED)
        rky_sqlite_detach(session);
    if (rc != RKY_OK)
        rky_sqlite_forget_source(session);
    return rc;
}

int rky_sqlite_refresh_source(struct rky_sqlite_session *session, struct rky_error *err)
{
    int rc = RKY_OK;
    if (session->source_probe == NULL) {
        struct rky_strbuf sql = {0};
        rky_strbuf_add(&sql, "SELECT 1 FROM ");
        rky_sqlite_add_name(&sql, session->attached_alias);
        rky_strbuf_add(&sql, ".sqlite_schema LIMIT 1");
        rc = sql.failed
                 ? rky_fail_nomem(err)
                 : rky_sqlite_prepare(session, rky_strbuf_text(&sql), &session->source_probe, err);
        rky_strbuf_done(&sql);
    }
    if (rc == RKY_OK)
        rc = rky_sqlite_step(session, session->source_probe, "read the source's schema", err);
    (void)sqlite3_reset(session->source_probe);
    return rc < 0 ? rc : RKY_OK;
}
