/* SPDX-License-Identifier: Apache-2.0 */
/* What a job needs to run for real; see job_world.h. */
#include "config.h"

#include "tests/unit/job_world.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/ids.h"
#include "common/mem.h"

static const char CONFIG[] = "[adapter.lake]\n"
                             "type = \"sqlite\"\n"
                             "path = \"source\"\n"
                             "[adapter.warehouse]\n"
                             "type = \"sqlite\"\n"
                             "path = \"target\"\n"
                             "[pipeline.bronze]\n"
                             "namespace_from = \"client\"\n"
                             "[pipeline.bronze.source]\n"
                             "adapter = \"lake\"\n"
                             "catalog = \"c\"\n"
                             "[pipeline.bronze.source.schema_pattern]\n"
                             "prefix = \"src__\"\n"
                             "separator = \"__\"\n"
                             "components = [\"client\"]\n"
                             "[pipeline.bronze.target]\n"
                             "adapter = \"warehouse\"\n"
                             "catalog_template = \"{client}\"\n"
                             "schema_template = \"staging\"\n";

struct rky_config *kit_job_config(const char *directory, const char *more)
{
    struct rky_error err = {0};
    struct rky_problems problems = {0};
    struct rky_config *config = NULL;
    char path[8500], text[sizeof(CONFIG) + 2048];
    (void)snprintf(path, sizeof(path), "%s/source/c", directory);
    ck_assert_msg(rky_mkdir_p(path, &err) == 0, "%s", err.message);
    int length = snprintf(text, sizeof(text), "%s%s", CONFIG, more);
    ck_assert_int_lt(length, (int)sizeof(text));
    int rc =
        rky_config_parse(text, strlen(text), "rocky.toml", directory, &config, &problems, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    rky_problems_done(&problems);
    return config;
}

struct rky_job kit_job_new(enum rky_job_type type)
{
    struct rky_job job = {.type = type,
                          .namespace_ = rky_strdup("acme"),
                          .pipeline = rky_strdup("bronze"),
                          .run_timeout_seconds = -1,
                          .attempt = 1};
    rky_uuid_v7(rky_clock_real(), job.job_id);
    rky_sha256_hex(job.job_id, strlen(job.job_id), job.body_sha256);
    return job;
}

sqlite3 *kit_job_open(const char *directory, const char *name)
{
    char path[8500];
    sqlite3 *database = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
    ck_assert_int_eq(sqlite3_busy_timeout(database, 10000), SQLITE_OK);
    return database;
}

void kit_job_exec(sqlite3 *database, const char *text)
{
    int rc = sqlite3_exec(database, text, NULL, NULL, NULL);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(database));
}

int64_t kit_job_number(sqlite3 *database, const char *text)
{
    sqlite3_stmt *statement = NULL;
    ck_assert_msg(sqlite3_prepare_v2(database, text, -1, &statement, NULL) == SQLITE_OK, "%s: %s",
                  text, sqlite3_errmsg(database));
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
    return value;
}
