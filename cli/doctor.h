/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks of `rocky doctor` share: what they look at, what they find, and the words for it.
 *
 * The configuration is loaded first; all other checks run at the same time, each on a thread of its
 * own, with the configuration and the store (both shared by threads) and nothing else in common. A
 * check finds things, the worst of which is its status; its message is that of the first finding
 * that bad. It leaves nothing behind, and one that does not end in its time is reported and left
 * alone.
 */
#ifndef RKY_CLI_DOCTOR_H
#define RKY_CLI_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/context.h"
#include "state/store.h"

enum rky_health { RKY_HEALTH_SKIPPED, RKY_HEALTH_GOOD, RKY_HEALTH_WARNING, RKY_HEALTH_CRITICAL };
/** @brief "skipped", "healthy", "warning", "critical". Static. */
const char *rky_health_name(enum rky_health health);

/** What the checks look at. */
struct rky_doctor {
    struct rky_cli *cli;
    struct rky_store *store; /**< NULL when it could not be made: store_fault */
    struct rky_error store_fault;
    /** Pipelines that were asked for, and one namespace for each; NULL = it has several. */
    const struct rky_pipeline_config **pipelines;
    const char **namespaces;
    size_t pipeline_count;
};

struct rky_check {
    const char *name;
    enum rky_health status;
    char message[RKY_ERROR_MESSAGE_MAX];
    char hint[RKY_ERROR_HINT_MAX];
    json_t *details; /**< object */
    int64_t duration_ms;
};

/** @brief Report a finding. The first of the worst gives message and hint; all that are no good
 * news are listed in the details. @param hint NULL = none. */
void rky_check_find(struct rky_check *check, enum rky_health status, const char *hint,
                    const char *format, ...) RKY_PRINTF(4, 5);
/** @brief Report a failure with its own hint. */
void rky_check_fault(struct rky_check *check, enum rky_health status, const struct rky_error *err);
/** @brief Add a detail; @p value is taken. */
void rky_check_detail(struct rky_check *check, const char *name, json_t *value);
/** @brief Milliseconds since @p mono_ms. */
int64_t rky_doctor_since(const struct rky_doctor *doctor, int64_t mono_ms);
/** @brief The command's context as it would be for one namespace of the doctor's.
 *  @return RKY_ERR_NOMEM. rky_doctor_cli_done() it. */
RKY_MUST_CHECK int rky_doctor_cli(const struct rky_doctor *doctor, const char *namespace_,
                                  struct rky_cli *ret_cli, struct rky_error *err);
void rky_doctor_cli_done(struct rky_cli *cli);
/** @brief A namespace for scratch objects: that of the first pipeline, else "doctor". */
const char *rky_doctor_namespace(const struct rky_doctor *doctor);

typedef void rky_check_fn(const struct rky_doctor *doctor, struct rky_check *check);
rky_check_fn rky_check_state;
rky_check_fn rky_check_state_schema;
rky_check_fn rky_check_adapters;
rky_check_fn rky_check_pipelines;
rky_check_fn rky_check_state_rw;
rky_check_fn rky_check_lock;
rky_check_fn rky_check_queue;
rky_check_fn rky_check_clock;

/* --- probing one leg (doctor_leg.c, doctor_race.c) --------------------------------------------
 */

/** One leg under test and what was found; used by one thread. */
struct rky_leg_probe {
    const struct rky_doctor *doctor;
    struct rky_store_leg leg;
    struct rky_deadline deadline;
    char *suffix;              /**< of the scratch object */
    struct rky_check findings; /**< of this leg */
};
/** @brief Write, read back, compare, conditions, race, delete. */
void rky_leg_probe_run(struct rky_leg_probe *probe);
/** @brief Sixteen writers at once, on an object that is not there, then on one that is: exactly one
 *         of each may win. */
void rky_leg_race(struct rky_leg_probe *probe);
/** @brief A transfer within what is left of the probe's time. */
struct rky_transfer rky_leg_transfer(const struct rky_leg_probe *probe);
/** @brief What an eviction policy and missing persistence mean to the state. */
void rky_valkey_settings_check(const struct rky_doctor *doctor, struct rky_check *check,
                               struct rky_deadline deadline);

#endif
