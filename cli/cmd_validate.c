/* SPDX-License-Identifier: Apache-2.0 */
/* rocky validate: every problem of the configuration at once. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/text.h"
#include "common/mem.h"
#include "transport/transport.h"

static json_t *position_json(int number)
{
    return number > 0 ? json_integer(number) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text == NULL || *text == '\0' ? json_null() : rky_cli_text_json(text);
}

static json_t *problem_json(const struct rky_problem *problem)
{
    const char *severity = problem->severity == RKY_PROBLEM_ERROR ? "error" : "warning";
    json_t *object = json_object();
    int bad = json_object_set_new(object, "severity", json_string(severity));
    bad |= json_object_set_new(object, "file", text_or_null(problem->file));
    bad |= json_object_set_new(object, "line", position_json(problem->line));
    bad |= json_object_set_new(object, "column", position_json(problem->column));
    bad |= json_object_set_new(object, "key", text_or_null(problem->key));
    bad |= json_object_set_new(object, "message", rky_cli_text_json(problem->message));
    bad |= json_object_set_new(object, "hint", text_or_null(problem->hint));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const struct rky_cli *cli, bool valid, struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *problems = json_array();
    int bad = 0;
    for (size_t i = 0; i < cli->problems.count; i++)
        bad |= json_array_append_new(problems, problem_json(&cli->problems.items[i]));
    bad |= json_object_set_new(object, "valid", json_boolean(valid));
    bad |= json_object_set_new(object, "problems", problems);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

static void print_text(const struct rky_cli *cli, bool valid)
{
    const struct rky_problems *problems = &cli->problems;
    const char *path = rky_cli_config_path(cli);
    enum rky_paint paint = valid ? RKY_PAINT_GREEN : RKY_PAINT_RED;
    rky_problems_print(problems, stdout);
    printf("%s%s%s: %s", rky_paint_on(cli->color_out, paint), valid ? "valid" : "invalid",
           rky_paint_off(cli->color_out, paint), path);
    if (problems->count > 0)
        printf(": errors: %zu, warnings: %zu", problems->error_count,
               problems->count - problems->error_count);
    putchar('\n');
}

/* The config only knows that any property may stand there; which there are, librdkafka knows. */
static int check_kafka(struct rky_cli *cli, struct rky_error *err)
{
    const struct rky_queue_config *queue = &cli->config->queue;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < queue->kafka_count; i++) {
        const struct rky_kafka_property *property = &queue->kafka[i];
        struct rky_error fault = {0};
        char *key = rky_asprintf("queue.kafka.\"%s\"", property->name);
        if (key == NULL)
            return rky_fail_nomem(err);
        if (rky_kafka_property_check(property, &fault) != 0)
            rc = rky_problems_add(&cli->problems, RKY_PROBLEM_ERROR, rky_cli_config_path(cli),
                                  property->line, property->column, key,
                                  fault.hint[0] != '\0' ? fault.hint : NULL, "%s", fault.message);
        rky_free(key);
    }
    return rc == 0 ? 0 : rky_fail_nomem(err);
}

int rky_cmd_validate(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    int rc = rky_config_load(rky_cli_config_path(cli), &cli->config, &cli->problems, &err);
    if (rc == 0)
        rc = check_kafka(cli, &err);
    if (rc != 0 && cli->problems.error_count == 0)
        return rky_cli_end(cli, rc, &err);
    bool valid = cli->problems.error_count == 0;

    struct rky_error print_error = {0};
    if (!cli->json)
        print_text(cli, valid);
    else if (print_json(cli, valid, &print_error) != 0)
        return rky_cli_end(cli, print_error.code, &print_error);
    return valid ? RKY_EXIT_OK : RKY_EXIT_CONFIG;
}
