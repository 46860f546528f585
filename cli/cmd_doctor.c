/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky doctor: is everything that a run needs in order? One row per check; the order of the rows
 * is the order of the output.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/text.h"
#include "common/ids.h"
#include "common/mem.h"

/** Beyond its own deadlines: for what cannot be interrupted, like a file system that hangs. */
enum { CHECK_LIMIT_MS = 30000 };

struct row {
    const char *name;
    rky_check_fn *run; /**< NULL = the configuration itself */
};
static const struct row rows[] = {
    {"config", NULL},
    {"state", rky_check_state},
    {"state_schema", rky_check_state_schema},
    {"adapters", rky_check_adapters},
    {"pipelines", rky_check_pipelines},
    {"state_rw", rky_check_state_rw},
    {"lock", rky_check_lock},
    {"queue", rky_check_queue},
    {"clock", rky_check_clock},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* --- running ------------------------------------------------------------------------------ */

/** One check under way. The thread and the command may each be the one that ends later, so it is
 *  not freed while `ended` is false. */
struct running {
    const struct row *row;
    const struct rky_doctor *doctor;
    struct rky_check check;
    bool wanted, started, ended;
    pthread_mutex_t *mutex;
    pthread_cond_t *changed;
};

static void *run_check(void *argument)
{
    struct running *running = argument;
    struct rky_clock *clock = running->doctor->cli->clock;
    int64_t begun = clock->mono_ms(clock);
    running->row->run(running->doctor, &running->check);
    running->check.duration_ms = rky_doctor_since(running->doctor, begun);
    (void)pthread_mutex_lock(running->mutex);
    running->ended = true;
    (void)pthread_cond_broadcast(running->changed);
    (void)pthread_mutex_unlock(running->mutex);
    return NULL;
}

static void start(struct running *running)
{
    pthread_t thread;
    running->started = true;
    if (pthread_create(&thread, NULL, run_check, running) == 0)
        (void)pthread_detach(thread);
    else
        (void)run_check(running);
}

static struct timespec limit(void)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += CHECK_LIMIT_MS / 1000;
    return at;
}

/* @return whether all that were started have ended. */
static bool wait_for_all(struct running *all, struct timespec until)
{
    bool ended = true;
    for (size_t i = 0; i < ROWS; i++) {
        (void)pthread_mutex_lock(all[i].mutex);
        while (all[i].started && !all[i].ended &&
               pthread_cond_timedwait(all[i].changed, all[i].mutex, &until) == 0)
            ;
        ended = ended && (!all[i].started || all[i].ended);
        (void)pthread_mutex_unlock(all[i].mutex);
    }
    return ended;
}

/* --- the configuration -------------------------------------------------------------------- */

static int choose_pipelines(struct rky_doctor *doctor, struct rky_error *err)
{
    const struct rky_cli *cli = doctor->cli;
    const char *one = rky_parsed_value(cli->parsed, "pipeline");
    const char *namespace_ = rky_parsed_value(cli->parsed, "namespace");
    size_t room = cli->config->pipeline_count + 1;
    doctor->pipelines = rky_calloc(room, sizeof(doctor->pipelines[0]));
    doctor->namespaces = rky_calloc(room, sizeof(doctor->namespaces[0]));
    if (doctor->pipelines == NULL || doctor->namespaces == NULL)
        return rky_fail_nomem(err);
    if (namespace_ != NULL && !rky_namespace_valid(namespace_))
        return rky_fail(err, RKY_ERR_USAGE, "namespace '%s' is no valid name", namespace_);
    const struct rky_pipeline_config *chosen = NULL;
    if (one != NULL) {
        int rc = rky_config_pipeline(cli->config, one, &chosen, err);
        if (rc != 0)
            return rc;
    }
    for (size_t i = 0; i < cli->config->pipeline_count; i++) {
        const struct rky_pipeline_config *pipeline = &cli->config->pipelines[i];
        if (chosen != NULL && pipeline != chosen)
            continue;
        doctor->pipelines[doctor->pipeline_count] = pipeline;
        doctor->namespaces[doctor->pipeline_count++] =
            namespace_ != NULL ? namespace_ : pipeline->namespace_;
    }
    return 0;
}

static json_t *problems_json(const struct rky_problems *problems)
{
    json_t *items = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const struct rky_problem *problem = &problems->items[i];
        json_t *item = json_pack("{s:o, s:i, s:o, s:o}", "file", rky_cli_text_json(problem->file),
                                 "line", problem->line, "key", rky_cli_text_json(problem->key),
                                 "message", rky_cli_text_json(problem->message));
        if (item != NULL)
            (void)json_array_append_new(items, item);
    }
    return items;
}

