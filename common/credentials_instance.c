/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the machine's role from its metadata service, version 2 only: a session token first, then
 * the role's name, then its keys. Source: Amazon EC2 user guide, "Use the Instance Metadata
 * Service".
 *
 * The last provider of the chain, and the only one that nobody configures: where nobody listens
 * there is nothing to be had, unless the keys that are to be renewed came from here.
 */
#include "config.h"

#include "common/credentials_internal.h"

#include <string.h>
#include <strings.h>

#include "common/sigv4.h"

/* On a machine with the service it answers within milliseconds; elsewhere nobody should wait. */
enum { CONNECT_MS = 1000, TIMEOUT_MS = 2000, ROLE_MAX = 128 };
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

static const char *endpoint(const struct rky_credentials *credentials)
{
    const char *own = rky_provider_getenv(credentials, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = rky_provider_getenv(credentials, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (own != NULL)
        return own;
    return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
}

/* One request of the three. A status other than 200 is no failure of the service: it has nothing
 * for us, and says so. */
static int ask(struct rky_provider_call *call, const char *method, const char *path,
               const struct rky_http_header *header, const char *what,
               struct rky_http_response *ret_response)
{
    const char *base = endpoint(call->credentials);
    size_t length = strlen(base);
    bool silent = false;
    while (length > 0 && base[length - 1] == '/')
        length--;
    char *url = rky_asprintf("%.*s%s", (int)length, base, path);
    if (url == NULL)
        return rky_provider_nomem(call);
    struct rky_http_request request = {.method = method,
                                       .url = url,
                                       .headers = header,
                                       .header_count = 1,
                                       .connect_timeout_ms = CONNECT_MS};
    struct rky_http_response response = {0};
    int rc =
        rky_provider_ask(call, &request, TIMEOUT_MS, &response, call->renewing ? NULL : &silent);
    rky_free(url);
    if (silent)
        return rky_provider_none(call, "nobody listens at the metadata address");
    if (rc != 0)
        return rc;
    if (response.status != 200) {
        rc = rky_provider_none(call, "the metadata service answered HTTP %ld for %s",
                               response.status, what);
        rky_http_response_done(&response);
        return rc;
    }
    *ret_response = response;
    return 0;
}

/* The first line, percent-encoded for the path. @return owned, NULL when memory is out. */
static char *role_path(const char *list)
{
    char name[ROLE_MAX + 1];
    size_t length = strcspn(list, "\r\n");
    (void)snprintf(name, sizeof(name), "%.*s", (int)(length < ROLE_MAX ? length : ROLE_MAX), list);
    char *encoded = rky_uri_encode(name, false);
    char *path = encoded != NULL ? rky_asprintf("%s%s", ROLE_PATH, encoded) : NULL;
    rky_free(encoded);
    return path;
}

int rky_provider_instance(struct rky_provider_call *call, struct rky_aws_keys *ret_keys)
{
    static const struct rky_http_header ttl = {"X-aws-ec2-metadata-token-ttl-seconds", "300"};
    const char *disabled = rky_provider_getenv(call->credentials, "AWS_EC2_METADATA_DISABLED");
    struct rky_http_response token = {0};
    struct rky_http_response role = {0};
    struct rky_http_response keys = {0};
    char *path = NULL;
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return rky_provider_none(call, "AWS_EC2_METADATA_DISABLED is set");

    int rc = ask(call, "PUT", "/latest/api/token", &ttl, "a session", &token);
    if (rc == 0)
        rc = rky_provider_secret(call, token.body);
    if (rc != 0)
        goto out;
    struct rky_http_header session = {"X-aws-ec2-metadata-token", token.body};
    rc = ask(call, "GET", ROLE_PATH, &session, "the role's name", &role);
    if (rc != 0)
        goto out;
    if (role.length == 0 || strcspn(role.body, "\r\n") == 0) {
        rc = rky_provider_none(call, "the machine has no role");
        goto out;
    }
    path = role_path(role.body);
    if (path == NULL) {
        rc = rky_provider_nomem(call);
        goto out;
    }
    rc = ask(call, "GET", path, &session, "the role's keys", &keys);
    if (rc == 0)
        rc = rky_provider_json_keys(call, &keys, ret_keys);
    if (keys.length > 0)
        explicit_bzero(keys.body, keys.length);

out:
    rky_http_response_done(&keys);
    rky_http_response_done(&role);
    rky_http_response_done(&token);
    rky_free(path);
    return rc;
}
