/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of fault points and what RKY_FAULT makes of them.
 *
 * A point is a row of FAULT_NAMES and one rky_fault_point() call with the same name; tests iterate
 * the list, so a row without a call fails there and a call without a row stops the process here.
 * RKY_FAULT is read at the first passage of any point; whatever in it is not understood stops the
 * process as well, because a crash test whose crash never happens would pass. Any thread may pass a
 * point; passages are counted atomically over all threads.
 */
#include <config.h>

#include "common/fault.h"

#include <stddef.h>

#ifndef RKY_FAULT_INJECTION

const char *const *rky_fault_names(void)
{
    static const char *const none[] = {NULL};
    return none;
}

#else

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/fsutil.h"
#include "common/mem.h"

static const char *const FAULT_NAMES[] = {
    /* The steps of a job, each passed before the step begins. */
    "job.decode",
    "job.ledger",
    "job.recall",
    "job.lease",
    "job.download",
    "job.lookup",
    "job.prepare",
    "job.claim",
    "job.tables",
    "job.record",
    "job.upload",
    "job.publish",
    "job.release",
    "job.version",
    /* Raising the token and writing the claim in the target. */
    "claim.before_commit",
    "claim.after_commit",
    /* One table's transaction in the target. */
    "copy.begin",
    "copy.claimed",
    "copy.rows",
    "copy.watermark",
    "copy.before_commit",
    "copy.after_commit",
    "table.between",
    /* The ledger's transaction that ends the run. */
    "record.before_commit",
    "record.after_commit",
    /* State that comes from a remote and goes back to it. */
    "download.before",
    "download.after",
    "upload.before_put",
    "upload.after_put",
    "upload.settle",
    /* Result and events, then the offset. */
    "publish.before",
    "publish.delivered",
    "commit.before",
    NULL,
};

enum fault_action { FAULT_KILL, FAULT_STOP, FAULT_WAIT };

struct fault_rule {
    const char *name; /* row of FAULT_NAMES, NULL ends the rules */
    enum fault_action action;
    uint64_t nth;
    const char *file; /* FAULT_WAIT */
    _Atomic uint64_t passages;
};

#define FAULT_RULES_MAX 16

/* A process whose test died must not wait for it for ever. */
static const int64_t WAIT_LIMIT_MS = 300000;

/* Fault builds only, written once under pthread_once: the environment is process-wide, too. */
static struct fault_rule fault_rules[FAULT_RULES_MAX + 1];
static char *fault_text; /* what the rules point into */
static pthread_once_t fault_once = PTHREAD_ONCE_INIT;

const char *const *rky_fault_names(void)
{
    return FAULT_NAMES;
}

static _Noreturn void RKY_PRINTF(1, 2) give_up(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)fputs("fault injection: ", stderr);
    (void)vfprintf(stderr, format, values);
    (void)fputc('\n', stderr);
    va_end(values);
    abort();
}

static const char *known_name(const char *name)
{
    for (const char *const *row = FAULT_NAMES; *row != NULL; row++) {
        if (strcmp(*row, name) == 0)
            return *row;
    }
    return NULL;
}

/* "kill", "kill:3": the word already matched, @p rest is what follows it. */
static uint64_t parse_nth(const char *rest, const char *rule)
{
    if (*rest == '\0')
        return 1;
    char *end = NULL;
    unsigned long long nth = strtoull(rest + 1, &end, 10);
    if (*rest != ':' || rest[1] < '0' || rest[1] > '9' || *end != '\0' || nth == 0)
        give_up("'%s' in RKY_FAULT: expected a passage number from 1 behind the ':'", rule);
    return nth;
}

/* @p text stays allocated for the life of the process: the rule points into it. */
static void parse_rule(char *text, struct fault_rule *ret_rule)
{
    char *action = strchr(text, '=');
    if (action == NULL)
        give_up("'%s' in RKY_FAULT: expected name=kill, name=stop or name=wait:FILE", text);
    *action++ = '\0';
    ret_rule->name = known_name(text);
    if (ret_rule->name == NULL)
        give_up("'%s' in RKY_FAULT is no fault point of this build", text);
    if (strncmp(action, "kill", 4) == 0) {
        ret_rule->action = FAULT_KILL;
        ret_rule->nth = parse_nth(action + 4, action);
    } else if (strncmp(action, "stop", 4) == 0) {
        ret_rule->action = FAULT_STOP;
        ret_rule->nth = parse_nth(action + 4, action);
    } else if (strncmp(action, "wait:", 5) == 0 && action[5] != '\0') {
        ret_rule->action = FAULT_WAIT;
        ret_rule->file = action + 5;
    } else {
        give_up("'%s' in RKY_FAULT: expected kill, stop or wait:FILE", action);
    }
}

static void read_environment(void)
{
    const char *environment = getenv("RKY_FAULT");
    if (environment == NULL || *environment == '\0')
        return;
    fault_text = strdup(environment);
    if (fault_text == NULL)
        give_up("out of memory");
    size_t count = 0;
    char *rest = NULL;
    for (char *rule = strtok_r(fault_text, ",", &rest); rule != NULL;
         rule = strtok_r(NULL, ",", &rest)) {
        if (count == FAULT_RULES_MAX)
            give_up("more than %d rules in RKY_FAULT", FAULT_RULES_MAX);
        parse_rule(rule, &fault_rules[count++]);
    }
}

static void wait_for_file(const struct fault_rule *rule)
{
    struct rky_error err = {0};
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), WAIT_LIMIT_MS);
    char *reached = rky_asprintf("%s.reached", rule->file);
    if (reached == NULL)
        give_up("out of memory");
    if (rky_write_file_atomic(reached, rule->name, strlen(rule->name), &err) != 0)
        give_up("at '%s': %s", rule->name, err.message);
    rky_free(reached);
    while (!rky_path_exists(rule->file)) {
        const struct timespec pause = {0, 2000000};
        if (rky_deadline_left_ms(&deadline) == 0)
            give_up("at '%s': nobody wrote '%s'", rule->name, rule->file);
        (void)nanosleep(&pause, NULL);
    }
}

void rky_fault_point(const char *name)
{
    if (known_name(name) == NULL)
        give_up("'%s' is passed but stands in no row of FAULT_NAMES", name);
    (void)pthread_once(&fault_once, read_environment);
    for (struct fault_rule *rule = fault_rules; rule->name != NULL; rule++) {
        if (strcmp(rule->name, name) != 0)
            continue;
        uint64_t passage = atomic_fetch_add(&rule->passages, 1) + 1;
        if (rule->action == FAULT_WAIT)
            wait_for_file(rule);
        else if (passage == rule->nth)
            (void)kill(getpid(), rule->action == FAULT_KILL ? SIGKILL : SIGSTOP);
    }
}

#endif
