/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts S3 servers by tests/kit/s3.sh and makes drivers for them. Each driver has an HTTP client
 * and credentials of its own, so a test that runs in a process of its own shares nothing.
 */
#include "config.h"

#include "tests/kit/s3_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/check_main.h"
#include "tests/kit/run_script.h"

static struct rky_s3_server program_server;

static int start(struct rky_s3_server *server, const char *arguments)
{
    static atomic_int counter;
    char line[4600], output[512];
    (void)snprintf(server->directory, sizeof(server->directory), "%s/s3-%d-%d",
                   rky_test_directory(), (int)getpid(), atomic_fetch_add(&counter, 1));
    (void)snprintf(line, sizeof(line), "start '%s' --owner %d %s", server->directory, (int)getpid(),
                   arguments);
    int status = rky_run_script("s3.sh", line, output, sizeof(output));
    if (status == 0 && sscanf(output, "ENDPOINT=%127s", server->endpoint) != 1)
        status = 1;
    return status;
}

int rky_s3_main(const char *arguments, Suite *(*make_suite)(void))
{
    const char *required = getenv("ROCKY_REQUIRE_SERVERS");
    int status = start(&program_server, arguments);
    if (status == RKY_SCRIPT_UNAVAILABLE && (required == NULL || strcmp(required, "1") != 0)) {
        (void)printf("1..0 # SKIP the S3 server is not available: %s (./bootstrap --test-deps)\n",
                     arguments);
        return 0;
    }
    if (status != 0) {
        (void)printf("1..1\nnot ok 1 - the S3 server starts: %s\n", arguments);
        return 1;
    }
    (void)fflush(stdout);
    status = rky_check_main(make_suite());
    rky_s3_server_do(&program_server, "stop");
    return status;
}

const struct rky_s3_server *rky_s3_server(void)
{
    return &program_server;
}

void rky_s3_server_start(struct rky_s3_server *server, const char *arguments)
{
    ck_assert_int_eq(start(server, arguments), 0);
}

void rky_s3_server_do(const struct rky_s3_server *server, const char *verb)
{
    char line[4300], output[512];
    (void)snprintf(line, sizeof(line), "%s '%s'", verb, server->directory);
    if (rky_run_script("s3.sh", line, output, sizeof(output)) != 0)
        (void)fprintf(stderr, "s3.sh %s failed\n", line);
}

json_t *rky_s3_admin(const struct rky_s3_server *server, const char *method, const char *what,
                     const char *body)
{
    struct rky_clock *clock = rky_clock_real();
    const struct rky_http_options options = {.clock = clock};
    struct rky_http_response response = {0};
    struct rky_attempt attempt = {0};
    struct rky_http *http = NULL;
    struct rky_error err = {0};
    char url[256];
    (void)snprintf(url, sizeof(url), "%s/_admin/%s", server->endpoint, what);
    const struct rky_http_request request = {
        .method = method,
        .url = url,
        .body = body,
        .body_length = body != NULL ? strlen(body) : 0,
        .response_limit = (size_t)64 << 20,
        .deadline = rky_deadline_in(clock, 20000),
    };
    ck_assert_msg(rky_http_new(&options, &http, &err) == 0, "%s", err.message);
    int rc = rky_http_call(http, &request, &response, &attempt, &err);
    ck_assert_msg(rc == 0, "%s: %s", url, err.message);
    json_t *answer = json_loads(response.body, JSON_DECODE_ANY, NULL);
    ck_assert_msg(response.status == 200 && answer != NULL, "%s: %s", url, response.body);
    rky_http_response_done(&response);
    rky_http_free(http);
    return answer;
}

int rky_s3_count(const struct rky_s3_server *server, const char *operation, const char *part,
                 int *ret_changes)
{
    json_t *requests = rky_s3_admin(server, "GET", "requests", NULL);
    json_t *request = NULL;
    size_t i = 0;
    int count = 0, changes = 0;
    json_array_foreach(requests, i, request)
    {
        const char *key = json_string_value(json_object_get(request, "key"));
        const char *query = json_string_value(json_object_get(request, "query"));
        const char *name = json_string_value(json_object_get(request, "operation"));
        if ((operation != NULL && strcmp(operation, name) != 0) ||
            (strstr(key, part) == NULL && strstr(query, part) == NULL))
            continue;
        count++;
        changes += json_is_integer(json_object_get(request, "apply_seq"));
    }
    json_decref(requests);
    if (ret_changes != NULL)
        *ret_changes = changes;
    return count;
}

static const char *variable(void *context, const char *name)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN"};
    const struct rky_s3_client *client = context;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return client->variables[i];
    return NULL;
}

static const char *or_else(const char *given, const char *fallback)
{
    return given != NULL ? given : fallback;
}

void rky_s3_client_open(struct rky_s3_client *client, const struct rky_s3_server *server,
                        const struct rky_s3_client_options *options)
{
    struct rky_clock *clock = rky_clock_real();
    struct rky_error err = {0};
    memset(client, 0, sizeof(*client));
    client->variables[0] = or_else(options->access_key, RKY_S3_ACCESS_KEY);
    client->variables[1] = or_else(options->secret_key, RKY_S3_SECRET_KEY);
    client->variables[2] = options->session_token;
    (void)snprintf(client->endpoint, sizeof(client->endpoint), "%s",
                   or_else(options->endpoint, server->endpoint));
    if (options->log != NULL) {
        client->log = rky_log_new(options->log, RKY_LOG_DEBUG, RKY_LOG_TEXT, clock);
        ck_assert_ptr_nonnull(client->log);
    }
    const struct rky_http_options http = {.ca_file = options->ca_file, .clock = clock};
    ck_assert_msg(rky_http_new(&http, &client->http, &err) == 0, "%s", err.message);
    const struct rky_credentials_options credentials = {
        .http = client->http,
        .clock = clock,
        .log = client->log,
        .getenv = variable,
        .getenv_context = client,
        .region = options->region,
    };
    ck_assert_msg(rky_credentials_new(&credentials, &client->credentials, &err) == 0, "%s",
                  err.message);
    const struct rky_remote_s3_options s3 = {
        .bucket = or_else(options->bucket, RKY_S3_BUCKET),
        .prefix = or_else(options->prefix, RKY_S3_PREFIX),
        .region = options->region,
        .endpoint = client->endpoint,
        .path_style = !options->virtual_host,
        .sse = options->sse,
        .kms_key_id = options->kms_key_id,
        .conditional = !options->unconditional,
        .multipart_above = options->multipart_above,
        .http = client->http,
        .credentials = client->credentials,
        .clock = clock,
        .log = client->log,
    };
    ck_assert_msg(rky_remote_s3_new(&s3, &client->remote, &err) == 0, "%s", err.message);
}

void rky_s3_client_close(struct rky_s3_client *client)
{
    rky_remote_free(client->remote);
    rky_credentials_free(client->credentials);
    rky_http_free(client->http);
    rky_log_free(client->log);
}
