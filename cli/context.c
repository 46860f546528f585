/* SPDX-License-Identifier: Apache-2.0 */
/* What every command needs; see context.h. */
#include "config.h"

#include "cli/context.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "common/fsutil.h"
#include "common/ids.h"
#include "common/mem.h"
#include "engine/names.h"
#include "state/store.h"

/* --- output form and log ------------------------------------------------------------------ */

/* A command line that does not parse may still say in which form it wants to hear so. */
static bool argv_wants_json(int argc, char *const *argv)
{
    bool json = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *value = NULL;
        if ((strcmp(argv[i], "--output") == 0 || strcmp(argv[i], "-o") == 0) && i + 1 < argc)
            value = argv[++i];
        else if (strncmp(argv[i], "--output=", 9) == 0)
            value = argv[i] + 9;
        if (value != NULL)
            json = strcmp(value, "json") == 0;
    }
    return json;
}

static bool stream_has_color(const struct rky_parsed *parsed, int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fd) && (no_color == NULL || *no_color == '\0') &&
           (term != NULL && strcmp(term, "dumb") != 0) &&
           (parsed == NULL || !rky_parsed_has(parsed, "no-color"));
}

int rky_cli_init(struct rky_cli *cli, const struct rky_parsed *parsed, int argc, char *const *argv,
                 struct rky_error *err)
{
    *cli = (struct rky_cli){.parsed = parsed, .clock = rky_clock_real()};
    const char *term = getenv("TERM");
    cli->color_out = stream_has_color(parsed, STDOUT_FILENO);
    cli->color_err = stream_has_color(parsed, STDERR_FILENO);
    cli->live = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    cli->log = rky_log_new(stderr, RKY_LOG_WARN, RKY_LOG_TEXT, cli->clock);
    if (cli->log == NULL)
        return rky_fail_nomem(err);
    if (parsed == NULL) {
        cli->json = argv_wants_json(argc, argv);
        return 0;
    }
    if (parsed->command != NULL)
        cli->command = parsed->command->name;
    const char *output = rky_parsed_value(parsed, "output");
    cli->json = output != NULL && strcmp(output, "json") == 0;
    cli->quiet = rky_parsed_has(parsed, "quiet");
    const char *format = rky_parsed_value(parsed, "log-format");
    if (format != NULL && strcmp(format, "json") == 0)
        rky_log_set_format(cli->log, RKY_LOG_JSON);
    const char *level_text = rky_parsed_value(parsed, "log-level");
    if (level_text != NULL) {
        enum rky_log_level level = RKY_LOG_WARN;
        int rc = rky_log_level_parse(level_text, &level, err);
        if (rc != 0)
            return rc;
        rky_log_set_level(cli->log, level);
    }
    return 0;
}

void rky_cli_done(struct rky_cli *cli)
{
    if (cli->source != NULL)
        cli->source->ops->close(cli->source);
    if (cli->target != NULL)
        cli->target->ops->close(cli->target);
    rky_free(cli->state_path);
    rky_problems_done(&cli->problems);
    rky_config_free(cli->config);
    rky_log_free(cli->log);
}

/* --- configuration ------------------------------------------------------------------------ */

const char *rky_cli_config_path(const struct rky_cli *cli)
{
    const char *path = rky_parsed_value(cli->parsed, "config");
    return path != NULL ? path : "rocky.toml";
}

int rky_cli_load(struct rky_cli *cli, struct rky_error *err)
{
    int rc = rky_config_load(rky_cli_config_path(cli), &cli->config, &cli->problems, err);
    if (rc == RKY_ERR_NOT_FOUND && err != NULL) {
        err->code = RKY_ERR_CONFIG;
        rky_error_hint(err, "name the configuration with --config FILE");
    }
    if (rc != 0) {
        if (cli->problems.error_count > 1)
            rky_problems_print(&cli->problems, stderr);
        return err != NULL ? err->code : rc;
    }
    for (size_t i = 0; i < cli->config->secrets.count; i++) {
        if (rky_log_add_secret(cli->log, cli->config->secrets.items[i]) != 0)
            return rky_fail_nomem(err);
    }
    for (size_t i = 0; i < cli->problems.count; i++) {
        const struct rky_problem *problem = &cli->problems.items[i];
        rky_log_write(cli->log, RKY_LOG_WARN, NULL, "%s:%d: %s: %s", problem->file, problem->line,
                      problem->key, problem->message);
    }
    return 0;
}

/* --- pipeline, namespace, state file ------------------------------------------------------ */

