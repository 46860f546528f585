/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An S3 server for a libcheck program (tests/kit/s3.sh), and a driver of ours that talks to it.
 */
#ifndef RKY_TESTS_KIT_S3_SERVER_H
#define RKY_TESTS_KIT_S3_SERVER_H

#include <check.h>
#include <jansson.h>

#include "state/remote_s3.h"

#define RKY_S3_ACCESS_KEY "AKIDEXAMPLE"
#define RKY_S3_SECRET_KEY "standin-secret-key"
#define RKY_S3_BUCKET "rocky"
#define RKY_S3_PREFIX "rocky/state/"

struct rky_s3_server {
    char directory[4200];
    char endpoint[128];
};

/**
 * @brief The main() of a program that needs a server: start it, run the suite, stop it. Where it
 *        cannot be had, the program is skipped with the reason, or fails with
 *        ROCKY_REQUIRE_SERVERS=1.
 * @param arguments of `s3.sh start`: "--server versitygw".
 */
int rky_s3_main(const char *arguments, Suite *(*make_suite)(void));
/** @brief The program's server. Borrowed. */
const struct rky_s3_server *rky_s3_server(void);

/** @brief One of a test's own; fails the test when it cannot be had. */
void rky_s3_server_start(struct rky_s3_server *server, const char *arguments);
/** @param verb "stop", "kill", "restart". */
void rky_s3_server_do(const struct rky_s3_server *server, const char *verb);

/** @brief The stand-in's administration: ("POST", "faults", "{...}"). @return owned; fails the test
 *         when it is refused. */
json_t *rky_s3_admin(const struct rky_s3_server *server, const char *method, const char *what,
                     const char *body);
/** @brief How many requests of that operation (NULL = any) for keys that contain @p part the
 *         stand-in has seen, and how many of them changed the store. */
int rky_s3_count(const struct rky_s3_server *server, const char *operation, const char *part,
                 int *ret_changes);

/** What a driver is made of. Zeroed members are the server's own. */
struct rky_s3_client_options {
    const char *endpoint, *bucket, *prefix, *region;
    const char *access_key, *secret_key, *session_token;
    const char *ca_file, *sse, *kms_key_id;
    int64_t multipart_above;
    bool unconditional, virtual_host;
    FILE *log; /**< everything is logged there at level debug; NULL = nowhere */
};
struct rky_s3_client {
    struct rky_http *http;
    struct rky_credentials *credentials;
    struct rky_log *log;
    struct rky_remote *remote;
    const char *variables[4]; /**< access key, secret key, token, region */
    char endpoint[160];
};
/** @brief A bare driver, without a guard. Fails the test when it cannot be made. */
void rky_s3_client_open(struct rky_s3_client *client, const struct rky_s3_server *server,
                        const struct rky_s3_client_options *options);
void rky_s3_client_close(struct rky_s3_client *client);

#endif
