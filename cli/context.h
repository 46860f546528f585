/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command of rocky needs: where to print, the log, the configuration, and which
 * pipeline, namespace and state file the command line means. Made by main(), used by one thread.
 */
#ifndef RKY_CLI_CONTEXT_H
#define RKY_CLI_CONTEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/error.h"
#include "common/log.h"
#include "common/option.h"
#include "engine/adapter.h"
#include "state/ledger.h"

struct rky_cli {
    const struct rky_parsed *parsed;
    const char *command; /**< as shown in the output, NULL while unknown */
    bool json, quiet;
    bool color_out, color_err; /**< of standard output and standard error */
    bool live;                 /**< standard error is a terminal that can redraw a line */
    struct rky_clock *clock;
    struct rky_log *log;

    /* After rky_cli_select(). */
    struct rky_config *config;
    struct rky_problems problems;
    const struct rky_pipeline_config *pipeline;
    const char *namespace_; /**< borrowed; NULL = all of a pipeline with namespace_from */
    char *state_path;       /**< NULL while the namespace is open */
    struct rky_adapter *source, *target; /**< after rky_cli_adapters() */
};

/** @brief Output form, colours and log from the global options. @p argv tells the output form
 *         when parsing failed and @p parsed is NULL. */
RKY_MUST_CHECK int rky_cli_init(struct rky_cli *cli, const struct rky_parsed *parsed, int argc,
                                char *const *argv, struct rky_error *err);
void rky_cli_done(struct rky_cli *cli);

/** @brief Path of the configuration: --config or ./rocky.toml. */
const char *rky_cli_config_path(const struct rky_cli *cli);
/** @brief Load the configuration. Its problems stay in cli->problems and are printed to standard
 *         error when they forbid to go on. */
RKY_MUST_CHECK int rky_cli_load(struct rky_cli *cli, struct rky_error *err);
/** @brief Load, then choose pipeline, namespace and state file.
 *  @param one_namespace the command works on one namespace: a pipeline with namespace_from needs
 *         --namespace then. */
RKY_MUST_CHECK int rky_cli_select(struct rky_cli *cli, bool one_namespace, struct rky_error *err);
/** @brief Open the pipeline's source and target warehouses. */
RKY_MUST_CHECK int rky_cli_adapters(struct rky_cli *cli, struct rky_error *err);
/** @brief Open the ledger of the chosen namespace. */
RKY_MUST_CHECK int rky_cli_ledger(const struct rky_cli *cli, enum rky_ledger_mode mode,
                                  struct rky_ledger **ret_ledger, struct rky_error *err);
/** @brief Refuse a --table that is missing or no catalog.schema.table.
 *  @param ret_parts three owned texts. */
RKY_MUST_CHECK int rky_cli_table(const struct rky_cli *cli, const char **ret_table,
                                 char *ret_parts[3], struct rky_error *err);
/** @brief The failure "unknown table" with the nearest of the known ones as hint.
 *  @return RKY_ERR_USAGE. */
int rky_cli_unknown_table(const char *table, char *const *known, size_t count,
                          struct rky_error *err);

struct rky_store;
/** @brief The state store of the configuration; no request is made. @param ret_store owned. */
RKY_MUST_CHECK int rky_cli_store(const struct rky_cli *cli, struct rky_store **ret_store,
                                 struct rky_error *err);

#define RKY_ACTOR_MAX 128
/** @brief Who changed something, for the audit trail. */
void rky_cli_actor(char text[RKY_ACTOR_MAX]);

#endif
