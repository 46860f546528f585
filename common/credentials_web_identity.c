/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A role by web identity, as EKS gives it to service accounts: the platform writes a token into a
 * file and replaces it, STS gives keys for it. The request is not signed: the token is the proof.
 * Source: AWS STS API reference, AssumeRoleWithWebIdentity.
 */
#include "config.h"

#include "common/credentials_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/sigv4.h"

enum { TIMEOUT_MS = 10000, CODE_MAX = 64 };

/* Text of the first element of that name, the five named entities decoded. STS's answers are flat
 * enough for this; whatever is not, is not there. @return owned, NULL = absent or no memory. */
static char *element_text(const char *xml, const char *name)
{
    static const struct {
        const char *entity;
        char c;
    } entities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t length = strlen(name);
    struct rky_strbuf out = {0};
    const char *at = xml;
    while ((at = strchr(at, '<')) != NULL) {
        at++;
        if (strncmp(at, name, length) == 0 && at[length] == '>')
            break;
    }
    if (at == NULL)
        return NULL;
    at += length + 1;
    const char *end = strchr(at, '<');
    if (end == NULL || end[1] != '/' || strncmp(end + 2, name, length) != 0 ||
        end[2 + length] != '>')
        return NULL;
    while (at < end) {
        size_t step = 1;
        char c = *at;
        for (size_t i = 0; c == '&' && i < sizeof(entities) / sizeof(entities[0]); i++) {
            size_t size = strlen(entities[i].entity);
            if (strncmp(at, entities[i].entity, size) == 0) {
                c = entities[i].c;
                step = size;
                break;
            }
        }
        rky_strbuf_addc(&out, c);
        at += step;
    }
    return rky_strbuf_take(&out);
}

/* The service's word for the fault, for people: letters and digits only. */
static void error_code(const char *xml, char ret_code[CODE_MAX])
{
    char *code = element_text(xml, "Code");
    size_t length = 0;
    for (; code != NULL && length + 1 < CODE_MAX && isalnum((unsigned char)code[length]); length++)
        ret_code[length] = code[length];
    ret_code[length] = '\0';
    if (length == 0)
        (void)snprintf(ret_code, CODE_MAX, "no error code");
    rky_free(code);
}

static int refused(struct rky_provider_call *call, const char *role,
                   const struct rky_http_response *response)
{
    char code[CODE_MAX];
    error_code(response->body, code);
    /* STS throttles, and reports an identity provider that does not answer it, with 400. */
    if (strncmp(code, "Throttl", 7) == 0 || strcmp(code, "IDPCommunicationError") == 0)
        return rky_provider_unavailable(call,
                                        rky_http_retry_after_ms(response, call->credentials->clock),
                                        "STS answered HTTP %ld, %s", response->status, code);
    int rc = rky_provider_refused(call, "STS refused role '%s': HTTP %ld, %s", role,
                                  response->status, code);
    rky_error_hint(call->err, "check that the role's trust policy names this service account and "
                              "its identity provider");
    return rc;
}

static int take_keys(struct rky_provider_call *call, const char *role,
                     const struct rky_http_response *response, struct rky_aws_keys *ret_keys)
{
    if (response->status != 200)
        return refused(call, role, response);
    /* Two users in the answer: ours stands in <Credentials>. */
    const char *xml = strstr(response->body, "<Credentials>");
    char *access_key = xml != NULL ? element_text(xml, "AccessKeyId") : NULL;
    char *secret_key = xml != NULL ? element_text(xml, "SecretAccessKey") : NULL;
    char *session_token = xml != NULL ? element_text(xml, "SessionToken") : NULL;
    char *expiration = xml != NULL ? element_text(xml, "Expiration") : NULL;
    int rc = 0;
    if (access_key == NULL || secret_key == NULL || session_token == NULL || expiration == NULL) {
        rc = rky_provider_unavailable(call, 0,
                                      "expected keys from STS, got %zu bytes of "
                                      "something else",
                                      response->length);
    } else {
        struct rky_provider_answer answer = {access_key, secret_key, session_token, expiration};
        rc = rky_provider_accept(call, &answer, ret_keys);
    }
    char *const secrets[] = {access_key, secret_key, session_token, expiration};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (secrets[i] != NULL)
            explicit_bzero(secrets[i], strlen(secrets[i]));
        rky_free(secrets[i]);
    }
    return rc;
}