static int choose_namespace(struct rky_cli *cli, bool one_namespace, struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = cli->pipeline;
    cli->namespace_ = rky_parsed_value(cli->parsed, "namespace");
    if (cli->namespace_ != NULL && !rky_namespace_valid(cli->namespace_)) {
        (void)rky_fail(err, RKY_ERR_USAGE,
                       "namespace '%s' is no valid name: expected 1 to 63 of a-z, 0-9, '_' and "
                       "'-', starting with a letter or digit",
                       cli->namespace_);
        return RKY_ERR_USAGE;
    }
    if (cli->namespace_ == NULL)
        cli->namespace_ = pipeline->namespace_;
    if (cli->namespace_ == NULL && one_namespace) {
        (void)rky_fail(err, RKY_ERR_USAGE,
                       "pipeline '%s' has one namespace for each '%s': this command needs to "
                       "know which",
                       pipeline->name, pipeline->namespace_from);
        rky_error_hint(err, "add --namespace NAME; 'rocky discover' shows the values of '%s'",
                       pipeline->namespace_from);
        return RKY_ERR_USAGE;
    }
    return 0;
}

static int choose_state_path(struct rky_cli *cli, struct rky_error *err)
{
    const char *given = rky_parsed_value(cli->parsed, "state-path");
    if (given != NULL && *given == '\0')
        return rky_fail(err, RKY_ERR_USAGE, "--state-path is empty: expected the name of a file");
    if (given != NULL) {
        cli->state_path = rky_strdup(given);
    } else if (cli->namespace_ != NULL) {
        char *name = rky_asprintf("%s.db", cli->namespace_);
        cli->state_path = name == NULL ? NULL : rky_path_join(cli->config->state.local_dir, name);
        rky_free(name);
    } else {
        return 0;
    }
    return cli->state_path == NULL ? rky_fail_nomem(err) : 0;
}

int rky_cli_select(struct rky_cli *cli, bool one_namespace, struct rky_error *err)
{
    int rc = rky_cli_load(cli, err);
    if (rc == 0)
        rc = rky_config_pipeline(cli->config, rky_parsed_value(cli->parsed, "pipeline"),
                                 &cli->pipeline, err);
    if (rc == 0)
        rc = choose_namespace(cli, one_namespace, err);
    if (rc == 0)
        rc = choose_state_path(cli, err);
    return rc;
}

int rky_cli_adapters(struct rky_cli *cli, struct rky_error *err)
{
    int rc = rky_adapter_open(cli->pipeline->source_adapter, &cli->source, err);
    if (rc == 0)
        rc = rky_adapter_open(cli->pipeline->target_adapter, &cli->target, err);
    if (rc == 0)
        cli->source->lock_timeout_ms = cli->target->lock_timeout_ms =
            cli->pipeline->lock_timeout_seconds * 1000;
    return rc;
}

int rky_cli_ledger(const struct rky_cli *cli, enum rky_ledger_mode mode,
                   struct rky_ledger **ret_ledger, struct rky_error *err)
{
    struct rky_ledger_options options = {
        .path = cli->state_path,
        .namespace_ = cli->namespace_,
        .mode = mode,
        .clock = cli->clock,
        .log = cli->log,
    };
    return rky_ledger_open(&options, ret_ledger, err);
}

int rky_cli_store(const struct rky_cli *cli, struct rky_store **ret_store, struct rky_error *err)
{
    const struct rky_store_options options = {.config = &cli->config->state,
                                              .clock = cli->clock,
                                              .log = cli->log,
                                              .worker_id = cli->config->worker.id};
    return rky_store_new(&options, ret_store, err);
}

/* --- tables ------------------------------------------------------------------------------- */

int rky_cli_table(const struct rky_cli *cli, const char **ret_table, char *ret_parts[3],
                  struct rky_error *err)
{
    const char *table = rky_parsed_value(cli->parsed, "table");
    if (table == NULL) {
        (void)rky_fail(err, RKY_ERR_USAGE, "'rocky %s' needs --table", cli->command);
        rky_error_hint(err, "add --table catalog.schema.table; 'rocky state' lists the tables");
        return RKY_ERR_USAGE;
    }
    int rc = rky_table_name_split(table, ret_parts, err);
    if (rc == 0)
        *ret_table = table;
    return rc;
}

int rky_cli_unknown_table(const char *table, char *const *known, size_t count,
                          struct rky_error *err)
{
    const char **names = rky_calloc(count + 1, sizeof(names[0]));
    if (names == NULL)
        return rky_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        names[i] = known[i];
    (void)rky_fail(err, RKY_ERR_USAGE, "table '%s' is not known", table);
    const char *nearest = rky_nearest(table, names);
    if (nearest != NULL)
        rky_error_hint(err, "did you mean '%s'?", nearest);
    else if (count == 1)
        rky_error_hint(err, "the only known table is '%s'", known[0]);
    else
        rky_error_hint(err, "'rocky state' and 'rocky discover' list the tables");
    rky_free(names);
    return RKY_ERR_USAGE;
}

void rky_cli_actor(char text[RKY_ACTOR_MAX])
{
    char host[64] = "";
    (void)gethostname(host, sizeof(host) - 1);
    snprintf(text, RKY_ACTOR_MAX, "cli uid %ld at %s", (long)getuid(), host);
}
