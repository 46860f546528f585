/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky demo: a story in steps, each of which does something with the real programs and states what
 * was seen. The story is in cmd_demo.c; here is what its parts share: narration (demo_say.c), the
 * source and the comparison (demo_data.c), broker and workers (demo_fleet.c), jobs and their
 * results (demo_jobs.c). One thread.
 */
#ifndef RKY_CLI_DEMO_H
#define RKY_CLI_DEMO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/context.h"
#include "cli/stop.h"
#include "common/ids.h"
#include "common/mem.h"
#include "transport/transport.h"

#define RKY_DEMO_WORKERS_MAX 8

struct rky_demo_worker {
    pid_t pid; /**< 0 = gone and reaped */
    int number;
    char *log_path;
};

/** One message of type job.result. */
struct rky_demo_result {
    char job_id[RKY_UUID_TEXT];
    char ce_id[RKY_UUID_TEXT];
    char *worker; /**< id of the worker that published it */
    char *text;   /**< the body's bytes */
    json_t *body;
};

struct rky_demo {
    struct rky_cli *cli;
    struct rky_stop *stop;
    char *directory;
    char *rocky, *worker, *producer; /**< programs, as a shell would call them */
    int64_t rows;                    /**< wanted size of the source */

    /* Fleet. */
    struct rky_config *config;
    struct rky_problems problems;
    struct rky_broker *broker;
    struct rky_transport *transport;
    struct rky_topics topics;
    struct rky_tail *results;
    struct rky_demo_result *inbox; /**< read, but not asked for yet */
    size_t inbox_count, inbox_capacity;
    _Atomic int undelivered; /**< messages the broker refused */
    struct rky_demo_worker workers[RKY_DEMO_WORKERS_MAX];
    size_t worker_count;

    /* Narration. */
    json_t *steps;
    int number;
    const char *step; /**< NULL between steps */
    struct rky_strbuf seen;
    int64_t started_ms, step_started_ms;
    bool waiting_shown;
};

/** @brief Directory, rows and programs (demo_setup.c). */
RKY_MUST_CHECK int rky_demo_setup(struct rky_demo *demo, struct rky_error *err);

/* --- narration (demo_say.c) --------------------------------------------------------------- */

void rky_demo_begin(struct rky_demo *demo, const char *name, const char *title);
/** @brief One line of what was seen in this step. */
void rky_demo_say(struct rky_demo *demo, const char *format, ...) RKY_PRINTF(2, 3);
/** @brief The step is over. @param failure NULL = passed. */
void rky_demo_end(struct rky_demo *demo, const struct rky_error *failure);
/** @brief A live line on a terminal while something takes its time. */
void rky_demo_waiting(struct rky_demo *demo, const char *what, int64_t since_ms);
void rky_demo_waited(struct rky_demo *demo);
/** @brief The commands to continue by hand. */
void rky_demo_farewell(const struct rky_demo *demo);
int64_t rky_demo_now_ms(const struct rky_demo *demo);

/* --- source and target (demo_data.c) ------------------------------------------------------ */

struct rky_demo_table {
    const char *client, *schema, *target_schema, *table;
    int share; /**< of the source's rows, in thousandths */
};
/** @brief All tables of the source, ended by a NULL client. Borrowed. */
const struct rky_demo_table *rky_demo_tables(void);

/** @brief @param ret_rows how many rows were made. */
RKY_MUST_CHECK int rky_demo_make_source(struct rky_demo *demo, int64_t *ret_rows,
                                        struct rky_error *err);
/** @brief Append rows; the first @p ties of them tie with the newest cursor value. */
RKY_MUST_CHECK int rky_demo_add_rows(struct rky_demo *demo, const struct rky_demo_table *table,
                                     int64_t rows, int64_t ties, struct rky_error *err);
/** @brief Compare source and target of a client (NULL = all) row by row, column by column.
 *  @param ret_rows, ret_tables how much was compared and found equal. */
RKY_MUST_CHECK int rky_demo_compare(struct rky_demo *demo, const char *client, int64_t *ret_rows,
                                    int *ret_tables, struct rky_error *err);
/** @brief The target database file of a table. @return owned or NULL. */
char *rky_demo_target_path(const struct rky_demo *demo, const struct rky_demo_table *table);

/* --- broker and workers (demo_fleet.c) ---------------------------------------------------- */

RKY_MUST_CHECK int rky_demo_write_config(struct rky_demo *demo, struct rky_error *err);
RKY_MUST_CHECK int rky_demo_start_broker(struct rky_demo *demo, struct rky_error *err);
RKY_MUST_CHECK int rky_demo_start_worker(struct rky_demo *demo, struct rky_error *err);
/** @brief Fail when the demo was interrupted, or when a worker ended that nobody stopped, with the
 *         end of its log. */
RKY_MUST_CHECK int rky_demo_check_workers(struct rky_demo *demo, struct rky_error *err);
/** @brief Kill with SIGKILL and reap. @return the worker, NULL when @p pid is none of ours. */
struct rky_demo_worker *rky_demo_kill_worker(struct rky_demo *demo, pid_t pid);
/** @brief SIGTERM the workers that are left; each must end with status 0. */
RKY_MUST_CHECK int rky_demo_drain(struct rky_demo *demo, int *ret_count, struct rky_error *err);
/** @brief Call rocky itself, as a person would. @param arguments NULL-terminated, behind --config.
 */
RKY_MUST_CHECK int rky_demo_rocky(struct rky_demo *demo, const char *const *arguments,
                                  struct rky_error *err);
/** @brief Stop whatever runs. Safe at any point. */
void rky_demo_fleet_done(struct rky_demo *demo);

/* --- jobs (demo_jobs.c) ------------------------------------------------------------------- */

void rky_demo_result_done(struct rky_demo_result *result);

/** @brief Put a run of a namespace on the jobs topic, @p times times the same message. */
RKY_MUST_CHECK int rky_demo_enqueue(struct rky_demo *demo, const char *namespace_, int times,
                                    char ret_job_id[RKY_UUID_TEXT], struct rky_error *err);
/** @brief Wait for the next result of a job. @param ret_result rky_demo_result_done() it. */
RKY_MUST_CHECK int rky_demo_await(struct rky_demo *demo, const char *job_id, const char *what,
                                  struct rky_demo_result *ret_result, struct rky_error *err);
/** @brief Fail unless the result is a success. */
RKY_MUST_CHECK int rky_demo_expect_success(const struct rky_demo_result *result,
                                           struct rky_error *err);

#endif