/* @return whether the other checks have something to look at. */
static bool check_config(struct rky_doctor *doctor, struct rky_check *check)
{
    struct rky_cli *cli = doctor->cli;
    struct rky_error err = {0};
    int rc = rky_cli_load(cli, &err);
    if (cli->problems.count > 0)
        rky_check_detail(check, "problems", problems_json(&cli->problems));
    if (rc != 0) {
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        return false;
    }
    for (size_t i = 0; i < cli->problems.count; i++)
        rky_check_find(check, RKY_HEALTH_WARNING, cli->problems.items[i].hint, "%s:%d: %s: %s",
                       cli->problems.items[i].file, cli->problems.items[i].line,
                       cli->problems.items[i].key, cli->problems.items[i].message);
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "'%s' is valid: %zu pipeline%s, backend %s",
                   rky_cli_config_path(cli), cli->config->pipeline_count,
                   cli->config->pipeline_count == 1 ? "" : "s",
                   rky_backend_name(cli->config->state.backend));
    if (rky_cli_store(cli, &doctor->store, &doctor->store_fault) != 0)
        doctor->store = NULL;
    return true;
}

/* --- output ------------------------------------------------------------------------------- */

static enum rky_health overall(const struct running *all)
{
    enum rky_health worst = RKY_HEALTH_GOOD;
    for (size_t i = 0; i < ROWS; i++) {
        if (all[i].wanted && all[i].check.status > worst)
            worst = all[i].check.status;
    }
    return worst;
}

static json_t *clean(const struct rky_cli *cli, const char *text)
{
    char *redacted = *text == '\0' ? NULL : rky_log_redact(cli->log, text);
    json_t *value = rky_cli_text_json(redacted);
    rky_free(redacted);
    return value;
}

/* Details hold texts of services, too. */
static json_t *clean_details(const struct rky_cli *cli, const json_t *details)
{
    char *text = json_dumps(details, JSON_COMPACT);
    char *redacted = text == NULL ? NULL : rky_log_redact(cli->log, text);
    json_t *value = redacted == NULL ? NULL : json_loads(redacted, 0, NULL);
    free(text);
    rky_free(redacted);
    return value == NULL ? json_object() : value;
}

static json_t *check_json(const struct rky_cli *cli, const struct rky_check *check)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "name", json_string(check->name));
    bad |= json_object_set_new(object, "status", json_string(rky_health_name(check->status)));
    bad |= json_object_set_new(object, "message", clean(cli, check->message));
    bad |= json_object_set_new(object, "hint", clean(cli, check->hint));
    bad |= json_object_set_new(object, "duration_ms", json_integer(check->duration_ms));
    bad |= json_object_set_new(object, "details", clean_details(cli, check->details));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_json(const struct rky_cli *cli, const struct running *all, struct rky_error *err)
{
    json_t *object = rky_cli_envelope(cli);
    json_t *checks = json_array();
    int bad = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (all[i].wanted)
            bad |= json_array_append_new(checks, check_json(cli, &all[i].check));
    }
    bad |= json_object_set_new(object, "overall", json_string(rky_health_name(overall(all))));
    bad |= json_object_set_new(object, "checks", checks);
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

static void note(const struct rky_cli *cli, struct rky_columns *columns, enum rky_paint paint,
                 const char *before, const char *text)
{
    char *redacted = rky_log_redact(cli->log, text);
    rky_columns_note(columns, paint, "%s%s", before, redacted == NULL ? "" : redacted);
    rky_free(redacted);
}

/* What a check found beside what its row says. */
static void note_findings(const struct rky_cli *cli, struct rky_columns *columns,
                          const struct rky_check *check)
{
    const json_t *line = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(check->details, "findings"), i, line)
    {
        const char *text = json_string_value(json_object_get(line, "message"));
        if (text != NULL && strcmp(text, check->message) != 0)
            note(cli, columns, RKY_PAINT_NONE, "  also: ", text);
    }
    if (check->hint[0] != '\0')
        note(cli, columns, RKY_PAINT_NONE, "  hint: ", check->hint);
}

static int print_text(const struct rky_cli *cli, const struct running *all, struct rky_error *err)
{
    static const enum rky_paint paints[] = {[RKY_HEALTH_SKIPPED] = RKY_PAINT_DIM,
                                            [RKY_HEALTH_GOOD] = RKY_PAINT_GREEN,
                                            [RKY_HEALTH_WARNING] = RKY_PAINT_YELLOW,
                                            [RKY_HEALTH_CRITICAL] = RKY_PAINT_RED};
    struct rky_columns columns = {.align = "llrl"};
    for (size_t i = 0; i < ROWS; i++) {
        const struct rky_check *check = &all[i].check;
        char time[RKY_NUMBER_TEXT_MAX];
        if (!all[i].wanted)
            continue;
        char *message = rky_log_redact(cli->log, check->message);
        const char *cells[] = {check->name, rky_health_name(check->status),
                               rky_duration_text(check->duration_ms, time), message};
        rky_columns_add(&columns, paints[check->status], cells);
        rky_free(message);
        note_findings(cli, &columns, check);
    }
    int rc = rky_columns_print(&columns, stdout, cli->color_out, err);
    rky_columns_done(&columns);
    if (rc == 0)
        printf("overall: %s\n", rky_health_name(overall(all)));
    return rc;
}