/* @return owned, NULL when memory is out. */
static char *sts_url(struct rky_credentials *credentials)
{
    const char *ignore = rky_provider_getenv(credentials, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    const char *url = rky_provider_getenv(credentials, "AWS_ENDPOINT_URL_STS");
    if (url == NULL)
        url = rky_provider_getenv(credentials, "AWS_ENDPOINT_URL");
    if (url != NULL && (ignore == NULL || strcasecmp(ignore, "true") != 0)) {
        size_t length = strlen(url);
        return rky_asprintf("%s%s", url, length > 0 && url[length - 1] == '/' ? "" : "/");
    }
    char *own = credentials->region != NULL ? rky_strdup(credentials->region)
                                            : rky_credentials_region(credentials);
    if (own == NULL)
        return rky_strdup("https://sts.amazonaws.com/");
    char *regional = rky_asprintf("https://sts.%s.amazonaws.com%s/", own,
                                  strncmp(own, "cn-", 3) == 0 ? ".cn" : "");
    rky_free(own);
    return regional;
}

/* @return owned, NULL when memory is out. */
static char *form(const struct rky_credentials *credentials, const char *role, const char *token,
                  const char *session)
{
    char *own_session = NULL;
    if (session == NULL) {
        own_session = rky_asprintf("rocky-%lld",
                                   (long long)(credentials->clock->wall_us(credentials->clock)));
        session = own_session;
    }
    char *role_encoded = rky_uri_encode(role, false);
    char *session_encoded = session != NULL ? rky_uri_encode(session, false) : NULL;
    char *token_encoded = rky_uri_encode(token, false);
    char *body = NULL;
    if (role_encoded != NULL && session_encoded != NULL && token_encoded != NULL)
        body = rky_asprintf("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s&"
                            "RoleSessionName=%s&WebIdentityToken=%s",
                            role_encoded, session_encoded, token_encoded);
    rky_free(token_encoded);
    rky_free(session_encoded);
    rky_free(role_encoded);
    rky_free(own_session);
    return body;
}

int rky_provider_assume_role(struct rky_provider_call *call, const char *role,
                             const char *token_file, const char *session,
                             struct rky_aws_keys *ret_keys)
{
    static const struct rky_http_header headers[] = {
        {"Content-Type", "application/x-www-form-urlencoded"},
        {"Accept", "text/xml"},
    };
    struct rky_http_response response = {0};
    char *token = NULL;
    char *url = NULL;
    char *body = NULL;
    int rc = rky_provider_token_file(call, token_file, &token);
    if (rc != 0)
        goto out;
    url = sts_url(call->credentials);
    body = form(call->credentials, role, token, session);
    if (url == NULL || body == NULL) {
        rc = rky_provider_nomem(call);
        goto out;
    }
    struct rky_http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .body = body,
        .body_length = strlen(body),
    };
    rc = rky_provider_ask(call, &request, TIMEOUT_MS, &response, NULL);
    if (rc == 0)
        rc = take_keys(call, role, &response, ret_keys);

out:
    rky_http_response_done(&response);
    if (body != NULL)
        explicit_bzero(body, strlen(body));
    rky_free(body);
    rky_free(url);
    if (token != NULL)
        explicit_bzero(token, strlen(token));
    rky_free(token);
    return rc;
}

int rky_provider_web_identity(struct rky_provider_call *call, struct rky_aws_keys *ret_keys)
{
    const struct rky_credentials *credentials = call->credentials;
    const char *file = rky_provider_getenv(credentials, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = rky_provider_getenv(credentials, "AWS_ROLE_ARN");
    if (file == NULL)
        return rky_provider_none(call, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (role == NULL)
        return rky_provider_refused(call,
                                    "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    return rky_provider_assume_role(
        call, role, file, rky_provider_getenv(credentials, "AWS_ROLE_SESSION_NAME"), ret_keys);
}
