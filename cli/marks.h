/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watermark rows that the targets of a namespace hold, read without creating or waiting for
 * anything. Which schemas to look in comes from the source's schema names and from the ledger.
 */
#ifndef RKY_CLI_MARKS_H
#define RKY_CLI_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/context.h"
#include "engine/adapter.h"

struct rky_schema_marks {
    char *catalog, *schema;
    bool readable; /**< false: `fault` says why; a missing schema is readable and empty */
    struct rky_error fault;
    struct rky_mark *marks; /**< of this namespace and of others */
    size_t count;
    char lineage[RKY_UUID_TEXT]; /**< of this namespace's fence row, "" = none */
};

struct rky_marks_view {
    struct rky_schema_marks *schemas;
    size_t count, capacity;
};

/** @brief Read one schema. @return 0 also when it could not be read. */
RKY_MUST_CHECK int rky_marks_read(const struct rky_cli *cli, const char *catalog,
                                  const char *schema, struct rky_schema_marks *ret_marks,
                                  struct rky_error *err);
void rky_schema_marks_done(struct rky_schema_marks *marks);
/** @brief All schemas of the namespace. @param ledger_tables tables that the ledger knows. */
RKY_MUST_CHECK int rky_marks_view(const struct rky_cli *cli,
                                  const struct rky_watermark *ledger_tables, size_t count,
                                  struct rky_marks_view *ret_view, struct rky_error *err);
void rky_marks_view_done(struct rky_marks_view *view);
/** @brief The lineage that all schemas of the namespace carry. @param ret_lineage borrowed, NULL
 *         when none carries one. @return 0; RKY_ERR_UNAVAILABLE when a schema was not readable;
 *         RKY_ERR_CONFIG when two differ. */
RKY_MUST_CHECK int rky_marks_lineage(const struct rky_marks_view *view, const char **ret_lineage,
                                     struct rky_error *err);

#endif
