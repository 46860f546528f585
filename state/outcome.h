/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a transfer of state ended: the ten outcomes that alerting consumers know, which of them a
 * failed transfer gets under which policy, and what it means for the job. One object, three
 * places: event on the results topic, log line, part of `rocky run --output json`.
 */
#ifndef RKY_STATE_OUTCOME_H
#define RKY_STATE_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/breaker.h"
#include "common/config.h"
#include "common/error.h"
#include "common/guard.h"
#include "common/ids.h"

enum rky_outcome {
    RKY_OUTCOME_OK,
    RKY_OUTCOME_ABSENT,
    RKY_OUTCOME_TIMEOUT,
    RKY_OUTCOME_ERROR_THEN_FRESH,
    RKY_OUTCOME_TRANSIENT_EXHAUSTED,
    RKY_OUTCOME_BUDGET_EXHAUSTED,
    RKY_OUTCOME_CIRCUIT_OPEN,
    RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
    RKY_OUTCOME_ERROR,
    RKY_OUTCOME_CONFLICT,
    RKY_OUTCOME_NONE, /**< not yet, or no cause */
};
/** @brief "ok", "absent", ... NULL for NONE. Static. */
const char *rky_outcome_name(enum rky_outcome outcome);

enum rky_transfer_kind { RKY_TRANSFER_DOWNLOAD, RKY_TRANSFER_UPLOAD };

/** What follows for the job from a transfer that did not end well. */
enum rky_transfer_sequel {
    RKY_SEQUEL_GO_ON,   /**< ok, absent, unchanged */
    RKY_SEQUEL_FRESH,   /**< go on from the target's metadata; never a blind upload */
    RKY_SEQUEL_SKIP,    /**< go on, the remote stays behind, the local copy is pending */
    RKY_SEQUEL_FAIL,    /**< the run fails with failure_kind "state-sync" */
    RKY_SEQUEL_REQUEUE, /**< no terminal result in a worker; `failed` in the CLI */
};

/** What decides. */
struct rky_transfer_failure {
    enum rky_transfer_kind kind;
    enum rky_guard_end end;
    int code;                   /**< enum rky_err of the failure */
    const char *error_class;    /**< of the last attempt, NULL = none */
    enum rky_on_failure policy; /**< on_upload_failure or on_download_failure */
    bool skippable;             /**< a run or an apply: what `skip` covers */
};
/** @brief The policy columns of the fault table. Pure. @param ret_outcome, ret_cause for the event;
 *         cause is RKY_OUTCOME_NONE unless the outcome hides it. */
enum rky_transfer_sequel rky_outcome_decide(const struct rky_transfer_failure *failure,
                                            enum rky_outcome *ret_outcome,
                                            enum rky_outcome *ret_cause);
/** @brief `error_class` of a failed run in the words that users of the product know:
 *         "retry_budget_exhausted", "circuit_open", "timeout", ... Static. */
const char *rky_outcome_error_class(enum rky_outcome outcome, const char *attempt_class);

/** The terminal report of one transfer. Text owned. */
struct rky_transfer_report {
    enum rky_transfer_kind kind;
    enum rky_outcome outcome, cause;
    const char *error_class; /**< static or NULL */
    char *error;             /**< redacted already, NULL = none */
    const char *backend;     /**< static */
    struct rky_leg_report legs[RKY_TRANSFER_LEGS];
    size_t leg_count;
    char namespace_[64], job_id[RKY_UUID_TEXT], run_id[RKY_UUID_TEXT]; /**< "" = none */
    const char *worker_id;                                             /**< borrowed */
    char *uri;
    int64_t bytes, raw_bytes; /**< -1 = unknown, as every figure here */
    char sha256[RKY_SHA256_HEX];
    int64_t retries, duration_ms, generation;
    char write_id[RKY_UUID_TEXT];
    int64_t fence;
    enum rky_breaker_state breaker;
    bool has_breaker;
    int64_t budget_left; /**< -1 = unbounded */
    bool unchanged, recovered, commit_unknown;
    int64_t at_us;
};
void rky_transfer_report_done(struct rky_transfer_report *report);
/** @brief Take over end, retries, legs, breaker state and budget of a finished transfer. */
void rky_transfer_report_take(struct rky_transfer_report *report,
                              const struct rky_transfer *transfer, struct rky_breaker *breaker);
/** @brief The event's body (CONTRACTS section 5). @return owned, NULL = no memory. */
json_t *rky_transfer_report_json(const struct rky_transfer_report *report);

#endif
