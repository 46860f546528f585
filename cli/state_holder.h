/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at work on a namespace: the lease on the server, the lock of this machine, and what the
 * copy of a remote state that lies on this machine is worth. Looks only; waits for nobody but the
 * server, and for that two seconds.
 */
#ifndef RKY_CLI_STATE_HOLDER_H
#define RKY_CLI_STATE_HOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cli/context.h"
#include "state/store.h"

/** @brief Who holds the lease. @return 0 with @p ret_held; what the driver says when the server
 *         does not answer. Without leases nobody holds one. */
RKY_MUST_CHECK int rky_state_holder(const struct rky_cli *cli, struct rky_store *store,
                                    bool *ret_held, struct rky_lease_holder *ret_holder,
                                    struct rky_error *err);
/** @brief As the outputs show it. */
json_t *rky_state_holder_json(const struct rky_lease_holder *holder);
/** @brief When the run of the holder began, from its id; 0 = not known. */
int64_t rky_state_holder_since_us(const struct rky_lease_holder *holder);

/** @brief The process of this machine that has the namespace's lock. @param ret_path owned path of
 *         the lock file. @param ret_pid 0 = nobody has it. */
RKY_MUST_CHECK int rky_state_lock_holder(const struct rky_cli *cli, char **ret_path, pid_t *ret_pid,
                                         struct rky_error *err);

/** @brief What this machine's copy of a remote state is worth against the state itself: "none",
 *         "in_sync", "pending" (it holds what the remote lacks), "stale", "in_use", "unreadable".
 *         Static; NULL with backend `local`. */
const char *rky_state_local_copy(const struct rky_cli *cli, const struct rky_snapshot_head *head);

#endif
