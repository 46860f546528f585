/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as a job; see job.h. */
#include "config.h"

#include "cli/job.h"

#include <string.h>

#include "cli/progress.h"
#include "cli/publish.h"
#include "cli/stop.h"
#include "common/ids.h"
#include "common/mem.h"
#include "state/store.h"

#define EXPIRES_DEFAULT_SECONDS 3600

static int take_filter(const struct rky_cli *cli, struct rky_job *job, struct rky_error *err)
{
    const char *term = NULL;
    for (size_t i = 0; (term = rky_parsed_nth(cli->parsed, "filter", i)) != NULL; i++) {
        int rc = rky_filter_add(&job->filter, term, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int take_key(const struct rky_cli *cli, struct rky_job *job, struct rky_error *err)
{
    const char *key = rky_parsed_value(cli->parsed, "idempotency-key");
    if (key == NULL)
        return 0;
    size_t length = strlen(key);
    if (length == 0 || length > RKY_IDEMPOTENCY_KEY_MAX)
        return rky_fail(err, RKY_ERR_USAGE, "--idempotency-key has %zu bytes: expected 1 to %d",
                        length, RKY_IDEMPOTENCY_KEY_MAX);
    for (const char *p = key; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return rky_fail(err, RKY_ERR_USAGE,
                            "--idempotency-key holds a control character: expected text");
    }
    job->idempotency_key = rky_strdup(key);
    return job->idempotency_key == NULL ? rky_fail_nomem(err) : 0;
}

static int take_expiry(const struct rky_cli *cli, struct rky_job *job, struct rky_error *err)
{
    const char *expires = rky_parsed_value(cli->parsed, "expires");
    job->expires_seconds = EXPIRES_DEFAULT_SECONDS;
    if (expires == NULL)
        return 0;
    int rc = rky_duration_parse(expires, &job->expires_seconds, err);
    if (rc != 0)
        rky_error_wrap(err, "--expires");
    else if (job->expires_seconds < 1)
        rc = rky_fail(err, RKY_ERR_USAGE, "--expires is '%s': expected at least one second",
                      expires);
    else if (job->expires_seconds > RKY_PLAN_EXPIRES_SECONDS_MAX)
        rc = rky_fail(err, RKY_ERR_USAGE, "--expires is '%s': expected at most %dd", expires,
                      RKY_PLAN_EXPIRES_SECONDS_MAX / (24 * 3600));
    return rc;
}

/* What is no id at all is as unknown as an id nobody stored; the usual cause is a pipe whose first
 * half failed. */
static int take_plan_id(const struct rky_cli *cli, struct rky_job *job, struct rky_error *err)
{
    const char *id = cli->parsed->arguments[0];
    size_t digits = strspn(id, "0123456789abcdef");
    if (digits != RKY_SHA256_HEX - 1 || id[digits] != '\0') {
        (void)rky_fail(err, RKY_ERR_REFUSED,
                       "plan '%.80s' is unknown: expected the 64 hexadecimal digits of a plan id",
                       id);
        rky_error_hint(err, "'rocky plan' prints the id last");
        return RKY_ERR_REFUSED;
    }
    memcpy(job->plan_id, id, RKY_SHA256_HEX);
    return 0;
}

int rky_cli_job(const struct rky_cli *cli, enum rky_job_type type, struct rky_job *ret_job,
                struct rky_error *err)
{
    *ret_job = (struct rky_job){.type = type, .run_timeout_seconds = -1, .attempt = 1};
    rky_uuid_v7(cli->clock, ret_job->job_id);
    ret_job->namespace_ = rky_strdup(cli->namespace_);
    ret_job->pipeline = rky_strdup(cli->pipeline->name);
    ret_job->requested_by = rky_strdup("cli");
    if (ret_job->namespace_ == NULL || ret_job->pipeline == NULL || ret_job->requested_by == NULL)
        return rky_fail_nomem(err);
    if (type == RKY_JOB_APPLY)
        return take_plan_id(cli, ret_job, err);
    ret_job->full_refresh = rky_parsed_has(cli->parsed, "full-refresh");
    int rc = take_filter(cli, ret_job, err);
    if (rc == 0 && type == RKY_JOB_RUN)
        rc = take_key(cli, ret_job, err);
    if (rc == 0 && type == RKY_JOB_PLAN)
        rc = take_expiry(cli, ret_job, err);
    return rc;
}

int rky_cli_execute(const struct rky_cli *cli, const struct rky_job *job,
                    struct rky_job_outcome *ret_outcome, struct rky_error *err)
{
    struct rky_stop *stop = NULL;
    struct rky_publisher *publisher = NULL;
    struct rky_store *store = NULL;
    struct rky_workspace_pool *pool = NULL;
    struct rky_progress_line line;
    int rc = rky_stop_start(&stop, err);
    if (rc != 0)
        return rc;
    if (job->type != RKY_JOB_PLAN)
        rc = rky_publisher_open(cli, &publisher, err);
    if (rc == 0)
        rc = rky_cli_store(cli, &store, err);
    if (rc == 0)
        rc = rky_workspace_pool_new(cli->config, cli->clock, cli->log, 1, &pool, err);
    if (rc != 0)
        goto out;

    struct rky_job_env env = {
        .config = cli->config,
        .clock = cli->clock,
        .log = cli->log,
        .worker_id = cli->config->worker.id,
        .trigger = "cli",
        .store = store,
        .workspaces = pool,
        .state_path = rky_parsed_value(cli->parsed, "state-path"),
        .lock_timeout_ms = 0,
        .progress = rky_progress_init(&line, cli),
        .progress_context = &line,
        .publish = publisher == NULL ? NULL : rky_publisher_publish,
        .publish_context = publisher,
        .running = rky_stop_running,
        .running_context = stop,
    };
    rky_job_run(&env, job, ret_outcome);
    rky_progress_clear(&line);

out:
    rky_publisher_finish(publisher);
    rky_workspace_pool_free(pool);
    rky_store_free(store);
    rky_stop_end(stop);
    return rc;
}
