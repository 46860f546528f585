/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guarded conditional write with its read-back; private to remote_guarded.c.
 */
#ifndef RKY_STATE_REMOTE_COMMIT_H
#define RKY_STATE_REMOTE_COMMIT_H

#include "state/remote.h"

/** @brief put() of remote.h as rky_remote_guarded() promises it. @param inner the bare driver. */
RKY_MUST_CHECK int rky_remote_commit(struct rky_remote *inner, struct rky_leg *leg,
                                     const struct rky_remote_name *name,
                                     const struct rky_remote_put *put,
                                     struct rky_transfer *transfer, char ret_etag[RKY_ETAG_MAX],
                                     struct rky_error *err);

#endif
