/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The older versions of a state that the backend keeps, newest first.
 */
#ifndef RKY_CLI_STATE_VERSIONS_H
#define RKY_CLI_STATE_VERSIONS_H

#include "cli/state_session.h"

enum { RKY_VERSION_MARK = 8 };
struct rky_version {
    const char *suffix; /**< name of the object; borrowed from the list */
    int64_t generation;
    char write_id[RKY_VERSION_MARK + 1]; /**< its beginning */
    int64_t size, modified_us;
};
struct rky_versions {
    struct rky_remote_list list;
    struct rky_version *items;
    size_t count;
};
/** @brief @return 0; RKY_ERR_UNSUPPORTED with backend `local`; RKY_ERR_UNAVAILABLE. */
RKY_MUST_CHECK int rky_versions_list(struct rky_state_session *state,
                                     struct rky_versions *ret_versions, struct rky_error *err);
void rky_versions_done(struct rky_versions *versions);

#endif
