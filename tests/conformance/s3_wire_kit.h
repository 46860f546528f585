/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bare S3 driver on a stand-in that the test may spoil: one client, one object, one call at a
 * time.
 */
#ifndef RKY_TESTS_CONFORMANCE_S3_WIRE_KIT_H
#define RKY_TESTS_CONFORMANCE_S3_WIRE_KIT_H

#include <check.h>
#include <stddef.h>

#include "tests/kit/s3_server.h"

/** What the test that runs works with; every test has a process of its own. */
extern struct wire_world {
    struct rky_s3_server own; /* of a test that changes settings of the whole server */
    struct rky_s3_client client;
    struct rky_transfer transfer;
    struct rky_remote_object object;
    struct rky_error err;
    char etag[RKY_ETAG_MAX];
    char ns[64];
    struct rky_remote_name name;
} wire;

/** The fixture: an object of its own on the shared server. */
void wire_setup(void);
/** Before each call: what the last one left goes, and the transfer is a new one. */
void wire_begin(void);
/** A client of this server, with what the test wants different. */
void wire_open_client(const struct rky_s3_server *server,
                      const struct rky_s3_client_options *options);
/** The calls of the driver; the last three on `name`. */
int wire_put(const struct rky_remote_name *where, const void *body, size_t length,
             enum rky_remote_if condition, const char *base);
int wire_create(void);
int wire_get(void);
int wire_look(void);
/** The history; must be in order. */
int wire_list(size_t *ret_count);
/** The last call failed like this, naming the bucket and no secret. */
void wire_expect_fault(int rc, int code, const char *error_class);
void wire_expect_text(const char *text, const char *part);
/** A fault for the stand-in, as its JSON. */
void wire_fault(const struct rky_s3_server *server, const char *text);
/** What the stand-in has under the test's key. Caller releases. */
json_t *wire_stored(const struct rky_s3_server *server);

/** The tests of the other files. */
void wire_add_bytes(TCase *tcase);

#endif
