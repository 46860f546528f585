/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is known of the table that --table names: what the ledger says of it, what the
 * target's metadata says, and whether the pipeline would copy it. For the commands that change one
 * table's watermark; used by one thread.
 */
#ifndef RKY_CLI_ONE_TABLE_H
#define RKY_CLI_ONE_TABLE_H

#include "cli/context.h"
#include "cli/marks.h"
#include "engine/discover.h"
#include "state/ledger.h"

struct rky_one_table {
    const char *table; /**< as given */
    char *parts[3];
    struct rky_watermark *watermarks;
    size_t watermark_count;
    const struct rky_watermark *watermark; /**< in watermarks, NULL = none */
    int64_t tombstone_seq;                 /**< of the ledger, 0 = none */
    struct rky_schema_marks target;
    const struct rky_mark *mark; /**< in target, NULL = none */
    struct rky_discovery discovery;
    const struct rky_source *source; /**< in discovery, NULL = not found, or not looked for */
    const struct rky_source_table *source_table;
};

/** @brief Take --table. */
RKY_MUST_CHECK int rky_one_table_take(const struct rky_cli *cli, struct rky_one_table *one,
                                      struct rky_error *err);
/** @brief What the ledger says. */
RKY_MUST_CHECK int rky_one_table_ledger(struct rky_ledger *ledger, struct rky_one_table *one,
                                        struct rky_error *err);
/** @brief What the target says. @return RKY_ERR_UNAVAILABLE when it cannot be read. */
RKY_MUST_CHECK int rky_one_table_target(const struct rky_cli *cli, struct rky_one_table *one,
                                        struct rky_error *err);
/** @brief Refuse a table that another namespace owns. */
RKY_MUST_CHECK int rky_one_table_ours(const struct rky_cli *cli, const struct rky_one_table *one,
                                      struct rky_error *err);
/** @brief Find its source. A source that cannot be listed leaves it unknown. */
RKY_MUST_CHECK int rky_one_table_source(const struct rky_cli *cli, struct rky_one_table *one,
                                        struct rky_error *err);
/** @brief The failure "unknown table" with the nearest of all that are known. */
int rky_one_table_unknown(const struct rky_one_table *one, struct rky_error *err);
/** @brief Its watermark as the next run would use it, NULL = none. Borrowed. */
const char *rky_one_table_value(const struct rky_one_table *one);
void rky_one_table_done(struct rky_one_table *one);

#endif
