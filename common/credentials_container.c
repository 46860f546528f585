/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys from the container endpoint: EKS Pod Identity (full URI and a token file that the platform
 * replaces) and ECS (relative URI). Source: AWS SDKs and Tools reference guide, "Container
 * credential provider".
 */
#include "config.h"

#include "common/credentials_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { TIMEOUT_MS = 5000 };
static const char ECS_HOST[] = "http://169.254.170.2";

static bool local_address(const char *host)
{
    unsigned char bytes[16];
    static const unsigned char pod_identity[16] = {0xfd, 0, 0x0e, 0xc2, [15] = 0x23};
    static const unsigned char loopback[16] = {[15] = 1};
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, bytes) == 1)
        return bytes[0] == 127 || (bytes[0] == 169 && bytes[1] == 254);
    if (inet_pton(AF_INET6, host, bytes) == 1)
        return memcmp(bytes, loopback, 16) == 0 || memcmp(bytes, pod_identity, 16) == 0 ||
               (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
    return false;
}

bool rky_provider_trusted_url(const char *url)
{
    char host[256];
    /* What browsers and libraries read differently is not worth a guess. */
    if (strpbrk(url, "@\\ \t\r\n") != NULL)
        return false;
    if (strncasecmp(url, "https://", 8) == 0)
        return url[8] != '\0' && url[8] != '/';
    if (strncasecmp(url, "http://", 7) != 0)
        return false;
    const char *start = url + 7;
    size_t length = strcspn(start, start[0] == '[' ? "]/?#" : ":/?#");
    if (start[0] == '[') {
        if (start[length] != ']')
            return false;
        start++;
        length--;
    }
    if (length == 0 || length >= sizeof(host))
        return false;
    memcpy(host, start, length);
    host[length] = '\0';
    return local_address(host);
}

static int authorization(struct rky_provider_call *call, char **ret_token)
{
    const struct rky_credentials *credentials = call->credentials;
    const char *file = rky_provider_getenv(credentials, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = rky_provider_getenv(credentials, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (file != NULL)
        return rky_provider_token_file(call, file, ret_token);
    if (token == NULL)
        return 0;
    int rc = rky_provider_secret(call, token);
    if (rc != 0)
        return rc;
    if (strpbrk(token, "\r\n") != NULL)
        return rky_provider_refused(call, "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break");
    *ret_token = rky_strdup(token);
    return *ret_token != NULL ? 0 : rky_provider_nomem(call);
}

static int ask(struct rky_provider_call *call, const char *url, const char *token,
               struct rky_aws_keys *ret_keys)
{
    struct rky_http_response response = {0};
    struct rky_http_header header = {"Authorization", token};
    struct rky_http_request request = {
        .method = "GET", .url = url, .headers = &header, .header_count = token != NULL ? 1 : 0};
    int rc = rky_provider_ask(call, &request, TIMEOUT_MS, &response, NULL);
    if (rc != 0)
        return rc;
    if (response.status != 200)
        rc =
            rky_provider_refused(call, "the container endpoint answered HTTP %ld", response.status);
    else
        rc = rky_provider_json_keys(call, &response, ret_keys);
    if (response.length > 0)
        explicit_bzero(response.body, response.length);
    rky_http_response_done(&response);
    return rc;
}

int rky_provider_container(struct rky_provider_call *call, struct rky_aws_keys *ret_keys)
{
    const struct rky_credentials *credentials = call->credentials;
    const char *relative =
        rky_provider_getenv(credentials, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = rky_provider_getenv(credentials, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char *token = NULL;
    if (relative == NULL && full == NULL)
        return rky_provider_none(call, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set");
    if (relative != NULL && relative[0] != '/')
        return rky_provider_refused(
            call, "expected AWS_CONTAINER_CREDENTIALS_RELATIVE_URI to begin with '/'");
    if (relative == NULL && !rky_provider_trusted_url(full)) {
        int rc = rky_provider_refused(call, "AWS_CONTAINER_CREDENTIALS_FULL_URI is refused: "
                                            "expected https, or http to a loopback or link-local "
                                            "address");
        rky_error_hint(call->err, "anybody on the way could read the keys");
        return rc;
    }
    char *url = relative != NULL ? rky_asprintf("%s%s", ECS_HOST, relative) : rky_strdup(full);
    int rc = url == NULL ? rky_provider_nomem(call) : authorization(call, &token);
    if (rc == 0)
        rc = ask(call, url, token, ret_keys);
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    rky_free(token);
    rky_free(url);
    return rc;
}
