/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every user of SQLite here shares about a database that may come from anywhere: the first
 * hundred bytes (https://sqlite.org/fileformat.html), a connection on which nothing stored in the
 * file runs, and names that mean a file and nothing else.
 */
#include "config.h"

#include "state/ledger_internal.h"

#include <string.h>

#include "common/mem.h"

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

const char *rky_sqlite_header_fault(const unsigned char *header, int64_t length)
{
    static const char MAGIC[16] = "SQLite format 3";
    if (memcmp(header, MAGIC, sizeof(MAGIC)) != 0)
        return "it is not an SQLite database";
    uint32_t page = (uint32_t)header[16] << 8 | header[17];
    if (page == 1)
        page = 65536;
    if (page < 512 || (page & (page - 1)) != 0)
        return "its page size is none";
    if (header[18] != 1 || header[19] != 1)
        return "it needs a journal that is not there";
    if ((int64_t)page * big_endian(header + 28) != length)
        return "its size is not what it says";
    if (big_endian(header + 56) != SQLITE_UTF8)
        return "its text is not UTF-8";
    return NULL;
}

int64_t rky_sqlite_header_user_version(const unsigned char *header)
{
    return (int32_t)big_endian(header + 60);
}

int64_t rky_sqlite_header_application_id(const unsigned char *header)
{
    return (int32_t)big_endian(header + 68);
}

int rky_sqlite_harden(sqlite3 *db)
{
    static const struct {
        int option, value;
    } SETTINGS[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 0},    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    for (size_t i = 0; i < sizeof(SETTINGS) / sizeof(SETTINGS[0]); i++) {
        int rc = sqlite3_db_config(db, SETTINGS[i].option, SETTINGS[i].value, (int *)NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

/* "file:x" and ":memory:" mean something else to SQLite than to everybody else. */
char *rky_sqlite_file_name(const char *path)
{
    return path[0] == '/' ? rky_strdup(path) : rky_asprintf("./%s", path);
}
