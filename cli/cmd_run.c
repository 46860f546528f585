/* SPDX-License-Identifier: Apache-2.0 */
/* rocky plan, apply, run: execute a job here and show its result. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/job.h"
#include "cli/output.h"
#include "cli/report.h"
#include "common/mem.h"

static json_t *load_object(const char *text, struct rky_error *err)
{
    json_error_t fault;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
    if (object == NULL)
        (void)rky_fail(err, RKY_ERR_BUG, "the result is no JSON: %s", fault.text);
    return object;
}

/* The recorded text as it is, unless it does not say yet why it failed. */
static int print_result_json(const struct rky_cli *cli, const struct rky_job_outcome *outcome,
                             json_t *result, struct rky_error *err)
{
    if (outcome->error.code == 0 || json_is_object(json_object_get(result, "error")))
        return rky_cli_print_text(outcome->result, err);
    if (json_object_set_new(result, "error", rky_cli_error_json(cli, &outcome->error)) != 0)
        return rky_fail_nomem(err);
    return rky_cli_print(json_incref(result), err);
}

static int show_result(const struct rky_cli *cli, const struct rky_job_outcome *outcome,
                       struct rky_error *err)
{
    json_t *result = load_object(outcome->result, err);
    if (result == NULL)
        return RKY_ERR_BUG;
    int rc = cli->json ? print_result_json(cli, outcome, result, err)
                       : rky_cli_report_result(cli, result, outcome->error.message, err);
    json_decref(result);
    if (rc == 0 && outcome->error.code != 0) {
        fflush(stdout);
        rky_cli_complain(cli, &outcome->error);
    }
    return rc;
}

static int show_plan(const struct rky_cli *cli, const struct rky_job_outcome *outcome,
                     struct rky_error *err)
{
    if (cli->json)
        return rky_cli_print_text(outcome->plan_json, err);
    json_t *plan = load_object(outcome->plan_json, err);
    if (plan == NULL)
        return RKY_ERR_BUG;
    int rc = rky_cli_report_plan(cli, plan, err);
    json_decref(plan);
    return rc;
}

/* A plan counts once the backend confirmed it, like every change that is no run. */
static int no_plan(const struct rky_cli *cli, struct rky_job_outcome *outcome)
{
    struct rky_error *why = &outcome->error;
    if (why->code != RKY_ERR_STATE_SYNC)
        return rky_cli_end_with(cli, why, outcome->exit_code);
    why->code = RKY_ERR_UNAVAILABLE;
    rky_error_wrap(why, "no plan was kept, because its state does not reach the %s backend",
                   rky_backend_name(cli->config->state.backend));
    return rky_cli_end(cli, why->code, why);
}

static int execute(struct rky_cli *cli, enum rky_job_type type)
{
    struct rky_error err = {0};
    struct rky_job job = {0};
    struct rky_job_outcome outcome = {0};
    int code = RKY_EXIT_FAILED;
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = rky_cli_job(cli, type, &job, &err);
    if (rc == 0)
        rc = rky_cli_execute(cli, &job, &outcome, &err);
    if (rc != 0) {
        code = rky_cli_end(cli, rc, &err);
        goto out;
    }

    if (outcome.final_result != NULL) {
        rky_free(outcome.result);
        outcome.result = outcome.final_result;
        outcome.final_result = NULL;
    }
    const char *shown = type == RKY_JOB_PLAN ? outcome.plan_json : outcome.result;
    if (shown == NULL) {
        if (outcome.error.code == 0)
            (void)rky_fail(&outcome.error, RKY_ERR_BUG, "the job ended without a result");
        code = type == RKY_JOB_PLAN ? no_plan(cli, &outcome)
                                    : rky_cli_end_with(cli, &outcome.error, outcome.exit_code);
        goto out;
    }
    rc = type == RKY_JOB_PLAN ? show_plan(cli, &outcome, &err) : show_result(cli, &outcome, &err);
    code = rc == 0 ? (int)outcome.exit_code : rky_cli_end(cli, rc, &err);

out:
    rky_job_outcome_done(&outcome);
    rky_job_done(&job);
    return code;
}

int rky_cmd_plan(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    return execute(program, RKY_JOB_PLAN);
}

int rky_cmd_apply(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    return execute(program, RKY_JOB_APPLY);
}

int rky_cmd_run(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    return execute(program, RKY_JOB_RUN);
}
