/* SPDX-License-Identifier: Apache-2.0 */
/* One table of SQLite, copied; see sqlite_data_kit.h. */
#include "config.h"

#include "tests/conformance/sqlite_data_kit.h"

#include <stdlib.h>
#include <string.h>

void data_open_world(struct adapter_world *world, const char *sql)
{
    sqlite_fixture.exec(ADAPTER_SOURCE, ADAPTER_SCHEMA, sql);
    adapter_world_open(world, &sqlite_fixture, 2000);
}

void data_copy(struct adapter_world *world, const char *table, const struct adapter_wish *wish,
               int64_t rows)
{
    struct rky_copy_outcome outcome = adapter_copy_ok(world, table, wish);
    ck_assert_int_eq(outcome.rows_copied, rows);
    rky_copy_outcome_done(&outcome);
}

void data_expect_fault(const struct rky_error *err, const char *part)
{
    ck_assert_msg(strstr(err->message, part) != NULL, "'%s' lacks '%s'", err->message, part);
}

void data_expect_exact(struct adapter_world *world, const char *table, const char *column)
{
    char *expression = NULL;
    ck_assert_int_ge(
        asprintf(&expression, "id, typeof(%s), quote(%s), hex(%s)", column, column, column), 0);
    adapter_expect_same(world, table, expression);
    free(expression);
}

const struct adapter_wish data_by_at = {.cursor = "at"};