/* --- the command -------------------------------------------------------------------------- */

static int take_checks(const struct rky_cli *cli, struct running *all, struct rky_error *err)
{
    const char *names[ROWS + 1] = {NULL};
    const char *name = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        names[i] = rows[i].name;
        all[i].wanted = rky_parsed_nth(cli->parsed, "check", 0) == NULL;
    }
    for (size_t n = 0; (name = rky_parsed_nth(cli->parsed, "check", n)) != NULL; n++) {
        bool known = false;
        for (size_t i = 0; i < ROWS; i++) {
            if (strcmp(rows[i].name, name) == 0)
                known = all[i].wanted = true;
        }
        if (known)
            continue;
        const char *nearest = rky_nearest(name, names);
        (void)rky_fail(err, RKY_ERR_USAGE, "there is no check '%s'", name);
        if (nearest != NULL)
            rky_error_hint(err, "did you mean '%s'?", nearest);
        else
            rky_error_hint(err, "there are config, state, state_schema, adapters, pipelines, "
                                "state_rw, lock, queue and clock");
        return RKY_ERR_USAGE;
    }
    return 0;
}

static int prepare(struct running *all, const struct rky_doctor *doctor, pthread_mutex_t *mutex,
                   pthread_cond_t *changed, struct rky_error *err)
{
    for (size_t i = 0; i < ROWS; i++) {
        all[i].row = &rows[i];
        all[i].doctor = doctor;
        all[i].mutex = mutex;
        all[i].changed = changed;
        all[i].check = (struct rky_check){.name = rows[i].name, .details = json_object()};
        if (all[i].check.details == NULL)
            return rky_fail_nomem(err);
    }
    return 0;
}

static int examine(struct rky_doctor *doctor, struct running *all, bool *ret_all_ended,
                   struct rky_error *err)
{
    struct rky_clock *clock = doctor->cli->clock;
    int64_t begun = clock->mono_ms(clock);
    bool good = check_config(doctor, &all[0].check);
    all[0].check.duration_ms = rky_doctor_since(doctor, begun);
    int rc = good ? choose_pipelines(doctor, err) : 0;
    for (size_t i = 1; rc == 0 && i < ROWS; i++) {
        if (good && all[i].wanted)
            start(&all[i]);
        else
            rky_check_find(&all[i].check, RKY_HEALTH_SKIPPED, NULL,
                           "the configuration cannot be used");
    }
    *ret_all_ended = wait_for_all(all, limit());
    return rc;
}

/* A check that hangs keeps writing to its own record, so what is shown for it is another one. */
static void give_up(struct running *all, struct running *shown)
{
    for (size_t i = 0; i < ROWS; i++) {
        (void)pthread_mutex_lock(all[i].mutex);
        shown[i] = all[i];
        bool hangs = all[i].started && !all[i].ended;
        (void)pthread_mutex_unlock(all[i].mutex);
        if (!hangs)
            continue;
        shown[i].check = (struct rky_check){
            .name = rows[i].name, .details = json_object(), .duration_ms = CHECK_LIMIT_MS};
        rky_check_find(&shown[i].check, RKY_HEALTH_CRITICAL, NULL,
                       "no answer within %d seconds: something it looks at hangs",
                       CHECK_LIMIT_MS / 1000);
    }
}

static void doctor_done(struct rky_doctor *doctor, struct running *all)
{
    for (size_t i = 0; i < ROWS; i++)
        json_decref(all[i].check.details);
    rky_store_free(doctor->store);
    rky_free((void *)doctor->pipelines);
    rky_free((void *)doctor->namespaces);
    rky_free(all);
}

static int make_condition(pthread_cond_t *changed)
{
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);
    if (rc == 0)
        rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return rc;
}

int rky_cmd_doctor(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_doctor doctor = {.cli = cli};
    struct running *all = rky_calloc(2 * ROWS, sizeof(*all)), *shown = all;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed;
    bool ended = true;
    if (all == NULL || make_condition(&changed) != 0) {
        rky_free(all);
        (void)rky_fail_nomem(&err);
        return rky_cli_end(cli, err.code, &err);
    }
    int rc = prepare(all, &doctor, &mutex, &changed, &err);
    if (rc == 0)
        rc = take_checks(cli, all, &err);
    if (rc == 0)
        rc = examine(&doctor, all, &ended, &err);
    if (!ended) {
        shown = all + ROWS;
        give_up(all, shown);
    }
    if (rc == 0)
        rc = cli->json ? print_json(cli, shown, &err) : print_text(cli, shown, &err);
    int code = rky_cli_end(cli, rc, &err);
    if (rc == 0 && overall(shown) == RKY_HEALTH_CRITICAL)
        code = RKY_EXIT_DOCTOR_CRITICAL;
    if (!ended) {
        /* What the hanging check uses cannot be taken from it. */
        (void)fflush(NULL);
        _exit(code);
    }
    doctor_done(&doctor, all);
    (void)pthread_cond_destroy(&changed);
    return code;
}
